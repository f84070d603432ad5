"""How many scales to draft before the next target call: pure functions of gamma and the rounds so far."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sdvar_core.errors import RequestError
from sdvar_core.trace import RoundEnd


@dataclass(frozen=True)
class DraftLength:
    """A controller: ``choose(gamma, rounds)`` is the number of scales to draft in the next round."""

    name: str
    sentence: str
    choose: Callable[[int, Sequence[RoundEnd]], int]


def fixed(gamma: int, rounds: Sequence[RoundEnd]) -> int:
    """Always gamma."""
    return gamma


def stepwise(gamma: int, rounds: Sequence[RoundEnd]) -> int:
    """Start at gamma; one less after a round in which a scale failed, one more after a round that passed whole.

    Never below 1, so that it can rise again; 0 stays 0, which is target-only decoding. A round passed whole if it
    committed one scale more than it drafted: the bonus scale.
    """
    chosen, committed = gamma, 0
    for end in rounds:
        passed = end.committed - committed == end.gamma + 1
        chosen, committed = max(1, chosen + (1 if passed else -1)), end.committed
    return chosen if gamma else 0


DRAFT_LENGTHS: dict[str, DraftLength] = {
    controller.name: controller
    for controller in (
        DraftLength("fixed", "The same γ in every round.", fixed),
        DraftLength("stepwise", "γ falls by one after a failed scale and rises by one after a full pass.", stepwise),
    )
}


def draft_length_named(name: str) -> DraftLength:
    """The controller of that name; RequestError for an unknown one."""
    if name not in DRAFT_LENGTHS:
        raise RequestError(f"Unknown draft length {name!r}: choose one of {', '.join(DRAFT_LENGTHS)}.")
    return DRAFT_LENGTHS[name]
