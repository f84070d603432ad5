"""What a browser tab owns, and where the runs of all tabs are kept while there is room."""

import secrets
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from weakref import WeakKeyDictionary

from app.choices import Asked
from app.frames import painted
from app.opened import OpenedRun
from app.run import Run
from sdvar_core import Outline, Pair, Request, Trace, decode, trace_of

MOST_BASELINES = 64

AnyRun = Run | OpenedRun


def alike(run: AnyRun, pair: Outline) -> bool:
    """Whether runs of the pair can stand beside this one."""
    return (run.schedule, run.codes) == (pair.schedule, pair.codes)


def paint(run: AnyRun, events: Iterable[int]) -> None:
    """Give the frames of these events the pictures that they lack."""
    for index in events:
        if "unpainted" in run.frames[index]:
            run.frames[index] = painted(run.frames[index], run.painter.paint(index))


@dataclass(frozen=True)
class Visit:
    """What a browser tab owns. run: counts its runs. asked: what its run was asked for; None where it has none that
    can go on. count: events of the run that were sent. kept: the same of the run that is kept on the left, to be
    compared with this one."""

    handle: str
    run: int = 0
    asked: Asked | None = None
    count: int = 0
    kept: "Visit | None" = None

    @property
    def name(self) -> str:
        """The name of the run in headers and frames."""
        return f"{self.handle}.{self.run}"

    def next(self, asked: Asked | None = None) -> "Visit":
        """The visit with a new run, beside the kept one if there is one."""
        return Visit(self.handle, max(self.run, self.kept.run if self.kept else 0) + 1, asked, 0, self.kept)


def new_visit() -> Visit:
    """A visit with a handle that cannot be guessed."""
    return Visit(secrets.token_urlsafe(16))


@dataclass(frozen=True, eq=False)
class Seat:
    """The runs of a visit. run: the one that moves on; None where it is still to come. kept: the one on its left."""

    run: AnyRun | None = None
    kept: AnyRun | None = None

    def both(self) -> Iterator[AnyRun]:
        """The runs that there are."""
        return (run for run in (self.run, self.kept) if run is not None)

    def named(self, name: str) -> AnyRun | None:
        """The run of that name."""
        return next((run for run in self.both() if run.name == name), None)


class Seats:
    """The runs of at most ``most`` visits; the visit that was longest away makes room."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._seats: OrderedDict[str, Seat] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._seats)

    def of(self, handle: str) -> Seat:
        """The seat of a visit; an empty one if it has none."""
        with self._lock:
            return self._seats.get(handle, Seat())

    def take(self, handle: str, seat: Seat) -> None:
        """Put these runs on the visit's seat."""
        with self._lock:
            self._seats[handle] = seat
            self._seats.move_to_end(handle)
            while len(self._seats) > self._most:
                self._seats.popitem(last=False)

    def leave(self, handle: str) -> None:
        """Empty the seat and end what still streams to it."""
        with self._lock:
            seat = self._seats.pop(handle, Seat())
        for run in seat.both():
            run.stopped = run.forgotten = True

    def vacate(self, pair: Pair) -> None:
        """Empty the seats of all runs of a pair, so that nothing holds its models."""
        with self._lock:
            held = [handle for handle, seat in self._seats.items() if any(run.pair is pair for run in seat.both())]
        for handle in held:
            self.leave(handle)

    def named(self, name: str) -> AnyRun | None:
        """The run of that name; None if there is none, or it made room."""
        return self.of(name.rpartition(".")[0]).named(name)

    @contextmanager
    def restored(self, visit: Visit) -> Iterator[None]:
        """If what is done meanwhile raises, the visit's seat is as it was."""
        seat = self.of(visit.handle)
        try:
            yield
        except Exception:
            self.take(visit.handle, seat)
            raise


class SoundRuns:
    """What the sound engine makes of requests, the latest of a pair remembered: what runs are compared with."""

    def __init__(self) -> None:
        self._traces: WeakKeyDictionary[Pair, OrderedDict[Request, Trace]] = WeakKeyDictionary()
        self._lock = threading.Lock()

    def alone(self, run: Run) -> Trace | None:
        """The target-only run of the same luck; None if the visitor stopped or left meanwhile."""
        alone = replace(run.request, gamma=0, draft_length="fixed", options=(), carry_over=False, phases=(), forks=())
        return self._of(run, alone)

    def sound(self, run: Run) -> Trace | None:
        """The run of the same request, forks aside; None if the visitor stopped or left meanwhile."""
        return self._of(run, replace(run.request, forks=()))

    def _of(self, run: Run, request: Request) -> Trace | None:
        with self._lock:
            traces = self._traces.setdefault(run.pair, OrderedDict())
            trace = traces.get(request)
        if trace is None:
            trace = self._made(run, request)
            with self._lock:
                if trace is not None:
                    traces[request] = trace
                while len(traces) > MOST_BASELINES:
                    traces.popitem(last=False)
        return trace

    def _made(self, run: Run, request: Request) -> Trace | None:
        events = []
        for event in decode(run.pair, request):
            events.append(event)
            if run.stopped:
                return None
        return trace_of(run.pair, request, events)
