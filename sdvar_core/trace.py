"""Frozen records of a run: the events that decoding yields, the trace they make, and the numbers shown to people.

A trace is the request, the schedule and the list of events; every number on the page, in the bench and in the tests
is a property of it. Axes: arrays of an event are (batch, n²) for the n² tokens of its scale.
"""

from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from types import UnionType

import numpy as np

from sdvar_core.errors import TraceError
from sdvar_core.request import Request
from sdvar_core.scales import Schedule


@dataclass(frozen=True, eq=False)
class Drafted:
    """The draft guessed one scale. ``read_from`` is the first scale of its forward: below ``scale`` when the draft's
    cache had to catch up."""

    round: int
    scale: int
    read_from: int
    tokens: np.ndarray  # int32
    probability: np.ndarray  # float32, q of the drawn token
    entropy: np.ndarray  # float32, nats, of q
    seconds: float


@dataclass(frozen=True, eq=False)
class TargetCall:
    """One forward of the target over the scales ``start`` … ``stop`` − 1, on a cache of ``start`` scales."""

    round: int
    number: int  # counted from 1
    start: int
    stop: int
    seconds: float


@dataclass(frozen=True, eq=False)
class Judged:
    """The acceptance rule spoke on one drafted scale."""

    round: int
    scale: int
    drafted: np.ndarray  # int32, the token that was guessed
    tokens: np.ndarray  # int32, the token that stands after judging
    kept: np.ndarray  # bool
    target_probability: np.ndarray  # float32, p of the drafted token
    draft_probability: np.ndarray  # float32, q of the drafted token
    standing_probability: np.ndarray  # float32, p of the token that stands
    total_variation: np.ndarray  # float32, TV(p, q)
    entropy: np.ndarray  # float32, nats, of p
    luck: np.ndarray  # float32, the uniform of the acceptance test; NaN where the rule uses none
    passed: np.ndarray  # bool (batch,): may the next drafted scale be judged?


@dataclass(frozen=True, eq=False)
class Bonus:
    """The target drew a scale itself: the free one after a passed window, or every scale where gamma is 0."""

    round: int
    scale: int
    tokens: np.ndarray  # int32
    probability: np.ndarray  # float32, p of the drawn token
    entropy: np.ndarray  # float32, nats, of p


@dataclass(frozen=True, eq=False)
class RoundEnd:
    """Commit and rollback: how many scales are final now, and how many each cache held before and holds after."""

    round: int
    gamma: int  # scales really drafted
    committed: int  # scales
    discarded: int  # drafted scales thrown away unjudged
    draft_cache: tuple[int, int]  # scales before and after the rollback
    target_cache: tuple[int, int]


Event = Drafted | TargetCall | Judged | Bonus | RoundEnd
EVENT_KINDS: dict[str, type] = {
    "drafted": Drafted,
    "target_call": TargetCall,
    "judged": Judged,
    "bonus": Bonus,
    "round_end": RoundEnd,
}


@dataclass(frozen=True, eq=False)
class Trace:
    """A whole run, or the part of it that has happened so far.

    pair: name of the pair of models. codes: size of the codebook. pictures: uint8 (batch, height, width, 3), or None
    while the run has not ended.
    """

    pair: str
    request: Request
    schedule: Schedule
    codes: int
    events: tuple[Event, ...]
    pictures: np.ndarray | None = None

    def of(self, kind: type | UnionType) -> list:
        """The events of one kind, in order."""
        return [event for event in self.events if isinstance(event, kind)]

    @cached_property
    def committed(self) -> int:
        """Scales that are final."""
        rounds = self.of(RoundEnd)
        return rounds[-1].committed if rounds else 0

    @property
    def finished(self) -> bool:
        """Whether every scale is final."""
        return self.committed == len(self.schedule)

    @cached_property
    def tokens(self) -> list[np.ndarray]:
        """The committed tokens: one int32 array (batch, n²) a scale."""
        return [event.tokens for event in self.of(Judged | Bonus)[: self.committed]]

    # The numbers of design section 4, each defined here and nowhere else.

    @property
    def target_calls(self) -> int:
        """Forwards of the target."""
        return len(self.of(TargetCall))

    @property
    def draft_calls(self) -> int:
        """Forwards of the draft."""
        return len(self.of(Drafted))

    @property
    def baseline_calls(self) -> int:
        """Forwards of the target when it decodes alone."""
        return len(self.schedule)

    @property
    def call_reduction(self) -> float:
        """Scales committed for each target call; how many times fewer calls than target-only decoding."""
        return self.committed / self.target_calls if self.target_calls else 0.0

    @property
    def drafted(self) -> int:
        """Tokens guessed by the draft."""
        return sum(event.tokens.size for event in self.of(Drafted))

    @property
    def judged(self) -> int:
        """Drafted tokens that a rule spoke on."""
        return sum(event.kept.size for event in self.of(Judged))

    @property
    def kept(self) -> int:
        """Judged tokens that were kept."""
        return sum(int(event.kept.sum()) for event in self.of(Judged))

    @property
    def corrected(self) -> int:
        """Judged tokens that were replaced."""
        return self.judged - self.kept

    @property
    def discarded(self) -> int:
        """Drafted tokens thrown away before a rule spoke on them."""
        return self.drafted - self.judged

    @property
    def bonus(self) -> int:
        """Tokens that the target drew itself."""
        return sum(event.tokens.size for event in self.of(Bonus))

    @property
    def acceptance_rate(self) -> float:
        """Kept over judged tokens; 0 where nothing was judged."""
        return self.kept / self.judged if self.judged else 0.0

    @property
    def predicted_acceptance(self) -> float:
        """Mean of 1 − TV(p, q) over the judged tokens: what rule ``token`` keeps on average."""
        total = sum(float(np.sum(1.0 - event.total_variation.astype(np.float64))) for event in self.of(Judged))
        return total / self.judged if self.judged else 0.0

    @property
    def draft_seconds(self) -> float:
        """Wall-clock inside the draft's forwards."""
        return sum(event.seconds for event in self.of(Drafted))

    @property
    def target_seconds(self) -> float:
        """Wall-clock inside the target's forwards."""
        return sum(event.seconds for event in self.of(TargetCall))

    def check(self) -> "Trace":
        """Raise TraceError where the record contradicts itself (the identities of design section 4)."""
        _check(self)
        return self

    def same_run(self, other: "Trace") -> bool:
        """Whether both record the same run bit for bit; measured seconds do not count."""
        return (
            self.request == other.request
            and len(self.events) == len(other.events)
            and all(same_event(one, two) for one, two in zip(self.events, other.events, strict=True))
        )

    def differing_tokens(self, other: "Trace") -> int:
        """Committed tokens that are not equal in both."""
        return sum(int((one != two).sum()) for one, two in zip(self.tokens, other.tokens, strict=True))

    def save(self, path: str | Path) -> None:
        """Write the trace as JSON, lossless."""
        from sdvar_core.trace_file import write_trace

        write_trace(self, Path(path))

    @staticmethod
    def load(path: str | Path) -> "Trace":
        """Read a trace file; TraceError if it is truncated, foreign, too new or contradicts itself."""
        from sdvar_core.trace_file import read_trace

        return read_trace(Path(path))


def same_event(one: Event, two: Event) -> bool:
    """Whether two events are equal bit for bit, their measured seconds aside."""
    if type(one) is not type(two):
        return False
    for field in fields(one):
        first, second = getattr(one, field.name), getattr(two, field.name)
        if isinstance(first, np.ndarray):
            if first.dtype != second.dtype or not np.array_equal(first, second, equal_nan=first.dtype.kind == "f"):
                return False
        elif field.name != "seconds" and first != second:
            return False
    return True


def _check(trace: Trace) -> None:
    lengths = trace.schedule.lengths
    committed = settled = calls = rounds = 0  # settled: scales that were judged or drawn by the target
    guesses: list[np.ndarray] = []  # of this round
    for number, event in enumerate(trace.events, 1):
        where = f"event {number} ({type(event).__name__})"
        if isinstance(event, RoundEnd):
            _check_round_end(event, committed, settled, len(guesses), where)
            committed, rounds, guesses = event.committed, rounds + 1, []
        elif isinstance(event, TargetCall):
            calls += 1
            if (event.start, event.stop, calls) != (committed, committed + len(guesses) + 1, rounds + 1):
                raise TraceError(f"In {where} scales {event.start + 1} to {event.stop} are read after {committed}.")
        elif not committed <= event.scale < len(lengths):
            raise TraceError(f"In {where} scale {event.scale + 1} is touched although {committed} scales are final.")
        else:
            _check_arrays(event, (trace.request.batch, lengths[event.scale]), trace.codes, where)
            due = committed + len(guesses) if isinstance(event, Drafted) else settled
            if event.scale != due or calls != rounds + (not isinstance(event, Drafted)):
                raise TraceError(f"In {where} scale {event.scale + 1} comes out of order.")
            if isinstance(event, Drafted):
                guesses.append(event.tokens)
                continue
            settled += 1
            if isinstance(event, Judged):
                _check_verdict(event, guesses[event.scale - committed :][:1], where)


def _check_verdict(event: Judged, guess: list[np.ndarray], where: str) -> None:
    if not guess or not np.array_equal(guess[0], event.drafted):
        raise TraceError(f"In {where} other tokens are judged than were drafted.")
    if not np.array_equal(event.drafted[event.kept], event.tokens[event.kept]):
        raise TraceError(f"In {where} a kept token is not the drafted one.")


def _check_round_end(end: RoundEnd, committed: int, settled: int, drafted: int, where: str) -> None:
    if not committed < end.committed == settled:
        raise TraceError(f"In {where} {end.committed} scales are final after {committed}, with {settled} settled.")
    if (end.gamma, end.discarded) != (drafted, max(0, committed + drafted - settled)):
        raise TraceError(f"In {where} {end.gamma} scales were drafted and {end.discarded} discarded: impossible.")
    if end.draft_cache[1] > end.committed or end.target_cache[1] != end.committed:
        raise TraceError(
            f"In {where} the caches hold {end.draft_cache[1]} and {end.target_cache[1]} scales "
            f"although {end.committed} are final."
        )


def _check_arrays(event: Drafted | Judged | Bonus, shape: tuple[int, int], codes: int, where: str) -> None:
    for field in fields(event):
        value = getattr(event, field.name)
        expected = shape[:1] if field.name == "passed" else shape
        if isinstance(value, np.ndarray) and value.shape != expected:
            raise TraceError(f"In {where} {field.name} has shape {value.shape}, expected {expected}.")
    for tokens in (event.tokens, getattr(event, "drafted", event.tokens)):
        if tokens.min() < 0 or tokens.max() >= codes:
            raise TraceError(f"In {where} a token is outside the codebook of {codes} codes.")
