"""One model reading one run: its conditioning, its cache, and guidance; from inputs to sampling distributions."""

from collections.abc import Sequence

import torch
from torch import Tensor

from sdvar_core.probability import distribution, guidance_at, guide
from sdvar_core.request import Request
from sdvar_core.speculative.pair import Cache, Pair, Quantizer, ScaleModel


class Prefix:
    """Committed (or supposed) tokens as models see them: the canvas they make and the inputs of the next scale.

    Immutable: ``extended`` returns a new prefix, so a draft's supposition never touches what is committed.
    ``inputs[s]`` is the transformer's input of scale s, known for s = 0 … ``scales``; None at scale 0.
    """

    def __init__(self, quantizer: Quantizer, canvas: Tensor, inputs: tuple[Tensor | None, ...], scales: int) -> None:
        self.quantizer, self.canvas, self.inputs, self.scales = quantizer, canvas, inputs, scales

    @classmethod
    def empty(cls, quantizer: Quantizer, batch: int) -> "Prefix":
        """No scale yet."""
        return cls(quantizer, quantizer.empty_canvas(batch), (None,), 0)

    @torch.inference_mode()
    def extended(self, tokens: Tensor, last: bool) -> "Prefix":
        """This prefix and one scale more; after the ``last`` scale there is no next input."""
        canvas = self.quantizer.advance(self.canvas, tokens.to(self.canvas.device), self.scales)
        following = () if last else (self.quantizer.features(canvas, self.scales + 1),)
        return Prefix(self.quantizer, canvas, self.inputs + following, self.scales + 1)


class Reader:
    """A model with the cache of one run. With guidance, each picture is read twice, with its class and without.

    ``sources[s]`` is the input that the cache's scale s was read from: what the cache should be true to.
    """

    def __init__(self, pair: Pair, model: ScaleModel, request: Request) -> None:
        self.model, self.request, self.schedule = model, request, pair.schedule
        self.judging_device = pair.judging_device
        labels = pair.class_indices(request)
        self.guided = request.guidance > 0.0
        if self.guided:
            labels = torch.cat([labels, torch.full_like(labels, len(pair.class_names))])
        with torch.inference_mode():
            self.conditioning = model.condition(labels)
        self.cache: Cache = model.new_cache(len(labels))
        self.sources: dict[int, Tensor | None] = {}

    def read(self, inputs: Sequence[Tensor | None], stop: int) -> list[Tensor]:
        """One forward over the scales that the cache misses, up to ``stop`` − 1: their distributions, float64
        (batch, n², codes)."""
        return [self.distribution(logits) for logits in self.logits(inputs, stop)]

    @torch.inference_mode()
    def logits(self, inputs: Sequence[Tensor | None], stop: int) -> list[Tensor]:
        """The same forward's logits after guidance, (batch, n², codes)."""
        start = self.cache.scales
        self.sources.update(zip(range(start, stop), inputs[start:stop]))
        features = [self._doubled(entry) for entry in inputs[start:stop]]
        logits = self.model(features, start, self.conditioning, self.cache)
        return [self._guided(entry.to(self.judging_device), start + index) for index, entry in enumerate(logits)]

    def distribution(self, logits: Tensor) -> Tensor:
        """The sampling distribution of guided logits: float64, same shape."""
        return distribution(logits, self.request.temperature, self.request.top_k, self.request.top_p)

    def _doubled(self, features: Tensor | None) -> Tensor | None:
        return torch.cat([features, features]) if self.guided and features is not None else features

    def _guided(self, logits: Tensor, scale: int) -> Tensor:
        if not self.guided:
            return logits
        conditional, unconditional = logits.double().chunk(2)
        return guide(conditional, unconditional, guidance_at(self.request.guidance, scale, len(self.schedule)))
