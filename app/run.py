"""A live run: its generator, and the events and frames that it has given so far."""

from dataclasses import asdict, dataclass

import numpy as np

from app.frames import Baseline, Frame, Header, baseline, frame, header
from app.inspector import Shortlist, shortlist
from app.menu import choice_of
from app.painting import Painter
from sdvar_core import (
    Event,
    Pair,
    Request,
    Trace,
    Violation,
    decode,
    fork,
    trace_of,
)


@dataclass(frozen=True, eq=False)
class Shown:
    """A run as the page shows it at one moment; frames and events go in step."""

    trace: Trace
    header: Header
    frames: tuple[Frame, ...]
    baseline: Baseline | None


class Run:
    """One run on its way. stopped: its stream shall end. forgotten: nobody shall see it any more.

    fault: what is broken on purpose, a key of ``FAULTS``; then every invariant looks on. finished: no event is left.
    origin: the run that this one forked from, whose measured seconds it repeats up to there.
    shortlists: of each event the part of p and q that the page can ask for; None where no distribution was used.
    """

    def __init__(
        self, name: str, pair: Pair, request: Request, fault: str | None = None, origin: "Run | None" = None
    ) -> None:
        self.name, self.pair, self.request, self.fault = name, pair, request, fault
        self.events: list[Event] = []
        self.frames: list[Frame] = []
        self.baseline: Baseline | None = None
        self.stopped = self.forgotten = self.finished = False
        self.shortlists: list[Shortlist | None] = []
        self._heard: tuple[Event, Shortlist] | None = None
        self.schedule, self.codes = pair.schedule, pair.codes
        how = {"listener": self._hear, "fault": fault, "watch": "all" if fault else "cheap"}
        if origin is not None and request.forks:
            self._source = fork(pair, origin.so_far(), request.forks[-1], **how)
        else:
            self._source = decode(pair, request, **how)
        self.painter = Painter(pair, self.events)

    @property
    def header(self) -> Header:
        """What stays the same through the run."""
        pair, request = self.pair, self.request
        label = pair.class_names[pair.class_index(request.labels[0])]
        made = header(self.name, pair.name, pair.schedule, pair.codes, request, label, self.fault)
        return made | {"settings": made["settings"] | asdict(choice_of(pair))}

    def advance(self) -> None:
        """One event more, and its frame; after the last round also what the invariants say of it.

        A fault may end a run before every scale is final: then there is none.
        """
        event = next(self._source, None)
        if event is None:
            self.finished = True
            return
        self.events.append(event)
        self.shortlists.append(self._heard[1] if self._heard and self._heard[0] is event else None)
        trace, index = self.so_far(), len(self.frames)
        picture = self.painter.ahead(index, trace.draft_seconds + trace.target_seconds)
        self.frames.append(frame(trace, picture, self.painter.seconds, self.painter.has(index)))
        if trace.finished:
            self.advance()

    def to_the_end(self) -> None:
        """Every event that is left, or those until the run shall stop."""
        self.stopped = False
        while not (self.finished or self.stopped):
            self.advance()

    def so_far(self) -> Trace:
        """The trace of the events so far, without its picture."""
        return Trace(self.pair.name, self.request, self.schedule, self.codes, tuple(self.events))

    @property
    def target_seconds(self) -> float:
        """Wall-clock inside the target so far."""
        return self.frames[-1]["counters"]["target_ms"] / 1000.0 if self.frames else 0.0

    def trace(self) -> Trace:
        """The whole trace, with its picture."""
        return trace_of(self.pair, self.request, self.events)

    def compared_with(self, alone: Trace, sound: Trace | None = None) -> Baseline:
        """How the finished run compares with the target-only run of the same luck, scale by scale; see ``baseline``."""
        trace, after = self.trace(), []
        if trace.differing_tokens(alone):
            both = [np.concatenate(scale) for scale in zip(trace.tokens, alone.tokens)]
            after = [tuple(self.pair.render(both[: scale + 1])) for scale in range(len(both))]
        return baseline(trace, alone, sound, after)

    def shown(self) -> Shown:
        """What there is by now."""
        frames, pair = tuple(self.frames), self.pair
        events = tuple(self.events[: len(frames)])
        return Shown(trace_of(pair, self.request, events), self.header, frames, self.baseline)

    def token(self, event: int, index: int) -> list[dict] | None:
        """The likeliest codes of a token of an event, with exact numbers; None if there is no such thing."""
        kept = self.shortlists[event] if event < len(self.shortlists) else None
        return kept.rows(index) if kept is not None and index < len(kept.codes) else None

    def _hear(self, event: Event, target, draft) -> None:
        number = sum(not isinstance(earlier, Violation) for earlier in self.events)
        self._heard = event, shortlist(event, target, draft, self.request.at(number).rule)
