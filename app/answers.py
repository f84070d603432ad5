"""What a page may ask of runs besides new events: frames that it missed, and what is known of one token."""

from app.inspector import Swatches
from app.opened import OpenedRun
from app.visit import AnyRun, Seats

MOST_FRAMES = 32  # of one answer

MADE_ROOM = "This run made room for others: press Step or Generate, and it is computed again."
NO_TOKEN = "The page asked for a token that is not in this run."
NO_CODES = "A trace file does not hold what the models thought of other codes."


class Answers:
    """Answers about the runs on these seats. Questions come from anybody: every part of one is checked."""

    def __init__(self, runs: Seats) -> None:
        self._runs = runs
        self._swatches = Swatches()

    def frames(self, name: object, first: object, stop: object) -> dict:
        """Frames ``first`` … ``stop`` − 1 of the run of that name, for a page that missed some; at most 32 at once."""
        if not (isinstance(name, str) and type(first) is int and type(stop) is int and 0 <= first < stop):
            return {"notice": "The page asked for frames that cannot be."}
        run = self._runs.named(name)
        if run is None:
            return {"notice": MADE_ROOM}
        return {"frames": run.frames[first : min(stop, first + MOST_FRAMES)]}

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
        swatches = self._swatches.of(run.pair, run.events[event].scale, [row["code"] for row in rows])
        if swatches is None:
            return {"notice": "Many visitors ask for pictures of codes: point at the token again in a moment."}
        return {"swatches": swatches}

    def _token(self, name: object, event: object, index: object) -> tuple[AnyRun | None, list[dict] | None]:
        """The run that a page means and the codes of its token; None for what does not exist."""
        run = self._runs.named(name) if isinstance(name, str) else None
        sane = type(event) is int and type(index) is int and event >= 0 and index >= 0
        return run, run.token(event, index) if run is not None and sane else None
