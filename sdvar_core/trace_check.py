"""Whether a trace is true to itself: the order of its events, its arrays, and the identities of design section 4."""

from dataclasses import fields

import numpy as np

from sdvar_core.errors import TraceError
from sdvar_core.events import (
    SETTLING,
    Bonus,
    Carried,
    Drafted,
    Event,
    Judged,
    RoundEnd,
    TargetCall,
    Unverified,
    Violation,
)
from sdvar_core.trace import Trace

LONGEST_SENTENCE = 1000  # characters of a violation


def check_trace(trace: Trace) -> None:
    """Walk through the events; TraceError at the first that cannot follow from those before it."""
    walk = Walk(trace)
    for event in trace.events:
        walk.take(event)


class Walk:
    """What is known of a run after the events so far; of the trace only the request, schedule and codes are read."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.number, self.where = 0, ""
        self.round = 1
        self.committed = self.settled = self.calls = 0  # settled: scales whose tokens stand
        self.called = False  # in this round
        self.proposals: list[np.ndarray] = []  # of this round

    def take(self, event: Event) -> None:
        """Go one event further; TraceError if it cannot follow from those before it."""
        self.number += 1
        self.where = f"event {self.number} ({type(event).__name__})"
        if event.round != self.round and not isinstance(event, Violation):
            raise self._refuse(f"the round is not {self.round}.")
        match event:
            case RoundEnd():
                self._end(event)
            case TargetCall():
                self._call(event)
            case Violation():
                self._violation(event)
            case _:
                self._scale(event)

    def _refuse(self, what: str) -> TraceError:
        return TraceError(f"In {self.where} {what}")

    def _end(self, event: RoundEnd) -> None:
        if not self.committed < event.committed == self.settled:
            raise self._refuse(
                f"{event.committed} scales are final after {self.committed}, with {self.settled} settled."
            )
        proposed = len(self.proposals)
        if (event.gamma, event.discarded) != (proposed, max(0, self.committed + proposed - self.settled)):
            raise self._refuse(f"{event.gamma} scales were proposed and {event.discarded} discarded: impossible.")
        for before, after in (event.draft_cache, event.target_cache):
            if not 0 <= after <= min(before, event.committed) or before > len(self.trace.schedule):
                raise self._refuse(
                    f"a cache goes from {before} to {after} scales although {event.committed} are final."
                )
        self.committed, self.proposals, self.called = event.committed, [], False
        self.round += 1

    def _call(self, event: TargetCall) -> None:
        self.calls += 1
        expected = (self.calls, self.committed, self.committed + len(self.proposals) + 1)
        if (
            (event.number, event.start, event.stop) != expected
            or self.called
            or not 0 <= event.read_from <= event.start
        ):
            raise self._refuse(f"scales {event.start + 1} to {event.stop} are read after {self.committed}.")
        self.called = True

    def _violation(self, event: Violation) -> None:
        # It may follow the end of the round that showed it.
        if not max(1, self.round - 1) <= event.round <= self.round or not all(
            0 < len(text) <= LONGEST_SENTENCE for text in (event.invariant, event.sentence)
        ):
            raise self._refuse("the violation has no name, no sentence or too long a one.")

    def _scale(self, event: Event) -> None:
        lengths = self.trace.schedule.lengths
        if not self.committed <= event.scale < len(lengths):
            raise self._refuse(f"scale {event.scale + 1} is touched although {self.committed} scales are final.")
        self._arrays(event, (self.trace.request.batch, lengths[event.scale]))
        proposing = isinstance(event, Drafted | Carried)
        due = self.committed + len(self.proposals) if proposing else self.settled
        if event.scale != due or self.called != isinstance(event, Judged | Bonus):
            raise self._refuse(f"scale {event.scale + 1} comes out of order.")
        if isinstance(event, Drafted) and not 0 <= event.read_from <= event.scale:
            raise self._refuse("the draft reads from another scale on than it can.")
        if proposing:
            self.proposals.append(event.tokens)
        if isinstance(event, SETTLING):
            self.settled += 1
        if isinstance(event, Judged | Unverified):
            self._verdict(event)

    def _verdict(self, event: Judged | Unverified) -> None:
        proposed = self.proposals[event.scale - self.committed :][:1]
        claimed = event.drafted if isinstance(event, Judged) else event.tokens
        if not proposed or not np.array_equal(proposed[0], claimed):
            raise self._refuse("other tokens are judged than were drafted.")
        if isinstance(event, Judged) and not np.array_equal(event.drafted[event.kept], event.tokens[event.kept]):
            raise self._refuse("a kept token is not the drafted one.")

    def _arrays(self, event: Event, shape: tuple[int, int]) -> None:
        for field in fields(event):
            value = getattr(event, field.name)
            expected = shape[:1] if field.name == "passed" else shape
            if isinstance(value, np.ndarray) and value.shape != expected:
                raise self._refuse(f"{field.name} has shape {value.shape}, expected {expected}.")
        for tokens in (event.tokens, getattr(event, "drafted", event.tokens)):
            if tokens.min() < 0 or tokens.max() >= self.trace.codes:
                raise self._refuse(f"a token is outside the codebook of {self.trace.codes} codes.")
