"""How many scales to draft before the next target call.

Why a controller keeps an exact rule exact: whether scale s is drafted and judged or drawn by the target itself, its
tokens have the target's law, given the scales before it, as long as the choice does not depend on the luck of s.
So (1) before a round a controller sees of earlier rounds only which *judged* scales passed: that was decided by the
luck of scales that are committed now. It never sees how many scales were drafted and thrown away, nor their tokens:
the luck of those scales will be used again, and a choice that it had swayed would favour some of its draws.
(2) During a round it sees the draft's distributions, which depend on the luck of coarser scales alone, and it answers
whether to draft the *next* scale. It never drops a scale that is drafted: to judge only the drafts that look likely
would be to draw from another q. It could read the drafted tokens of this round too, but no controller needs them.
Time is not luck: seconds may be read, but a controller that reads them repeats itself only under the same clock.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sdvar_core.errors import RequestError
from sdvar_core.speculative.costs import Costs

MEMORY = 0.7  # of a moving average: the weight of the past at each new scale
SPREAD = 0.2  # of ``entropy``: AdaEDL's γ
LEAST_CHANCE = 0.5  # that a draft passes whole, for it to be made one scale longer


@dataclass(frozen=True)
class Outcome:
    """A round in which proposals were judged: from scale ``start`` on ``passed`` scales passed, then one failed or
    none was left."""

    start: int
    passed: int
    failed: bool

    @property
    def verdicts(self) -> tuple[bool, ...]:
        """One a judged scale."""
        return (True,) * self.passed + (False,) * self.failed


Choose = Callable[[int, Sequence[Outcome], int, Costs], int]
GoOn = Callable[[Sequence[Sequence[float]]], bool]


def always(entropies: Sequence[Sequence[float]]) -> bool:
    """Draft as many scales as were chosen."""
    return True


@dataclass(frozen=True)
class DraftLength:
    """A controller. ``choose(gamma, outcomes, start, costs)`` is the most scales to draft in the round that starts at
    scale ``start``; ``go_on(entropies)``, asked after each drafted scale, says whether to draft one more.

    entropies: for each scale drafted in this round the entropy of q at each of its tokens, nats.
    """

    name: str
    sentence: str
    choose: Choose
    go_on: GoOn = always


def fixed(gamma: int, outcomes: Sequence[Outcome], start: int, costs: Costs) -> int:
    """Always gamma."""
    return gamma


def stepwise(gamma: int, outcomes: Sequence[Outcome], start: int, costs: Costs) -> int:
    """Start at gamma; one less after a round in which a scale failed, one more after a round that passed whole.

    Never below 1, so that it can rise again; 0 stays 0, which is target-only decoding. Source: the seeds' smart γ.
    """
    chosen = gamma
    for outcome in outcomes:
        chosen = max(1, chosen + (-1 if outcome.failed else 1))
    return chosen if gamma else 0


def hit_rate(gamma: int, outcomes: Sequence[Outcome], start: int, costs: Costs) -> int:
    """The longest draft that still passes whole with a chance of one half, if scales pass as they did lately.

    Lately: a moving average over judged scales, which starts where it answers gamma. Never below 1; 0 stays 0.
    """
    if gamma == 0:
        return 0
    rate = pass_rate(gamma, outcomes)
    longest = len(costs.target)
    return longest if rate >= 1.0 else min(longest, max(1, _times(rate)))


def pass_rate(gamma: int, outcomes: Sequence[Outcome]) -> float:
    """The moving average of passes, scale by scale; before any it is the rate at which gamma scales pass with 1/2."""
    rate = LEAST_CHANCE ** (1.0 / gamma)
    for outcome in outcomes:
        for passed in outcome.verdicts:
            rate = MEMORY * rate + (1.0 - MEMORY) * passed
    return rate


def _times(rate: float) -> int:
    """How many times a chance may be multiplied before it falls under one half; rate in (0, 1)."""
    return math.floor(math.log(LEAST_CHANCE) / math.log(rate) + 1e-9)


def up_to_gamma(gamma: int, outcomes: Sequence[Outcome], start: int, costs: Costs) -> int:
    """Gamma bounds a draft that ``go_on`` ends."""
    return gamma


def confident(entropies: Sequence[Sequence[float]]) -> bool:
    """Go on while the draft's entropy lets it pass whole with a chance of one half.

    A token drawn from a distribution of entropy H is foreseen to be kept with chance 1 − √(c·H), c = 0.2, in nats; a
    draft passes whole if all its tokens are kept. Source: AdaEDL (Agrawal et al. 2024).
    """
    chances = (1.0 - math.sqrt(SPREAD * max(0.0, entropy)) for scale in entropies for entropy in scale)
    chance = 1.0
    for factor in chances:
        chance *= max(0.0, factor)
    return chance >= LEAST_CHANCE


def cost_model(gamma: int, outcomes: Sequence[Outcome], start: int, costs: Costs) -> int:
    """The length, up to gamma, of the most expected scales per second: ``expected_scales(g)`` over the seconds of g
    drafts and one target call. It may be 0 where drafting does not pay."""
    if gamma == 0:
        return 0
    rate, most = pass_rate(gamma, outcomes), min(gamma, len(costs.target) - start - 1)
    return max(range(most + 1), key=lambda length: expected_scales(length, rate) / _seconds(length, start, costs))


def expected_scales(length: int, rate: float) -> float:
    """Scales that a round commits, expected: 1 + r + … + r^length for a pass rate r (Leviathan et al. 2023, eq. 1)."""
    return sum(rate**power for power in range(length + 1))


def _seconds(length: int, start: int, costs: Costs) -> float:
    drafts = sum(costs.of_draft(scale, scale + 1) for scale in range(start, start + length))
    return max(drafts + costs.of_target(start, start + length + 1), 1e-12)  # a clock may stand still


DRAFT_LENGTHS: dict[str, DraftLength] = {
    controller.name: controller
    for controller in (
        DraftLength("fixed", "The same γ in every round.", fixed),
        DraftLength("stepwise", "γ falls by one after a failed scale and rises by one after a full pass.", stepwise),
        DraftLength("hit_rate", "As long as drafts still pass whole half of the time, by a moving average.", hit_rate),
        DraftLength("entropy", "Up to γ, stopping where the draft is too unsure to pass.", up_to_gamma, confident),
        DraftLength("cost_model", "Up to γ, the length that gains most scales per second on this machine.", cost_model),
    )
}


def draft_length_named(name: str) -> DraftLength:
    """The controller of that name; RequestError for an unknown one."""
    if name not in DRAFT_LENGTHS:
        raise RequestError(f"Unknown draft length {name!r}: choose one of {', '.join(DRAFT_LENGTHS)}.")
    return DRAFT_LENGTHS[name]
