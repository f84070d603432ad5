"""The pyramid of token maps: how many scales, how large each is, and where its tokens stand."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sdvar_core.errors import ConfigurationError


@dataclass(frozen=True)
class Schedule:
    """Sides of the token maps from coarsest to finest; scale s holds ``sides[s] ** 2`` tokens.

    Scales are counted from 0 in code and from 1 in anything a person reads.
    Source: VAR (Tian et al. 2024), section 3; design section 1.
    """

    sides: tuple[int, ...]

    def __post_init__(self) -> None:
        if not self.sides or any(side < 1 for side in self.sides):
            raise ConfigurationError(f"A schedule needs sides of at least 1, found {self.sides}.")
        if list(self.sides) != sorted(set(self.sides)):
            raise ConfigurationError(f"The sides of a schedule must grow from scale to scale, found {self.sides}.")

    def __len__(self) -> int:
        return len(self.sides)

    @cached_property
    def lengths(self) -> tuple[int, ...]:
        """Tokens of each scale."""
        return tuple(side * side for side in self.sides)

    @cached_property
    def offsets(self) -> tuple[int, ...]:
        """Position of the first token of each scale, and after the last scale the total: len(self) + 1 numbers."""
        return tuple(sum(self.lengths[:scale]) for scale in range(len(self) + 1))

    @property
    def total(self) -> int:
        """Tokens of the whole pyramid."""
        return self.offsets[-1]

    def positions(self, start: int, stop: int | None = None) -> slice:
        """Positions of scale ``start``, or of the scales ``start`` to ``stop - 1``."""
        return slice(self.offsets[start], self.offsets[start + 1 if stop is None else stop])

    def scale_of_position(self) -> np.ndarray:
        """The scale that each of the ``total`` positions belongs to, int64 (total,)."""
        return np.repeat(np.arange(len(self)), self.lengths)

    def block_mask(self) -> np.ndarray:
        """Block-causal attention, bool (total, total): row i may look at column j where scale(j) ≤ scale(i)."""
        scale = self.scale_of_position()
        return scale[None, :] <= scale[:, None]

    def split(self, tokens: np.ndarray) -> list[np.ndarray]:
        """Cut (..., total) into one array a scale, (..., n²)."""
        return [tokens[..., self.positions(scale)] for scale in range(len(self))]


def schedule_of(sides: Sequence[int]) -> Schedule:
    """A schedule from any sequence of sides, such as a JSON list."""
    return Schedule(tuple(int(side) for side in sides))


OFFICIAL_256 = Schedule((1, 2, 3, 4, 5, 6, 8, 10, 13, 16))
OFFICIAL_512 = Schedule((1, 2, 3, 4, 6, 9, 13, 18, 24, 32))
