"""Call-count replay: the time of a run whose rounds pass as prescribed, whatever the models think.

It needs no trained weights: everything is computed as in a run under ``coupled``, and then each guess is kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from torch import Tensor

from sdvar_core.phases import Phase
from sdvar_core.randomness import Luck, ScaleLuck
from sdvar_core.request import Request
from sdvar_core.speculative.acceptance import Verdict, coupled
from sdvar_core.speculative.clock import Clock, synchronised_clock
from sdvar_core.speculative.decoder import Decoder
from sdvar_core.speculative.pair import Pair
from sdvar_core.speculative.rules import rule_named
from sdvar_core.trace import Trace


@dataclass(frozen=True)
class Replay:
    """Seconds of a run of ``calls`` target calls, which settle ``windows`` scales each, and of target-only decoding in
    the same turns; medians."""

    calls: int
    windows: tuple[int, ...]
    seconds: float
    baseline: float

    @property
    def speedup(self) -> float:
        """How many times faster than target-only decoding."""
        return self.baseline / self.seconds


class PrescribedDecoder(Decoder):
    """A decoder whose round r settles ``windows[r]`` scales."""

    def __init__(self, pair: Pair, request: Request, clock: Clock, windows: Sequence[int]) -> None:
        super().__init__(pair, request, clock, Luck(request.seeds, pair.judging_device))
        self.windows = windows
        self.rule = replace(rule_named("coupled"), judge=passing)

    def gamma(self, phase: Phase) -> int:
        """One scale less than the window, for the last is the bonus scale."""
        return self.windows[len(self.rounds)] - 1


def passing(target: Tensor, draft: Tensor | None, drafted: Tensor, luck: ScaleLuck, **options: float) -> Verdict:
    """The work of ``coupled``, and then every guess is kept."""
    verdict = coupled(target, draft, drafted, luck, **options)
    everything = verdict.kept | True
    return Verdict(everything, drafted, everything.all(dim=-1), verdict.luck)


def windows_of(scales: int, calls: int) -> tuple[int, ...]:
    """``scales`` scales in ``calls`` rounds as even as can be, the longer ones first, where scales are cheap."""
    whole, rest = divmod(scales, calls)
    return tuple(whole + (index < rest) for index in range(calls))


def replay(pair: Pair, request: Request, windows: Sequence[int], clock: Clock) -> tuple[Trace, float]:
    """One prescribed run, and the seconds it took."""
    began = clock()
    events = tuple(PrescribedDecoder(pair, request, clock, windows).events())
    seconds = clock() - began
    return Trace(pair.name, request, pair.schedule, pair.codes, events), seconds


def replays(
    pair: Pair, request: Request, calls: Sequence[int], repeats: int, clock: Clock | None = None
) -> list[Replay]:
    """Prescribed runs of each number of calls, in turns with target-only ones, after one turn that does not count."""
    clock = synchronised_clock(pair.device) if clock is None else clock
    scales = len(pair.schedule)
    plans = [windows_of(scales, number) for number in (scales, *calls)]
    seconds = np.zeros((repeats + 1, len(plans)))
    for turn in range(repeats + 1):
        for index, windows in enumerate(plans):
            seconds[turn, index] = replay(pair, request, windows, clock)[1]
    medians = np.median(seconds[1:], axis=0)
    return [Replay(len(plan), plan, float(spent), float(medians[0])) for plan, spent in zip(plans, medians)][1:]
