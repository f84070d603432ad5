"""What a page may ask of runs besides new events: frames that it missed, and what is known of one token."""

import threading

from app.inspector import Swatches
from app.opened import OpenedRun
from app.visit import AnyRun, Seats, paint

MOST_FRAMES = 32  # of one answer
MOST_WAIT = 20.0  # seconds, for the pictures of others

MADE_ROOM = "This run made room for others: press Step or Generate, and it is computed again."
MANY_ASK = "Many visitors ask for pictures: look here again in a moment."
NO_PICTURE = "The page asked for a picture that cannot be."
SLOW = "Painting what codes look like takes these models too long here."
NO_TOKEN = "The page asked for a token that is not in this run."
NO_CODES = "A trace file does not hold what the models thought of other codes."


class Answers:
    """Answers about the runs on these seats. Questions come from anybody: every part of one is checked."""

    def __init__(self, runs: Seats) -> None:
        self._runs = runs
        self._swatches = Swatches()
        self._painting = threading.Lock()

    def frames(self, name: object, first: object, stop: object) -> dict:
        """Frames ``first`` … ``stop`` − 1 of the run of that name, for a page that missed some; at most 32 at once."""
        if not (isinstance(name, str) and type(first) is int and type(stop) is int and 0 <= first < stop):
            return {"notice": "The page asked for frames that cannot be."}
        run = self._runs.named(name)
        if run is None:
            return {"notice": MADE_ROOM}
        return {"frames": run.frames[first : min(stop, first + MOST_FRAMES)]}

    def picture(self, name: object, event: object, _: object) -> dict:
        """The picture of an event of the run of that name which was not painted ahead."""
        run = self._runs.named(name) if isinstance(name, str) else None
        if run is None:
            return {"notice": MADE_ROOM}
        if type(event) is not int or not run.painter.has(event) or event >= len(run.frames):
            return {"notice": NO_PICTURE}
        if not self._painting.acquire(timeout=MOST_WAIT):
            return {"notice": MANY_ASK}
        try:
            paint(run, [event])
            return {"picture": run.frames[event]["picture"]}
        finally:
            self._painting.release()

    def token(self, name: object, event: object, index: object) -> dict:
        """The likeliest codes of one token of that event of the run of that name, with exact p and q."""
        run, rows = self._token(name, event, index)
        if run is None:
            return {"notice": MADE_ROOM}
        if rows is None:
            return {"notice": NO_CODES if isinstance(run, OpenedRun) else NO_TOKEN}
        return {"rows": rows}

    def swatches(self, name: object, event: object, index: object) -> dict:
        """What each of the codes of ``token`` looks like at its scale: small pictures by code."""
        run, rows = self._token(name, event, index)
        if run is None:
            return {"notice": MADE_ROOM}
        if rows is None:
            return {"notice": NO_TOKEN}
        if run.painter.slow:
            return {"notice": SLOW}
        swatches = self._swatches.of(run.pair, run.events[event].scale, [row["code"] for row in rows])
        if swatches is None:
            return {"notice": MANY_ASK}
        return {"swatches": swatches}

    def _token(self, name: object, event: object, index: object) -> tuple[AnyRun | None, list[dict] | None]:
        """The run that a page means and the codes of its token; None for what does not exist."""
        run = self._runs.named(name) if isinstance(name, str) else None
        sane = type(event) is int and type(index) is int and event >= 0 and index >= 0
        return run, run.token(event, index) if run is not None and sane else None
