"""Visitors and their runs: who may see which run, how it moves on, and what is sent to the page.

A ``Visit`` is the small frozen record that Gradio keeps for a browser tab: an opaque handle, the request, and how many
events were shown. The live run, a generator, its events and its frames, stays here on a seat (app/visit.py). Runs are
deterministic: one that had to make room is computed again, up to the same event, when its owner comes back.
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path

from app.answers import MADE_ROOM, Answers
from app.choices import Asked, asked, forked_as
from app.menu import Menu
from app.opened import OpenedRun, read_trace_file
from app.payload import Payload, payload_of
from app.run import Run, Shown
from app.visit import AnyRun, Seat, Seats, SoundRuns, Visit, alike, new_visit, paint
from sdvar_core import Fork, Pair, RequestError, SDVARError, forked

MOST_RUNS = 64
MOST_EVENTS = 8  # of one streamed value
SHORTEST_PAUSE = 0.08  # seconds between streamed values
CHEAP = 5.0  # seconds of target time up to which the target-only run is made as well

NOTHING_YET = "There is no run yet: press Generate or Step first."
NO_FORK = "A run of a trace file cannot be forked: press Generate to make it here, then fork that one."
NOT_ALIKE = "The two runs have other scales or codes: there is nothing to compare. Press Reset for a new one."


class Visits(Answers):
    """Every visitor's runs; those of at most ``most_runs`` visitors, the oldest makes room.

    pair_loader: called once, at the first need. menu: how many other pairs visitors may choose, see ``Menu``.
    ``asked``, ``begun`` and ``opened`` say what a run is here; the visits of another tab replace them.
    """

    live: type = Run  # what goes on, unlike the run of a trace file
    finished_notice = "This picture is finished: walk through it with the arrow keys, or press Reset to make it again."

    def __init__(self, pair_loader: Callable[[], Pair], most_runs: int = MOST_RUNS, **menu: object) -> None:
        super().__init__(Seats(most_runs))
        self.menu = Menu(pair_loader, leaving=self._runs.vacate, **menu)
        self._sound = SoundRuns()
        self._sequence = count(time.time_ns() // 1_000_000)  # grows across restarts too

    @property
    def pair(self) -> Pair:
        """The pair that the page opens with."""
        return self.menu.first

    def asked(self, settings: dict) -> Asked:
        """What the controls ask for; SDVARError with one sentence if they are wrong."""
        return asked(settings, len(self.menu.outline(settings).schedule), self.menu.chosen(settings))

    def begun(self, name: str, asked: Asked, origin: AnyRun | None = None) -> Run:
        """A new run; origin: the one that it forks from."""
        return Run(name, self.menu.take(asked.models), asked.request, asked.fault, origin)

    def opened(self, name: str, path: Path) -> OpenedRun:
        """The run of a trace file, with the models that made it if they are in memory."""
        trace = read_trace_file(path)
        return OpenedRun(name, self.menu.held(trace.pair), trace)

    def warm_up(self) -> None:
        """Make one run for nobody, so that the first visitor does not wait for what is slow only once."""
        visit = new_visit()
        for _, after in self.generate(visit, {"gamma": 3}):
            visit = after
        list(self.compare(visit))
        self.forget(visit)

    def generate(self, visit: Visit, settings: dict) -> Iterator[tuple[Payload, Visit]]:
        """Run to the end, or on to the end if these settings are under way; yields as events come."""
        try:
            wanted = self.asked(settings)
            yield from self._loading(visit, wanted)
            run, visit = self._run(visit, wanted, again=True)
            yield from self._stream(run, visit)
        except SDVARError as error:
            yield self.payload(visit, notice=str(error)), visit

    def step(self, visit: Visit, settings: dict) -> Iterator[tuple[Payload, Visit]]:
        """One event more, of a new run if the settings are new."""
        try:
            wanted = self.asked(settings)
            yield from self._loading(visit, wanted)
            run, visit = self._run(visit, wanted, again=False)
            yield from self._step(run, visit)
        except SDVARError as error:
            yield self.payload(visit, notice=str(error)), visit

    def forward(self, visit: Visit) -> Iterator[tuple[Payload, Visit]]:
        """One event more of the run that is shown, whatever the controls say by now."""
        try:
            if visit.asked is None:
                raise RequestError(NOTHING_YET)
            yield from self._loading(visit, visit.asked)
            run, visit = self._run(visit, visit.asked, again=False)
            yield from self._step(run, visit)
        except SDVARError as error:
            yield self.payload(visit, notice=str(error)), visit

    def restore(
        self, visit: Visit, settings: dict, event: int, forks: Sequence[Fork] = ()
    ) -> Iterator[tuple[Payload, Visit]]:
        """The run of an address, made up to the event of that number, counted from 1, or to its end; where it forks,
        both runs to their ends, and the cursor goes to the event."""
        try:
            wanted = self.asked(settings)
            if forks:
                wanted = replace(wanted, request=replace(wanted.request, forks=tuple(forks[:-1])))
            yield from self._loading(visit, wanted)
            run, visit = self._run(visit, wanted, again=False)
            if not forks:
                yield from self._stream(run, visit, stop=event, stream=False)
                return
            *_, (_, visit) = self._stream(run, visit, stream=False)
            *_, (_, visit) = self._fork(visit, forks[-1], stream=False)
            yield self.payload(visit, self._runs.of(visit.handle).run) | {"cursor": event - 1}, visit
        except SDVARError as error:
            yield self.payload(visit, notice=str(error)), visit

    def fork(self, visit: Visit, wish: object) -> Iterator[tuple[Payload, Visit]]:
        """Run on, from an event of the run that is shown or kept, with another choice; that run is kept beside it."""
        try:
            yield from self._fork(visit, wish)
        except SDVARError as error:
            run = self._runs.of(visit.handle).run  # all that the visit shows, once more
            yield self.payload(visit, run, len(run.frames) if run else 0, notice=str(error)), visit

    def beside(self, visit: Visit) -> tuple[Payload, Visit]:
        """Keep the run that is shown on the left: the next one comes beside it."""
        try:
            seat = self._seat(visit)
            if seat.run is None:
                raise RequestError(NOTHING_YET)
            if not any(alike(seat.run, outline) for outline in self.menu.outlines()):
                raise RequestError(NOT_ALIKE)
        except SDVARError as error:
            return self.payload(visit, notice=str(error)), visit
        self._runs.take(visit.handle, Seat(None, seat.run))
        visit = replace(visit, kept=replace(visit, kept=None)).next()
        return self.payload(visit), visit

    def choose(self, visit: Visit, side: object) -> tuple[Payload, Visit]:
        """End the comparison and go on with the run on the ``left`` or on the ``right``."""
        seat = self._seat(visit)
        if visit.kept is None or side not in ("left", "right") or (side == "right" and seat.run is None):
            return self.payload(visit, notice="There is no such run to go on with."), visit
        dropped, run = (seat.run, seat.kept) if side == "left" else (seat.kept, seat.run)
        if dropped is not None:
            dropped.stopped = dropped.forgotten = True
        self._runs.take(visit.handle, Seat(run))
        visit = visit.kept if side == "left" else replace(visit, kept=None)
        return self.payload(visit, run, len(run.frames)), visit

    def compare(self, visit: Visit) -> Iterator[tuple[Payload, Visit]]:
        """After the end of a run: how it compares with the target alone, if that is cheap to know."""
        run = self._runs.of(visit.handle).run
        if not isinstance(run, self.live) or not run.finished or run.baseline or run.target_seconds > CHEAP:
            return
        if not run.trace().finished:
            return  # a fault ended it early: there is nothing whole to compare
        alone, sound = self._sound.alone(run), self._sound.sound(run) if run.fault else None
        if alone is not None and (sound is not None or not run.fault) and not run.forgotten:
            run.baseline = run.compared_with(alone, sound)
            yield self.payload(visit, run, visit.count), visit

    def open(self, visit: Visit, path: Path) -> tuple[Payload, Visit]:
        """Show the run of a trace file. A file that is wrong is answered in one sentence, and nothing is lost."""
        try:
            run = self.opened(replace(visit, run=visit.run + 1).name, path)
        except SDVARError as error:
            return self.payload(visit, notice=str(error)), visit
        self.forget(visit)
        self._runs.take(visit.handle, Seat(run))
        # Without a request: there is nothing to go on with, and Generate or Step starts a run of the controls.
        visit = Visit(visit.handle, visit.run + 1, None, len(run.frames))
        return self.payload(visit, run), visit

    def shown(self, visit: Visit, painted: bool = False) -> Shown:
        """The run for exports, of two the right one, ``painted`` with every scale's picture. SDVARError without one."""
        if not all(self.menu.holds(one.asked.models) for one in (visit, visit.kept) if one and one.asked):
            raise SDVARError(MADE_ROOM)
        run = next(self._seat(visit).both(), None)
        if run is None or not run.frames:
            raise SDVARError("There is no run to share yet: press Generate or Step, or open a trace file.")
        paint(run, run.painter.settled() if painted else ())
        return run.shown()

    def stop(self, visit: Visit) -> None:
        """Let a streaming run end after the event it is making; what there is stays."""
        for run in self._runs.of(visit.handle).both():
            run.stopped = True

    def reset(self, visit: Visit) -> tuple[Payload, Visit]:
        """Forget the runs and start with an empty stage."""
        self.forget(visit)
        visit = Visit(visit.handle, visit.run + 1)
        return self.payload(visit), visit

    def forget(self, visit: Visit) -> None:
        """Drop the runs of a visitor who left or reset."""
        self._runs.leave(visit.handle)

    def payload(self, visit: Visit, run: AnyRun | None = None, first: int = 0, **said: object) -> Payload:
        """The value of the stage: ``run``, beside the one that the visit keeps; ``said``: see ``payload_of``."""
        kept = self._runs.of(visit.handle).kept if visit.kept else None
        return {"sequence": next(self._sequence), **payload_of(run, kept, first, **said)}

    def _loading(self, visit: Visit, wanted: Asked) -> Iterator[tuple[Payload, Visit]]:
        """Says so, if models must be read from the disk first; SDVARError if they cannot be."""
        if not self.menu.holds(wanted.models):
            self.menu.check(wanted.models)
            yield self.payload(visit, notice=f"Reading the models of {wanted.models.pair} …", busy=True), visit

    def _run(self, visit: Visit, wanted: Asked, again: bool) -> tuple[Run, Visit]:
        """The run that goes on, if that is what is wanted, or a new one. ``again``: a finished run starts anew."""
        goes_on = wanted == visit.asked
        if visit.kept is not None and not goes_on:
            self.menu.check_together(wanted.models, visit.kept.asked and visit.kept.asked.models)
        pair, seat = self.menu.take(wanted.models), self._seat(visit, goes_on)
        run = seat.run if goes_on else None
        if run is None or (again and run.finished):
            if seat.kept is not None and not alike(seat.kept, pair):
                raise RequestError(NOT_ALIKE)
            visit = visit.next(wanted)
            run = self.begun(visit.name, wanted)
        run.stopped = False
        self._runs.take(visit.handle, Seat(run, seat.kept))
        return run, visit

    def _seat(self, visit: Visit, whole: bool = True) -> Seat:
        """The visit's runs; those that made room are computed again, the one that goes on only if ``whole``."""
        seat = self._runs.of(visit.handle)
        kept = visit.kept and (seat.named(visit.kept.name) or self._again(visit.kept))
        return Seat(seat.named(visit.name) or (self._again(visit, kept) if whole else None), kept)

    def _again(self, visit: Visit, origin: AnyRun | None = None) -> Run | None:
        """The run of the visit, computed again up to the event that was shown; None if it had none."""
        if visit.asked is None or not visit.count:
            return None
        run = self.begun(visit.name, visit.asked, origin)
        while len(run.frames) < visit.count and not run.finished:
            run.advance()
        return run

    def _fork(self, visit: Visit, wish: object, stream: bool = True) -> Iterator[tuple[Payload, Visit]]:
        with self._runs.restored(visit):
            seat, left = self._seat(visit), visit.kept or visit
            origin = seat.kept if visit.kept else seat.run
            if origin is None:
                raise RequestError(NOTHING_YET)
            if not isinstance(origin, Run):
                raise RequestError(NO_FORK)
            change = forked_as(wish, origin.events)
            origin.to_the_end()
            visit = replace(visit, kept=replace(left, count=len(origin.frames), kept=None))
            visit = visit.next(replace(left.asked, request=forked(origin.request, change)))
            run = self.begun(visit.name, visit.asked, origin)
            run.stopped = origin.stopped  # the visitor may have pressed Stop meanwhile
            self._runs.take(visit.handle, Seat(run, origin))
            yield from self._stream(run, visit, stream=stream)

    def _stream(
        self, run: Run, visit: Visit, stop: float = math.inf, stream: bool = True
    ) -> Iterator[tuple[Payload, Visit]]:
        def ended() -> bool:
            return run.finished or run.stopped or len(run.frames) >= stop

        sent_at, first = 0.0, visit.count
        while not ended():
            run.advance()
            due = time.monotonic() - sent_at >= SHORTEST_PAUSE or len(run.frames) - visit.count >= MOST_EVENTS
            if (due or len(run.frames) == first + 1) and not ended():
                sent_at = time.monotonic()
                payload, visit = self._sent(run, visit, busy=True, stream=stream)
                yield payload, visit
        yield from self._rest(run, visit, stream=stream)

    def _step(self, run: Run, visit: Visit) -> Iterator[tuple[Payload, Visit]]:
        if run.finished:
            yield self.payload(visit, run, visit.count, notice=self.finished_notice), visit
            return
        run.advance()
        yield from self._rest(run, visit, stream=False)
        yield from self.compare(replace(visit, count=len(run.frames)))

    def _rest(self, run: Run, visit: Visit, stream: bool) -> Iterator[tuple[Payload, Visit]]:
        """What was not sent yet."""
        if not run.forgotten:
            yield self._sent(run, visit, busy=False, stream=stream)

    def _sent(self, run: Run, visit: Visit, busy: bool, stream: bool) -> tuple[Payload, Visit]:
        payload = self.payload(visit, run, visit.count, busy=busy, stream=stream)
        return payload, replace(visit, count=payload["count"])
