"""What forwards cost, in seconds: guessed before a run, measured during it. For the controller that weighs them."""

from collections.abc import Sequence
from dataclasses import dataclass

from sdvar_core.errors import RequestError


@dataclass(frozen=True)
class Timing:
    """One forward that read the scales ``start`` … ``stop`` − 1, and the seconds it took."""

    start: int
    stop: int
    seconds: float


@dataclass(frozen=True)
class Costs:
    """Seconds of forwards: reading some scales takes ``call`` and what each of the scales takes.

    draft, target: one number a scale; draft_call, target_call: what every forward takes besides. Only ratios matter.
    """

    draft: tuple[float, ...]
    target: tuple[float, ...]
    draft_call: float = 0.0
    target_call: float = 0.0

    def __post_init__(self) -> None:
        numbers = (*self.draft, *self.target, self.draft_call, self.target_call)
        if len(self.draft) != len(self.target) or not all(0.0 <= number < float("inf") for number in numbers):
            raise RequestError(f"Costs need one number of seconds from 0 on for each scale and model, found {self}.")

    @classmethod
    def expected(cls, lengths: Sequence[int]) -> "Costs":
        """Before anything was measured: a call costs as much as 10 tokens, and the target 8 times the draft.

        So it is for networks of the embedded pair's sizes on one CPU core: 0.04 and 0.33 ms a token, 0.5 and 2.5 ms a
        call. Here the unit is a token of the draft; the first round of a run brings seconds.
        """
        draft, target = tuple(float(length) for length in lengths), tuple(8.0 * length for length in lengths)
        return cls(draft, target, draft_call=10.0, target_call=80.0)

    def of_draft(self, start: int, stop: int) -> float:
        """One forward of the draft over the scales ``start`` … ``stop`` − 1."""
        return self.draft_call + sum(self.draft[start:stop])

    def of_target(self, start: int, stop: int) -> float:
        """One forward of the target over the scales ``start`` … ``stop`` − 1."""
        return self.target_call + sum(self.target[start:stop])

    def measured(self, draft: Sequence[Timing], target: Sequence[Timing]) -> "Costs":
        """These costs, each model's stretched by one factor so that they add up to what its forwards really took.

        A model that was not measured is stretched like the other one.
        """
        slow_draft = _factor(draft, self.of_draft)
        slow_target = _factor(target, self.of_target)
        first, second = slow_draft or slow_target or 1.0, slow_target or slow_draft or 1.0
        return Costs(
            draft=tuple(first * seconds for seconds in self.draft),
            target=tuple(second * seconds for seconds in self.target),
            draft_call=first * self.draft_call,
            target_call=second * self.target_call,
        )


def _factor(timings: Sequence[Timing], expected) -> float:
    """Measured over expected seconds; 0 where nothing was measured."""
    foreseen = sum(expected(timing.start, timing.stop) for timing in timings)
    return sum(timing.seconds for timing in timings) / foreseen if foreseen else 0.0
