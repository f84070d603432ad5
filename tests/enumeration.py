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
    scale whole: what its redraws end with is chosen by its closed law, and the numbers are those of a way to it.
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
        weights = np.where(q.numpy() > 0.0, np.diff(edges) / (high - low), 0.0)  # the last edge is rounded up
        code = self.luck.choices.choose(weights)
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
        if ("way", self.scale) not in self.memory:
            pairing = JointPairing(p, q, tuple(self.memory["drafted", self.scale, n] for n in range(self.length)))
            ended = pairing.outcomes[self.luck.choices.choose(pairing.law())]
            self.memory["way", self.scale] = pairing.way_to(ended)
        return torch.tensor([self.memory["way", self.scale][stream, attempt]], dtype=torch.float64)

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


class JointPairing:
    """What stands in place of a rejected scale x, in closed form: p and q (n, codes), written apart from the rule.

    In an attempt a twin y comes from Q. The joint test keeps it with mass min(P, Q); else x stands for it. ``made``
    gives z from it token by token, and z is accepted with chance 1 − min(1, Q/P). After x was used, z comes from P.
    """

    def __init__(self, p: torch.Tensor, q: torch.Tensor, x: tuple[int, ...]) -> None:
        self.p, self.q, self.x = p, q, x
        self.outcomes = list(np.ndindex(*[p.shape[-1]] * len(p)))
        self.chances = np.array([[_chance(one, outcome) for outcome in self.outcomes] for one in (p, q)])
        self.rest = residual(p, q)
        large, small = self.chances
        accepted = 1.0 - np.minimum(1.0, np.divide(small, large, out=np.ones_like(small), where=large > 0.0))
        self.accepted = np.where(accepted < 1e-14, 0.0, accepted)

    def alike(self, position: int, code: int) -> float:
        """The chance that z has the twin's code at a position."""
        q = float(self.q[position, code])
        return min(1.0, float(self.p[position, code]) / q) if q else 1.0

    def made(self, y: tuple[int, ...]) -> np.ndarray:
        """The law of z from the twin y."""
        rows = []
        for position, code in enumerate(y):
            row = (1.0 - self.alike(position, code)) * self.rest[position].numpy()
            row[code] += self.alike(position, code)
            rows.append(torch.from_numpy(row))
        return np.array([_chance(torch.stack(rows), outcome) for outcome in self.outcomes])

    def law(self) -> np.ndarray:
        """The law of what stands, over all numbers of attempts."""
        large, small = self.chances
        common, excess = np.minimum(large, small), np.maximum(large - small, 0.0)
        kept = sum(weight * self.made(y) for weight, y in zip(common, self.outcomes) if weight)
        used = excess.sum() * self.made(self.x)
        refused = [float((part * (1.0 - self.accepted)).sum()) for part in (kept, used)]
        ended = (kept + used) * self.accepted + refused[1] * excess / excess.sum()
        return ended / (1.0 - refused[0])

    def way_to(self, z: tuple[int, ...]) -> dict[tuple[Stream, int], list[float]]:
        """Uniforms of attempts that end with z: from x in one step, from another twin, or after x was used."""
        for y in (self.x, *self.outcomes):
            passes = y != self.x
            possible = not passes or min(_chance(self.p, y), _chance(self.q, y)) > 0.0
            index = self.outcomes.index(z)
            if possible and self.made(y)[index] * self.accepted[index] > 0.0:
                return self._attempt(0, y, passes, z, accepts=True)
        between = next(o for o, w, a in zip(self.outcomes, self.made(self.x), self.accepted) if w > 0.0 and a < 1.0)
        return self._attempt(0, self.x, False, between, accepts=False) | self._attempt(1, self.x, False, z, True)

    def _attempt(self, attempt: int, y: tuple, passes: bool, z: tuple, accepts: bool) -> dict:
        ratio, refused = min(1.0, _joint_ratio(self.p, self.q, y)), 1.0 - self.accepted[self.outcomes.index(z)]
        likeness, fresh = [], []
        for position, (code, wanted) in enumerate(zip(y, z)):
            alike = self.alike(position, code)
            likeness.append(alike / 2 if wanted == code and alike else (1.0 + alike) / 2)
            source = self.p if attempt else self.rest
            fresh.append(_inside(source[position], wanted))
        return {
            (Stream.TWIN, attempt): [_inside(self.q[position], code) for position, code in enumerate(y)],
            (Stream.TWIN_TEST, attempt): [ratio / 2 if passes else (1.0 + ratio) / 2] * len(y),
            (Stream.LIKENESS, attempt): likeness,
            (Stream.RESIDUAL, attempt): fresh,
            (Stream.REDRAW, attempt): [(1.0 + refused) / 2 if accepts else refused / 2] * len(y),
        }


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
