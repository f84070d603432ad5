"""Stand-ins for models and luck, small enough to enumerate and to reason about."""

from collections.abc import Sequence

import numpy as np
import torch

from sdvar_core.scales import Schedule
from sdvar_core.speculative.pair import Pair


class ShortSchedule(Schedule):
    """A schedule whose scales have the lengths that a test wants, not only squares."""

    @property
    def lengths(self) -> tuple[int, ...]:
        return self.sides

    def __post_init__(self) -> None:
        pass


class FakeCache:
    def __init__(self, schedule: Schedule) -> None:
        self.schedule, self.scales = schedule, 0

    @property
    def positions(self) -> int:
        return self.schedule.offsets[self.scales]

    def rollback(self, scales: int) -> None:
        assert scales <= self.scales
        self.scales = scales


class FakeQuantizer:
    """The canvas is simply all tokens so far, (batch, tokens); features repeat it for every token of a scale."""

    def __init__(self, schedule: Schedule, codes: int) -> None:
        self.schedule = schedule
        self.codebook = torch.arange(float(codes))[:, None]

    def empty_canvas(self, batch: int) -> torch.Tensor:
        return torch.zeros(batch, 0, dtype=torch.int64)

    def advance(self, canvas: torch.Tensor, tokens: torch.Tensor, scale: int) -> torch.Tensor:
        assert canvas.shape[1] == self.schedule.offsets[scale]
        return torch.cat([canvas, tokens], dim=1)

    def features(self, canvas: torch.Tensor, scale: int) -> torch.Tensor:
        assert canvas.shape[1] == self.schedule.offsets[scale]
        return canvas[:, None].expand(-1, self.schedule.lengths[scale], -1)


class FakeTokenizer:
    def __init__(self, schedule: Schedule, codes: int) -> None:
        self.quantizer = FakeQuantizer(schedule, codes)

    def decode(self, canvas: torch.Tensor) -> torch.Tensor:
        return (canvas[:, None, :, None].float().expand(-1, 3, -1, 2) / 8.0).clamp(-1, 1)


class FakeModel:
    """Logits that are a fixed random function of (salt, scale, position, all coarser tokens); counts its calls."""

    def __init__(self, schedule: Schedule, codes: int, salt: int, sharpness: float = 1.0) -> None:
        self.schedule, self.codes, self.salt, self.sharpness = schedule, codes, salt, sharpness
        self.calls = 0

    def condition(self, labels: torch.Tensor) -> torch.Tensor:
        return labels

    def new_cache(self, batch: int) -> FakeCache:
        return FakeCache(self.schedule)

    def __call__(
        self, features: Sequence[torch.Tensor | None], start: int, conditioning: torch.Tensor, cache: FakeCache
    ) -> list[torch.Tensor]:
        assert cache.scales == start
        self.calls += 1
        cache.scales += len(features)
        return [self.logits(entry, start + index, conditioning) for index, entry in enumerate(features)]

    def logits(self, features: torch.Tensor | None, scale: int, labels: torch.Tensor) -> torch.Tensor:
        assert (features is None) == (scale == 0)
        rows = []
        for image, label in enumerate(labels.tolist()):
            prefix = [] if features is None else features[image, 0].tolist()
            key = [self.salt, scale, label, len(prefix), *prefix]
            rows.append(np.random.default_rng(key).normal(size=(self.schedule.lengths[scale], self.codes)))
        return torch.from_numpy(np.stack(rows)) * self.sharpness


def fake_pair(
    sides: tuple[int, ...] = (1, 2, 3, 4), codes: int = 5, draft: FakeModel | None = None, short: bool = False
) -> Pair:
    schedule = ShortSchedule(sides) if short else Schedule(sides)
    target = FakeModel(schedule, codes, salt=1)
    draft = FakeModel(schedule, codes, salt=2) if draft is None else draft
    return Pair("fake", draft, target, FakeTokenizer(schedule, codes), schedule, codes, ("rock", "paper", "scissors"))


def own_draft_pair(sides: tuple[int, ...] = (1, 2, 3, 4), codes: int = 5) -> Pair:
    """The target drafts for itself."""
    schedule = Schedule(sides)
    return fake_pair(sides, codes, draft=FakeModel(schedule, codes, salt=1))


def tick_clock():
    """A clock that advances by one second a look."""
    now = 0.0

    def clock() -> float:
        nonlocal now
        now += 1.0
        return now

    return clock
