"""What the loop needs to know of models: two readers of pyramids and one tokenizer, each a small Protocol."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from sdvar_core.errors import RequestError
from sdvar_core.request import Label, Request
from sdvar_core.scales import Schedule


class Cache(Protocol):
    """Keys and values of the scales read so far; ``rollback`` forgets the scales from ``scales`` on."""

    scales: int

    @property
    def positions(self) -> int:
        """Token positions held."""

    def rollback(self, scales: int) -> None:
        """Hold only the first ``scales`` scales."""


class ScaleModel(Protocol):
    """A draft or a target."""

    def condition(self, labels: Tensor) -> Any:
        """All that depends on the class alone, for int64 labels (batch,); the number of classes means "no class"."""

    def new_cache(self, batch: int) -> Cache:
        """An empty cache."""

    def __call__(
        self, features: Sequence[Tensor | None], start: int, conditioning: Any, cache: Cache
    ) -> Sequence[Tensor]:
        """Logits (batch, n², codes) of the scales start, start + 1, … in one forward, given their inputs (None at
        scale 0); the cache must hold ``start`` scales and afterwards holds these too."""


class Quantizer(Protocol):
    """The arithmetic of canvases (design section 1), and the vector of every code, (codes, channels)."""

    codebook: Tensor

    def empty_canvas(self, batch: int) -> Tensor:
        """Zeros (batch, channels, side, side)."""

    def advance(self, canvas: Tensor, tokens: Tensor, scale: int) -> Tensor:
        """A new canvas with one scale's tokens (batch, n²) added; the old one is untouched."""

    def features(self, canvas: Tensor, scale: int) -> Tensor:
        """The transformer's input (batch, n², channels) for a scale, from the canvas of all coarser scales."""


class Tokenizer(Protocol):
    """A canvas arithmetic and a picture decoder."""

    quantizer: Quantizer

    def decode(self, canvas: Tensor) -> Tensor:
        """Pictures in [−1, 1], (batch, 3, height, width)."""


@dataclass(frozen=True, eq=False)
class Outline:
    """What is known of a pair before its models are loaded: all that requests are checked against."""

    name: str
    schedule: Schedule
    codes: int
    class_names: tuple[str, ...]

    def class_index(self, label: Label) -> int:
        """The index of a class name or of an index; RequestError for an unknown one."""
        if isinstance(label, str) and label in self.class_names:
            return self.class_names.index(label)
        if isinstance(label, int) and label < len(self.class_names):
            return label
        some = ", ".join(self.class_names[:12]) + (", …" if len(self.class_names) > 12 else "")
        raise RequestError(
            f"Unknown label {label!r}: {self.name} knows 0 to {len(self.class_names) - 1} and the names {some}."
        )

    def class_indices(self, request: Request) -> Tensor:
        """int64 (batch,)."""
        return torch.tensor([self.class_index(label) for label in request.labels], dtype=torch.int64)


@dataclass(frozen=True, eq=False)
class Pair(Outline):
    """A draft, a target and the tokenizer that both speak."""

    draft: ScaleModel
    target: ScaleModel
    tokenizer: Tokenizer
    precision: str = "float32"  # of the transformers' blocks

    @property
    def device(self) -> torch.device:
        """Where the models are."""
        return self.tokenizer.quantizer.codebook.device

    @property
    def judging_device(self) -> torch.device:
        """Where distributions are made and judged: beside the models, or on the CPU where those have no float64."""
        return torch.device("cpu") if self.device.type == "mps" else self.device

    @torch.inference_mode()
    def render(self, tokens: Sequence[np.ndarray]) -> np.ndarray:
        """The picture of the first len(tokens) scales: one int array (batch, n²) a scale → uint8
        (batch, height, width, 3)."""
        quantizer = self.tokenizer.quantizer
        canvas = quantizer.empty_canvas(len(tokens[0]) if tokens else 1)
        for scale, entries in enumerate(tokens):
            canvas = quantizer.advance(canvas, torch.as_tensor(entries, dtype=torch.int64, device=canvas.device), scale)
        return self._painted(canvas)

    @torch.inference_mode()
    def render_codes(self, codes: Sequence[int], scale: int) -> np.ndarray:
        """What each code looks like at ``scale``, uint8 (len(codes), height, width, 3): an empty canvas to which it is
        added at every place of that scale."""
        canvas = self.tokenizer.quantizer.empty_canvas(len(codes))
        tokens = torch.as_tensor(codes, dtype=torch.int64, device=canvas.device)[:, None]
        tokens = tokens.expand(-1, self.schedule.lengths[scale])
        return self._painted(self.tokenizer.quantizer.advance(canvas, tokens, scale))

    def _painted(self, canvas: Tensor) -> np.ndarray:
        pictures = (self.tokenizer.decode(canvas).float() + 1.0) * 127.5
        return pictures.round().clamp(0, 255).byte().permute(0, 2, 3, 1).cpu().numpy()
