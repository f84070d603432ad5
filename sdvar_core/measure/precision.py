"""How often the target's own draw changes with the precision, and with how many scales are read at once.

Under ``coupled`` a token is argmax(log p + G). With luck and prefix fixed, a flip is what arithmetic alone does.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from sdvar_core.measure.timing import prefix_of
from sdvar_core.models.var import VAR
from sdvar_core.placement import PRECISIONS
from sdvar_core.randomness import Luck
from sdvar_core.request import Request
from sdvar_core.speculative.acceptance import target_answer
from sdvar_core.speculative.pair import Pair
from sdvar_core.speculative.reader import Prefix, Reader


@dataclass(frozen=True)
class Flips:
    """Share of tokens that differ from those of float32 read scale by scale; and how far p moved at most."""

    precision: str
    window: int  # scales read in one call; 1: scale by scale
    share: float
    largest_change: float  # of a probability


def flips(
    pair: Pair, request: Request, pictures: int, windows: Sequence[int], precisions: Sequence[str]
) -> list[Flips]:
    """The table for the target of a pair in float32, over ``pictures`` seeds, at the inputs of its own tokens."""
    targets = {name: _target_in(pair.target, name) for name in precisions}
    shares: dict[tuple[str, int], list[float]] = {}
    changes: dict[tuple[str, int], float] = {}
    for seed in range(pictures):
        label = seed % len(pair.class_names)
        here = replace(request, seed=seed, label=label, gamma=0)
        prefix = prefix_of(pair, here)
        tokens, p = answers(pair, pair.target, here, prefix, 1)
        for name, target in targets.items():
            for window in windows:
                found, other = answers(pair, target, here, prefix, window)
                key = name, window
                shares.setdefault(key, []).append(float((found != tokens).double().mean()))
                moved = max(float((one - two).abs().max()) for one, two in zip(p, other))
                changes[key] = max(changes.get(key, 0.0), moved)
    return [Flips(*key, float(np.mean(values)), changes[key]) for key, values in shares.items()]


def _target_in(target: VAR, precision: str) -> VAR:
    return target if precision == "float32" else copy.deepcopy(target).prepare(PRECISIONS[precision])


def answers(
    pair: Pair, target: VAR, request: Request, prefix: Prefix, window: int
) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """The target's draws of all tokens, (batch, total), and its distributions, ``window`` scales a call."""
    reader, luck, scales = Reader(pair, target, request), Luck(request.seeds, pair.judging_device), len(pair.schedule)
    distributions = []
    for start in range(0, scales, window):
        distributions += reader.read(prefix.inputs, min(start + window, scales))
    tokens = [
        target_answer(p, luck.of_scale(scale, length))
        for scale, (p, length) in enumerate(zip(distributions, pair.schedule.lengths))
    ]
    return torch.cat(tokens, dim=1), distributions
