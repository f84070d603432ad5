"""Every way a run can go, with its exact probability: luck that branches instead of being drawn."""

import math
from collections.abc import Callable, Iterator, Sequence

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

    ``p`` gives the distribution (1, n, codes) that the target showed last for a scale, ``proposed`` the one that a
    proposal is drawn from now. A number of the DRAFT stream may be asked for again, with another distribution: it is
    the same number, and the choice is which part of its interval it lies in. ``joint`` serves the rule that judges a
    scale whole: its redraws are chosen with the weight that a redraw has once one is accepted.
    """

    def __init__(
        self,
        choices: Choices,
        p: Callable[[int], torch.Tensor],
        proposed: Callable[[int], torch.Tensor],
        joint: bool = False,
    ) -> None:
        self.choices, self.p, self.proposed, self.joint = choices, p, proposed, joint

    def of_scale(self, scale: int, length: int) -> "BranchingScaleLuck":
        return BranchingScaleLuck(self, scale, length)


class BranchingScaleLuck:
    drafted: dict[int, torch.Tensor]

    def __init__(self, luck: BranchingLuck, scale: int, length: int) -> None:
        self.luck, self.scale, self.length = luck, scale, length
        self.memory = luck.__dict__.setdefault("memory", {})

    def uniforms(self, stream: Stream, attempt: int = 0) -> torch.Tensor:
        if self.luck.joint and stream is not Stream.DRAFT:
            return self._joint(stream, attempt)
        if stream is Stream.DRAFT:
            self.memory["q", self.scale] = self.luck.proposed(self.scale)
        maker = {Stream.DRAFT: self._draft, Stream.ACCEPT: self._accept, Stream.RESIDUAL: self._residual}[stream]
        return torch.tensor([[maker(position) for position in range(self.length)]], dtype=torch.float64)

    def gumbel(self, stream: Stream, codes: int, attempt: int = 0) -> torch.Tensor:
        noise = torch.full((1, self.length, codes), -torch.inf, dtype=torch.float64)
        for position in range(self.length):
            noise[0, position, self.luck.choices.choose(self.luck.p(self.scale)[0, position].numpy())] = 0.0
        return noise

    def _draft(self, position: int) -> float:
        q = self.memory["q", self.scale][0, position]
        low, high = self.memory.get(("draft", self.scale, position), (0.0, 1.0))
        edges = np.clip(np.concatenate([[0.0], q.cumsum(dim=-1).numpy()]), low, high)
        edges[-1] = high
        code = self.luck.choices.choose(np.diff(edges) / (high - low))
        self.memory["drafted", self.scale, position] = code
        self.memory["draft", self.scale, position] = edges[code], edges[code + 1]
        return float(edges[code] + edges[code + 1]) / 2

    def _joint(self, stream: Stream, attempt: int) -> torch.Tensor:
        p, q = self.luck.p(self.scale)[0], self.memory["q", self.scale][0]
        if stream is Stream.ACCEPT:
            drafted = [self.memory["drafted", self.scale, position] for position in range(self.length)]
            ratio = min(1.0, _joint_ratio(p, q, drafted))
            kept = self.luck.choices.choose(np.array([ratio, 1.0 - ratio])) == 0
            return torch.full((1, self.length), ratio / 2 if kept else (1.0 + ratio) / 2, dtype=torch.float64)
        if stream is Stream.RESIDUAL:
            assert attempt == 0
            outcomes = list(np.ndindex(*[p.shape[-1]] * self.length))
            excess = np.array([max(0.0, _chance(p, outcome) - _chance(q, outcome)) for outcome in outcomes])
            offered = outcomes[self.luck.choices.choose(excess / excess.sum())]
            self.memory["offered", self.scale] = offered
            return torch.tensor([[_inside(p[position], code) for position, code in enumerate(offered)]])
        refused = min(1.0, 1.0 / _joint_ratio(p, q, self.memory["offered", self.scale]))
        return torch.full((1, self.length), (1.0 + refused) / 2, dtype=torch.float64)

    def _accept(self, position: int) -> float:
        code = torch.tensor(self.memory["drafted", self.scale, position])
        p, q = self.luck.p(self.scale)[0, position], self.memory["q", self.scale][0, position]
        ratio = min(1.0, float(of_token(p, code) / of_token(q, code)))
        kept = self.luck.choices.choose(np.array([ratio, 1.0 - ratio])) == 0
        self.memory["kept", self.scale, position] = kept
        return ratio / 2 if kept else (1.0 + ratio) / 2

    def _residual(self, position: int) -> float:
        if self.memory["kept", self.scale, position]:
            return 0.5  # unread
        rest = residual(self.luck.p(self.scale)[0, position], self.memory["q", self.scale][0, position])
        return _inside(rest, self.luck.choices.choose(rest.numpy()))


def _inside(distribution: torch.Tensor, code: int) -> float:
    """A uniform in the middle of the interval that inversion maps to ``code``."""
    return float(distribution[:code].sum() + distribution[code] / 2)


def _chance(distribution: torch.Tensor, codes: Sequence[int]) -> float:
    return math.prod(float(distribution[position, code]) for position, code in enumerate(codes))


def _joint_ratio(p: torch.Tensor, q: torch.Tensor, codes: Sequence[int]) -> float:
    below = _chance(q, codes)
    return _chance(p, codes) / below if below else math.inf


class BranchingTextLuck:
    """Luck of a text whose every draw and every test is a choice."""

    def __init__(self, choices: Choices) -> None:
        self.choices = choices

    def draw(self, probabilities: torch.Tensor, stream: Stream, position: int, attempt: int = 0) -> int:
        return self.choices.choose(probabilities.numpy())

    def test(self, chance: float, stream: Stream, position: int, attempt: int = 0) -> tuple[bool, float]:
        accepted = self.choices.choose(np.array([chance, 1.0 - chance])) == 0
        return accepted, chance / 2 if accepted else (1.0 + chance) / 2
