"""Named, seeded streams of luck: every random number of a run has an address, so a replay is bit-identical.

A number is addressed by (seed, stream, attempt, scale, position), in a text by (seed, stream, attempt, position). Two
runs with the same seed share their luck address by address, however many draws either of them makes; nothing here is
ever global state.
"""

import math
from collections.abc import Sequence
from enum import IntEnum

import numpy as np
import torch
from torch import Tensor

from sdvar_core import philox
from sdvar_core.probability import draw

CPU = torch.device("cpu")


class Stream(IntEnum):
    """What a random number is for; the values are part of the meaning of a seed and never change."""

    TARGET = 1  # Gumbel noise of the target's own draw; ``coupled`` lends it to the draft
    DRAFT = 2  # uniforms of the draft's draw
    ACCEPT = 3  # uniforms of the acceptance test
    RESIDUAL = 4  # uniforms of the draw that replaces a rejected token
    REDRAW = 5  # uniforms of the test that ends the joint rule's repeated draws
    CHILD = 6  # uniforms of the draws of a draft tree's children
    TRY = 7  # uniforms of the test of a child
    ANSWER = 8  # uniforms of the target's own draw after a walk down a tree
    TWIN = 9  # uniforms of a second draw of the draft, by which the joint rule pairs drafts with redraws
    TWIN_TEST = 10  # uniforms of the joint test of that second draw
    LIKENESS = 11  # uniforms of the tests that let a redraw share tokens with the draft it is paired with


class Luck:
    """The luck of a batch: picture b of the batch has the luck of seed ``seeds[b]``, whatever its companions are.

    device: where numbers are made; the same bits everywhere, but for the last digit of a logarithm.
    """

    def __init__(self, seeds: Sequence[int], device: torch.device | str = "cpu") -> None:
        self.seeds, self.device = tuple(seeds), torch.device(device)

    def of_scale(self, scale: int, length: int) -> "ScaleLuck":
        """The luck of one scale of ``length`` tokens."""
        return ScaleLuck(self.seeds, scale, length, self.device)


class ScaleLuck:
    """The luck of one scale: the same address always gives the same number."""

    def __init__(self, seeds: tuple[int, ...], scale: int, length: int, device: torch.device = CPU) -> None:
        self.seeds, self.scale, self.length, self.device = seeds, scale, length, device

    def uniforms(self, stream: Stream, attempt: int = 0) -> Tensor:
        """Uniforms in [0, 1), one a token: float64 (batch, length)."""
        return self._numbers(stream, attempt, (self.length,))

    def gumbel(self, stream: Stream, codes: int, attempt: int = 0) -> Tensor:
        """Gumbel noise −log(−log u), one a token and code: float64 (batch, length, codes)."""
        uniforms = self._numbers(stream, attempt, (self.length, codes))
        return -torch.log(-torch.log(uniforms + 2.0**-54))  # u is a multiple of 2⁻⁵³: the shift keeps it off 0 and 1

    def _numbers(self, stream: Stream, attempt: int, shape: tuple[int, ...]) -> Tensor:
        # Philox (Salmon et al. 2011) is counter-based: the key and the counter together are the address.
        if self.device.type != "cpu":
            keys = [(seed, int(stream)) for seed in self.seeds]
            numbers = philox.uniforms(keys, (0, attempt, self.scale), math.prod(shape), self.device)
            return numbers.view(len(self.seeds), *shape)
        rows = [
            np.random.Generator(np.random.Philox(key=[seed, int(stream)], counter=[0, 0, attempt, self.scale])).random(
                shape
            )
            for seed in self.seeds
        ]
        return torch.from_numpy(np.stack(rows))


class TextLuck:
    """The luck of one text: a number belongs to a place in the text, counted from the prompt's first token."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def uniform(self, stream: Stream, position: int, attempt: int = 0) -> float:
        """A uniform in [0, 1)."""
        counter = [0, 0, attempt, position]
        return float(np.random.Generator(np.random.Philox(key=[self.seed, int(stream)], counter=counter)).random())

    def draw(self, probabilities: Tensor, stream: Stream, position: int, attempt: int = 0) -> int:
        """A token of law ``probabilities`` (vocabulary,)."""
        uniform = torch.tensor(self.uniform(stream, position, attempt), dtype=torch.float64)
        return int(draw(probabilities, uniform))

    def test(self, chance: float, stream: Stream, position: int, attempt: int = 0) -> tuple[bool, float]:
        """Whether the uniform lies below ``chance``, and the uniform."""
        uniform = self.uniform(stream, position, attempt)
        return uniform < chance, uniform
