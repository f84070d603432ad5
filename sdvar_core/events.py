"""Frozen records of what happens in a run: the events that decoding yields.

Axes: arrays of an event are (batch, n²) for the n² tokens of its scale.
"""

from dataclasses import dataclass, fields

import numpy as np


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
class Carried:
    """Under carry-over: the proposal is drawn from what the target thought of the scale before a coarser one was
    corrected; no draft forward is made."""

    round: int
    scale: int
    tokens: np.ndarray  # int32


@dataclass(frozen=True, eq=False)
class TargetCall:
    """One forward of the target that answers for the scales ``start`` … ``stop`` − 1.

    ``read_from`` is the first scale of the forward: below ``start`` when keys and values have to be made again,
    because the target's cache missed scales (after unverified ones) or held stale ones (after a relaxed pass).
    """

    round: int
    number: int  # counted from 1
    read_from: int
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
class Unverified:
    """The draft's tokens of one scale stand although no target saw them."""

    round: int
    scale: int
    tokens: np.ndarray  # int32


@dataclass(frozen=True, eq=False)
class RoundEnd:
    """Commit and rollback: how many scales are final now, and how many each cache held before and holds after."""

    round: int
    gamma: int  # scales really proposed
    committed: int  # scales
    discarded: int  # proposed scales thrown away unjudged
    draft_cache: tuple[int, int]  # scales before and after the rollback
    target_cache: tuple[int, int]


@dataclass(frozen=True, eq=False)
class Violation:
    """Something that must hold in every run did not: ``invariant`` is its name in ``INVARIANTS``. Follows the event
    that showed it; at most one for each invariant and round."""

    round: int
    invariant: str
    sentence: str


Event = Drafted | Carried | TargetCall | Judged | Bonus | Unverified | RoundEnd | Violation
SETTLING = Judged | Bonus | Unverified  # the events after which a scale's tokens stand
EVENT_KINDS: dict[str, type] = {
    "drafted": Drafted,
    "carried": Carried,
    "target_call": TargetCall,
    "judged": Judged,
    "bonus": Bonus,
    "unverified": Unverified,
    "round_end": RoundEnd,
    "violation": Violation,
}


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
