"""Visitors and their runs: who may see which run, how it moves on, and what is sent to the page.

A ``Visit`` is the small frozen record that Gradio keeps for a browser tab: an opaque handle, the request, and how many
events were shown. The live run, a generator, its events and its frames, stays here in a bounded registry. Runs are
deterministic: one that had to make room is computed again, up to the same event, when its owner comes back.
"""

import math
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

from app.choices import Asked, asked
from app.inspector import Swatches
from app.opened import OpenedRun, read_trace_file
from app.run import Run, Shown
from sdvar_core import Event, Pair, Request, SDVARError, Trace, decode, trace_of

MOST_RUNS = 64
MOST_BASELINES = 64
MOST_FRAMES = 32  # of one answer
MOST_EVENTS = 4  # of one streamed value
SHORTEST_PAUSE = 0.03  # seconds between streamed values
CHEAP = 5.0  # seconds of target time up to which the target-only run is made as well

MADE_ROOM = "This run made room for others: press Step or Generate, and it is computed again."
NO_TOKEN = "The page asked for a token that is not in this run."
NO_CODES = "A trace file does not hold what the models thought of other codes."

Payload = dict
"""The value of the stage; see ``Visits.payload``."""


@dataclass(frozen=True)
class Visit:
    """What a browser tab owns. run: counts its runs. count: events of the run that were sent. fault: of its run."""

    handle: str
    run: int = 0
    request: Request | None = None
    count: int = 0
    fault: str | None = None

    @property
    def name(self) -> str:
        """The name of the run in headers and frames."""
        return f"{self.handle}.{self.run}"


def new_visit() -> Visit:
    """A visit with a handle that cannot be guessed."""
    return Visit(secrets.token_urlsafe(16))


class Visits:
    """Every visitor's run on one pair of models; at most ``most_runs`` of them, the oldest makes room.

    pair_loader: called once, at the first need. The methods ``asked`` to ``traced`` say what a run is here; another
    tab's visits replace them.
    """

    finished_notice = "This picture is finished: walk through it with the arrow keys, or press Reset to make it again."

    def __init__(self, pair_loader: Callable[[], Pair], most_runs: int = MOST_RUNS) -> None:
        self._load, self._most_runs = pair_loader, most_runs
        self._pair: Pair | None = None
        self._runs: OrderedDict[str, Run | OpenedRun] = OrderedDict()
        self._baselines: OrderedDict[Request, Trace] = OrderedDict()
        self._lock = threading.RLock()
        self._swatches = Swatches()
        self._sequence = count(time.time_ns() // 1_000_000)  # grows across restarts too

    @property
    def pair(self) -> Pair:
        """The pair of models."""
        with self._lock:
            self._pair = self._pair or self._load()
            return self._pair

    def asked(self, settings: dict) -> Asked:
        """What the controls ask for; SDVARError with one sentence if they are wrong."""
        return asked(settings, len(self.pair.schedule))

    def begun(self, name: str, request: Request, fault: str | None) -> Run:
        """A new run."""
        return Run(name, self.pair, request, fault)

    def opened(self, name: str, path: Path) -> OpenedRun:
        """The run of a trace file."""
        return OpenedRun(name, self.pair, read_trace_file(path))

    def decoded(self, request: Request) -> Iterator[Event]:
        """The events of a request, decoded for nobody to watch."""
        return decode(self.pair, request)

    def traced(self, request: Request, events: list[Event]) -> Trace:
        """The trace of those events."""
        return trace_of(self.pair, request, events)

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
            run, visit = self._run(visit, wanted.request, again=True, fault=wanted.fault)
            yield from self._stream(run, visit)
        except SDVARError as error:
            yield self.payload(visit, notice=str(error)), visit

    def step(self, visit: Visit, settings: dict) -> Iterator[tuple[Payload, Visit]]:
        """One event more, of a new run if the settings are new."""
        try:
            wanted = self.asked(settings)
            run, visit = self._run(visit, wanted.request, again=False, fault=wanted.fault)
            yield from self._step(run, visit)
        except SDVARError as error:
            yield self.payload(visit, notice=str(error)), visit

    def forward(self, visit: Visit) -> Iterator[tuple[Payload, Visit]]:
        """One event more of the run that is shown, whatever the controls say by now."""
        if visit.request is None:
            yield self.payload(visit, notice="There is no run to go on with: press Generate or Step."), visit
            return
        run, visit = self._run(visit, visit.request, again=False, fault=visit.fault)
        yield from self._step(run, visit)

    def restore(self, visit: Visit, settings: dict, event: int) -> Iterator[tuple[Payload, Visit]]:
        """The run of an address, made up to the event of that number, counted from 1, or to its end."""
        try:
            wanted = self.asked(settings)
            run, visit = self._run(visit, wanted.request, again=False, fault=wanted.fault)
            yield from self._stream(run, visit, stop=event, stream=False)
        except SDVARError as error:
            yield self.payload(visit, notice=str(error)), visit

    def compare(self, visit: Visit) -> Iterator[tuple[Payload, Visit]]:
        """After the end of a run: how it compares with the target alone, if that is cheap to know."""
        run = self._runs.get(visit.handle)
        if not isinstance(run, Run) or not run.finished or run.baseline or run.target_seconds > CHEAP:
            return
        if not run.trace().finished:
            return  # a fault ended it early: there is no picture to compare
        alone, sound = self._alone(run), self._sound(run, run.request) if run.fault else None
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
        self._keep(visit.handle, run)
        # Without a request: there is nothing to go on with, and Generate or Step starts a run of the controls.
        visit = Visit(visit.handle, visit.run + 1, None, len(run.frames))
        return self.payload(visit, run), visit

    def shown(self, visit: Visit) -> Shown:
        """The run that is shown, for exports; one that made room is computed again. SDVARError if there is none."""
        with self._lock:
            run = self._runs.get(visit.handle)
        if run is None and visit.request is not None and visit.count:
            run, _ = self._run(visit, visit.request, again=False, fault=visit.fault)
        if run is None or not run.frames:
            raise SDVARError("There is no run to share yet: press Generate or Step, or open a trace file.")
        return run.shown()

    def stop(self, visit: Visit) -> None:
        """Let a streaming run end after the event it is making; what there is stays."""
        run = self._runs.get(visit.handle)
        if run is not None:
            run.stopped = True

    def reset(self, visit: Visit) -> tuple[Payload, Visit]:
        """Forget the run and start with an empty stage."""
        self.forget(visit)
        visit = Visit(visit.handle, visit.run + 1)
        return self.payload(visit), visit

    def forget(self, visit: Visit) -> None:
        """Drop the run of a visitor who left or reset."""
        with self._lock:
            run = self._runs.pop(visit.handle, None)
        if run is not None:
            run.stopped = run.forgotten = True

    def frames(self, name: object, first: object, stop: object) -> dict:
        """Frames ``first`` … ``stop`` − 1 of the run of that name, for a page that missed some; at most 32 at once."""
        if not (isinstance(name, str) and type(first) is int and type(stop) is int and 0 <= first < stop):
            return {"notice": "The page asked for frames that cannot be."}
        run = self._named(name)
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

    def _token(self, name: object, event: object, index: object) -> tuple[Run | OpenedRun | None, list[dict] | None]:
        """The run that a page means and the codes of its token; None for what does not exist."""
        run = self._named(name) if isinstance(name, str) else None
        sane = type(event) is int and type(index) is int and event >= 0 and index >= 0
        return run, run.token(event, index) if run is not None and sane else None

    def _named(self, name: str) -> Run | OpenedRun | None:
        with self._lock:
            run = self._runs.get(name.rpartition(".")[0])
        return run if run is not None and run.name == name else None

    def payload(
        self,
        visit: Visit,
        run: Run | None = None,
        first: int = 0,
        *,
        busy: bool = False,
        stream: bool = False,
        notice: str | None = None,
    ) -> Payload:
        """The value of the stage. It repeats the header, and says how many frames there are, so that a page that
        missed values can ask for what it lacks; ``sequence`` grows, so that every value is a new one and a late one
        is known. busy: more is on its way. stream: it comes from Generate, so that the page runs after it. keep: only
        the notice is new."""
        shown = {"sequence": next(self._sequence), "busy": busy, "stream": stream, "notice": notice}
        return shown | {
            "keep": run is None and notice is not None,
            "header": run and run.header,
            "count": len(run.frames) if run else 0,
            "first": first,
            "frames": run.frames[first:] if run else [],
            "finished": run is not None and run.finished,
            "baseline": run and run.baseline,
        }

    def _run(self, visit: Visit, request: Request, again: bool, fault: str | None = None) -> tuple[Run, Visit]:
        """The run that ``request`` continues, or a new one. ``again``: a finished run starts anew."""
        with self._lock:
            run = self._runs.get(visit.handle)
        continues = (request, fault) == (visit.request, visit.fault) and visit.count > 0
        if continues and run is None:
            run = self.begun(visit.name, request, fault)
            while len(run.frames) < visit.count and not run.finished:
                run.advance()
        if not continues or (again and run.finished):
            visit = Visit(visit.handle, visit.run + 1, request, fault=fault)
            run = self.begun(visit.name, request, fault)
        run.stopped = False
        self._keep(visit.handle, run)
        return run, visit

    def _keep(self, handle: str, run: Run) -> None:
        with self._lock:
            self._runs[handle] = run
            self._runs.move_to_end(handle)
            while len(self._runs) > self._most_runs:
                self._runs.popitem(last=False)

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

    def _alone(self, run: Run) -> Trace | None:
        """The target-only run of the same luck; None if the visitor stopped or left meanwhile."""
        alone = replace(run.request, gamma=0, draft_length="fixed", options=(), carry_over=False, phases=())
        return self._sound(run, alone)

    def _sound(self, run: Run, request: Request) -> Trace | None:
        """What the sound engine makes of a request; None if the visitor stopped or left meanwhile."""
        with self._lock:
            trace = self._baselines.get(request)
        if trace is None:
            events = []
            for event in self.decoded(request):
                events.append(event)
                if run.stopped:
                    return None
            trace = self.traced(request, events)
            with self._lock:
                self._baselines[request] = trace
                while len(self._baselines) > MOST_BASELINES:
                    self._baselines.popitem(last=False)
        return trace
