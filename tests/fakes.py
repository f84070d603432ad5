"""Stand-ins for models and luck, small enough to enumerate and to reason about."""

from collections.abc import Sequence

import numpy as np
import torch

from sdvar_core.scales import Schedule
from sdvar_core.speculative.pair import Pair
from sdvar_core.speculative.text_pair import TextPair


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
        self.calls, self.memory = 0, {}

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
        prefixes = [[]] * len(labels) if features is None else features[:, 0].tolist()
        return torch.stack([self.row(scale, label, *prefix) for label, prefix in zip(labels.tolist(), prefixes)])

    def row(self, scale: int, label: int, *prefix: int) -> torch.Tensor:
        """Logits (n², codes) of one picture of a scale."""
        key = (self.salt, scale, label, len(prefix), *prefix)
        if key not in self.memory:
            numbers = np.random.default_rng(key).normal(size=(self.schedule.lengths[scale], self.codes))
            self.memory[key] = torch.from_numpy(numbers) * self.sharpness
        return self.memory[key]


def fake_pair(
    sides: tuple[int, ...] = (1, 2, 3, 4), codes: int = 5, draft: FakeModel | None = None, short: bool = False
) -> Pair:
    schedule = ShortSchedule(sides) if short else Schedule(sides)
    target = FakeModel(schedule, codes, salt=1)
    draft = FakeModel(schedule, codes, salt=2) if draft is None else draft
    return Pair("fake", schedule, codes, ("rock", "paper", "scissors"), draft, target, FakeTokenizer(schedule, codes))


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


class FakeTextPending:
    def __init__(self, paths: list[tuple[int, ...]], state: tuple[int, ...]) -> None:
        self.paths, self.state = paths, state

    def state_at(self, node: int) -> tuple[int, ...]:
        return self.state if node < 0 else self.state + self.paths[node]


class FakeTextModel:
    """Logits that are a fixed random function of (salt, all tokens so far); its state is that tuple of tokens."""

    def __init__(self, vocabulary: int, salt: int, sharpness: float = 1.0) -> None:
        self.vocabulary, self.salt, self.sharpness = vocabulary, salt, sharpness
        self.calls, self.memory = 0, {}

    def new_state(self, batch: int) -> tuple[int, ...]:
        assert batch == 1
        return ()

    def __call__(self, tokens: torch.Tensor, state: tuple[int, ...]):
        self.calls += 1
        texts = [state + tuple(tokens[0, : end + 1].tolist()) for end in range(tokens.shape[1])]
        return torch.stack([self.logits(text) for text in texts])[None], texts[-1]

    def tree(self, tokens: torch.Tensor, parents, state: tuple[int, ...], form: str = "tree"):
        self.calls += 1
        paths = []
        for token, parent in zip(tokens[0].tolist(), parents, strict=True):
            paths.append((paths[parent] if parent >= 0 else ()) + (token,))
        return torch.stack([self.logits(state + path) for path in paths])[None], FakeTextPending(paths, state)

    def logits(self, text: tuple[int, ...]) -> torch.Tensor:
        if text not in self.memory:
            numbers = np.random.default_rng([self.salt, len(text), *text]).normal(size=self.vocabulary)
            self.memory[text] = torch.from_numpy(numbers) * self.sharpness
        return self.memory[text]


def fake_text_pair(vocabulary: int = 5, sharpness: float = 1.0, own_draft: bool = False) -> TextPair:
    """A target, and a draft that guesses at random, or the target as its own draft."""
    draft, target = (FakeTextModel(vocabulary, salt, sharpness) for salt in (1 if own_draft else 2, 1))
    return TextPair("fake text", draft, target, vocabulary)
