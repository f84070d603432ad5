"""Every way a run can go, with its exact probability: luck that branches instead of being drawn."""

from collections.abc import Callable, Iterator

import numpy as np
import torch

from sdvar_core.probability import of_token, residual
from sdvar_core.randomness import Stream


class Choices:
    """A path through a tree of choices that is discovered while it is walked."""

    def __init__(self, prefix: list[int]) -> None:
        self.prefix, self.taken, self.open, self.weight = prefix, [], [], 1.0

    def choose(self, weights: np.ndarray) -> int:
        possible = [index for index, weight in enumerate(weights) if weight > 0.0]
        depth = len(self.taken)
        pick = self.prefix[depth] if depth < len(self.prefix) else 0
        self.open.append(len(possible))
        self.taken.append(pick)
        self.weight *= float(weights[possible[pick]])
        return possible[pick]


def every_path(walk: Callable[[Choices], object]) -> Iterator[tuple[float, object]]:
    """Call ``walk`` once for every path; yields (probability, result)."""
    prefix: list[int] = []
    while True:
        choices = Choices(prefix)
        yield (lambda result: (choices.weight, result))(walk(choices))
        while choices.taken and choices.taken[-1] + 1 == choices.open[len(choices.taken) - 1]:
            choices.taken.pop()
        if not choices.taken:
            return
        prefix = [*choices.taken[:-1], choices.taken[-1] + 1]


class BranchingLuck:
    """Luck of one picture whose every number is the middle of an interval that a choice selects.

    ``p`` and ``q`` give the distributions (1, n, codes) that the models showed last for a scale.
    """

    def __init__(self, choices: Choices, p: Callable[[int], torch.Tensor], q: Callable[[int], torch.Tensor]) -> None:
        self.choices, self.p, self.q = choices, p, q

    def of_scale(self, scale: int, length: int) -> "BranchingScaleLuck":
        return BranchingScaleLuck(self, scale, length)


class BranchingScaleLuck:
    drafted: dict[int, torch.Tensor]

    def __init__(self, luck: BranchingLuck, scale: int, length: int) -> None:
        self.luck, self.scale, self.length = luck, scale, length
        self.memory = luck.__dict__.setdefault("memory", {})

    def uniforms(self, stream: Stream, attempt: int = 0) -> torch.Tensor:
        maker = {Stream.DRAFT: self._draft, Stream.ACCEPT: self._accept, Stream.RESIDUAL: self._residual}[stream]
        return torch.tensor([[maker(position) for position in range(self.length)]], dtype=torch.float64)

    def gumbel(self, stream: Stream, codes: int, attempt: int = 0) -> torch.Tensor:
        noise = torch.full((1, self.length, codes), -torch.inf, dtype=torch.float64)
        for position in range(self.length):
            noise[0, position, self.luck.choices.choose(self.luck.p(self.scale)[0, position].numpy())] = 0.0
        return noise

    def _draft(self, position: int) -> float:
        q = self.luck.q(self.scale)[0, position]
        code = self.luck.choices.choose(q.numpy())
        self.memory["drafted", self.scale, position] = code
        return _inside(q, code)

    def _accept(self, position: int) -> float:
        code = torch.tensor(self.memory["drafted", self.scale, position])
        p, q = self.luck.p(self.scale)[0, position], self.luck.q(self.scale)[0, position]
        ratio = min(1.0, float(of_token(p, code) / of_token(q, code)))
        kept = self.luck.choices.choose(np.array([ratio, 1.0 - ratio])) == 0
        self.memory["kept", self.scale, position] = kept
        return ratio / 2 if kept else (1.0 + ratio) / 2

    def _residual(self, position: int) -> float:
        if self.memory["kept", self.scale, position]:
            return 0.5  # unread
        rest = residual(self.luck.p(self.scale)[0, position], self.luck.q(self.scale)[0, position])
        return _inside(rest, self.luck.choices.choose(rest.numpy()))


def _inside(distribution: torch.Tensor, code: int) -> float:
    """A uniform in the middle of the interval that inversion maps to ``code``."""
    return float(distribution[:code].sum() + distribution[code] / 2)
