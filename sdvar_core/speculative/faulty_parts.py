"""Parts with one thing wrong each: models, caches and luck, to stand in for the sound ones in ``faults.py``."""

import copy
from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from sdvar_core.errors import RequestError
from sdvar_core.randomness import Luck, Stream
from sdvar_core.speculative.pair import Cache, ScaleModel


def twin(model: ScaleModel, *parts: str) -> Any:
    """A copy of a next-scale transformer whose ``parts`` can be replaced; the weights are shared.

    Raises RequestError for a model that has no such parts.
    """
    if not isinstance(model, nn.Module) or not all(hasattr(model, part) for part in parts):
        raise RequestError(
            f"This fault changes {' and '.join(parts)} of a next-scale transformer; this model has none."
        )
    copied = copy.copy(model)
    copied._parameters, copied._modules = dict(model._parameters), dict(model._modules)
    copied._buffers = model._buffers | dict.fromkeys({"places"} & set(model._buffers))  # made anew from the parts
    return copied


def with_shifted_positions(model: ScaleModel) -> ScaleModel:
    """The position embedding of each scale is read from where the scale before it begins."""
    copied = twin(model, "positions", "schedule")
    offsets, lengths = copied.schedule.offsets, copied.schedule.lengths
    starts = (0, *offsets[: len(lengths) - 1])
    rows = torch.cat([torch.arange(start, start + length) for start, length in zip(starts, lengths)])
    copied.positions = nn.Parameter(copied.positions[:, rows], requires_grad=False)
    return copied


def without_levels(model: ScaleModel) -> ScaleModel:
    """The level embedding is zero."""
    copied = twin(model, "level_embedding")
    copied.level_embedding = nn.Embedding.from_pretrained(torch.zeros_like(copied.level_embedding.weight))
    return copied


class Wrapped:
    """A model that passes everything on."""

    def __init__(self, model: ScaleModel) -> None:
        self.model = model

    def condition(self, labels: Tensor) -> Any:
        """As the model."""
        return self.model.condition(labels)

    def new_cache(self, batch: int) -> Cache:
        """As the model."""
        return self.model.new_cache(batch)

    def __call__(
        self, features: Sequence[Tensor | None], start: int, conditioning: Any, cache: Cache
    ) -> Sequence[Tensor]:
        """As the model."""
        return self.model(features, start, conditioning, cache)


class WithoutFirstInput(Wrapped):
    """The class embedding never enters as the first scale's token."""

    def condition(self, labels: Tensor) -> Any:
        """With zeros for the first input."""
        conditioning = self.model.condition(labels)
        return replace(conditioning, first=torch.zeros_like(conditioning.first))


class EntryOverwritten(Wrapped):
    """For the first scale of every call the head reads what went into the blocks, not what came out."""

    def __init__(self, model: ScaleModel) -> None:
        super().__init__(model)
        self.blockless = twin(model, "blocks")
        self.blockless.blocks = nn.ModuleList()

    def __call__(
        self, features: Sequence[Tensor | None], start: int, conditioning: Any, cache: Cache
    ) -> Sequence[Tensor]:
        """The model's logits, those of scale ``start`` overwritten."""
        logits = self.model(features, start, conditioning, cache)
        no_cache = SimpleNamespace(scales=start, extend=lambda scales: None)
        return [*self.blockless(features[:1], start, conditioning, no_cache), *logits[1:]]


class WithCutCache(Wrapped):
    """New tokens look at as many keys as there are new tokens, counted from row 0."""

    def new_cache(self, batch: int) -> Cache:
        """A CutCache."""
        return CutCache(self.model.new_cache(batch))


class WithHoardingCache(Wrapped):
    """Keys and values of rejected scales stay."""

    def new_cache(self, batch: int) -> Cache:
        """A HoardingCache."""
        return HoardingCache()


class CutCache:
    """A key/value cache that shows only the first rows, as a mask cut from row 0 of the full one does."""

    def __init__(self, cache: Any) -> None:
        self.cache = cache

    @property
    def scales(self) -> int:
        """As the cache."""
        return self.cache.scales

    @property
    def positions(self) -> int:
        """As the cache."""
        return self.cache.positions

    def write(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Put keys and values in; as many rows come back, from row 0 on."""
        new = keys.shape[2]
        every_key, every_value = self.cache.write(layer, keys, values)
        return every_key[:, :, :new], every_value[:, :, :new]

    def extend(self, scales: int) -> None:
        """As the cache."""
        self.cache.extend(scales)

    def rollback(self, scales: int) -> None:
        """As the cache."""
        self.cache.rollback(scales)


class HoardingCache:
    """A key/value cache whose rollback counts back and forgets nothing."""

    def __init__(self) -> None:
        self.scales = 0
        self.rows: dict[int, tuple[Tensor, Tensor]] = {}

    @property
    def positions(self) -> int:
        """Rows held."""
        return self.rows[0][0].shape[2] if self.rows else 0

    def write(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Append, and give everything back."""
        if layer in self.rows:
            keys, values = (torch.cat(both, dim=2) for both in zip(self.rows[layer], (keys, values)))
        self.rows[layer] = keys, values
        return keys, values

    def extend(self, scales: int) -> None:
        """Count scales as held."""
        self.scales += scales

    def rollback(self, scales: int) -> None:
        """Count back."""
        self.scales = scales


class SharedUniforms:
    """Luck whose acceptance test reads the uniforms of the draft's draw."""

    def __init__(self, luck: Luck) -> None:
        self.luck = luck

    def of_scale(self, scale: int, length: int) -> Any:
        """The luck of one scale."""
        inner = self.luck.of_scale(scale, length)

        def uniforms(stream: Stream, attempt: int = 0) -> Tensor:
            return inner.uniforms(Stream.DRAFT if stream is Stream.ACCEPT else stream, attempt)

        return SimpleNamespace(uniforms=uniforms, gumbel=inner.gumbel)


class OneForAScale:
    """Luck that gives every token of a scale the number of the first."""

    def __init__(self, luck: Luck) -> None:
        self.luck = luck

    def of_scale(self, scale: int, length: int) -> Any:
        """The luck of one scale."""
        inner = self.luck.of_scale(scale, length)

        def uniforms(stream: Stream, attempt: int = 0) -> Tensor:
            return inner.uniforms(stream, attempt)[:, :1].repeat(1, length)

        def gumbel(stream: Stream, codes: int, attempt: int = 0) -> Tensor:
            return inner.gumbel(stream, codes, attempt)[:, :1].repeat(1, length, 1)

        return SimpleNamespace(uniforms=uniforms, gumbel=gumbel)
