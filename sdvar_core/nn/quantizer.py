"""The multi-scale residual quantizer: token maps to a canvas of latents, and latents to token maps."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from sdvar_core.errors import ConfigurationError
from sdvar_core.scales import Schedule

# Codes that were never seen are priced as if they had this frequency, so that they stay affordable.
LEAST_FREQUENCY = 1e-5


@dataclass(frozen=True, eq=False)
class Rate:
    """What a code costs besides its distortion: ``price · −log frequencies[scale, code]``, nats times ``price``.

    ``price`` is the λ and ``frequencies`` (scales, codes) the π of entropy-constrained vector quantisation
    (Chou, Lookabaugh, Gray 1989). Distortion at a scale of side n is weighted by (N/n)², since one of its tokens
    colours that many cells of the canvas.
    """

    price: float
    frequencies: Tensor

    def costs(self, scale: int) -> Tensor:
        """Cost of each code at ``scale``, (codes,)."""
        return -self.price * self.frequencies[scale].clamp_min(LEAST_FREQUENCY).log()


@dataclass(frozen=True, eq=False)
class Quantized:
    """What one training pass through the quantizer gives.

    ``canvas`` (batch, channels, N, N) carries straight-through gradients to the latents and true ones to the phis;
    ``tokens`` one int64 (batch, n²) a scale; ``residuals`` one detached (batch, n², channels) a scale, the vectors
    that those tokens stand for; ``loss`` the official quantizer loss, a scalar.
    """

    canvas: Tensor
    tokens: list[Tensor]
    residuals: list[Tensor]
    loss: Tensor


class Phi(nn.Conv2d):
    """A 3×3 convolution blended half and half with the identity. Source: VAR, official code, ``Phi``."""

    def __init__(self, channels: int):
        super().__init__(channels, channels, kernel_size=3, padding=1)

    def forward(self, inputs: Tensor) -> Tensor:
        """(batch, channels, N, N) to the same shape."""
        return 0.5 * inputs + 0.5 * super().forward(inputs)


def phi_indices(scales: int, phis: int) -> tuple[int, ...]:
    """Which phi each scale uses: the nearest of ``phis`` ticks on [0, 1].

    Two of the ten official scales are exact ties in this expression, so it must stay as it is, rounding included.
    Source: VAR, official code, ``PhiPartiallyShared``.
    """
    margin = 1 / 3 / phis if phis == 4 else 1 / 2 / phis
    ticks = np.linspace(margin, 1 - margin, phis)
    return tuple(int(np.argmin(np.abs(ticks - scale / max(scales - 1, 1)))) for scale in range(scales))


class MultiScaleQuantizer(nn.Module):
    """Codes shared by all scales, and the partially shared phis that spread them over the canvas.

    Source: VAR (Tian et al. 2024), algorithms 1 and 2; design section 1.
    """

    def __init__(self, schedule: Schedule, codes: int, channels: int, shared_phis: int = 4, commitment: float = 0.25):
        super().__init__()
        if min(codes, channels, shared_phis) < 1:
            found = f"codes={codes}, channels={channels}, shared_phis={shared_phis}"
            raise ConfigurationError(f"A quantizer needs at least one code, channel and phi, found {found}.")
        self.schedule = schedule
        self.commitment = commitment
        self.embedding = nn.Embedding(codes, channels)
        self.phis = nn.ModuleList(Phi(channels) for _ in range(shared_phis))
        self.phi_indices = phi_indices(len(schedule), shared_phis)
        self.register_buffer("frequencies", torch.full((len(schedule), codes), 1.0 / codes))

    @property
    def side(self) -> int:
        """Side N of the canvas."""
        return self.schedule.sides[-1]

    @property
    def codes(self) -> int:
        """Number of codes."""
        return self.embedding.num_embeddings

    @property
    def codebook(self) -> Tensor:
        """The vector of every code, (codes, channels)."""
        return self.embedding.weight

    @property
    def channels(self) -> int:
        """Width of the canvas."""
        return self.embedding.embedding_dim

    def empty_canvas(self, batch: int) -> Tensor:
        """Zeros (batch, channels, N, N) in the module's dtype and on its device."""
        return self.embedding.weight.new_zeros(batch, self.channels, self.side, self.side)

    def contribution(self, tokens: Tensor, scale: int) -> Tensor:
        """What the tokens (batch, n²) of ``scale`` add to the canvas, (batch, channels, N, N)."""
        side = self.schedule.sides[scale]
        vectors = self.embedding(tokens).transpose(1, 2).reshape(len(tokens), self.channels, side, side)
        if scale != len(self.schedule) - 1:
            vectors = functional.interpolate(vectors, size=(self.side, self.side), mode="bicubic")
        return self.phis[self.phi_indices[scale]](vectors)

    def advance(self, canvas: Tensor, tokens: Tensor, scale: int) -> Tensor:
        """A new canvas (batch, channels, N, N) with the tokens (batch, n²) of ``scale`` added; the old one stays."""
        return canvas + self.contribution(tokens, scale)

    def area_down(self, canvas: Tensor, scale: int) -> Tensor:
        """The canvas averaged down to the side of ``scale``, (batch, channels, n, n); the last scale as it is."""
        if scale == len(self.schedule) - 1:
            return canvas
        side = self.schedule.sides[scale]
        return functional.interpolate(canvas, size=(side, side), mode="area")

    def features(self, canvas: Tensor, scale: int) -> Tensor:
        """The canvas averaged down to ``scale`` and laid out as tokens, (batch, n², channels).

        Given the canvas after all coarser scales this is the transformer's input for ``scale`` > 0.
        """
        return self.area_down(canvas, scale).flatten(2).transpose(1, 2)

    def choose(self, vectors: Tensor, scale: int, rate: Rate | None = None) -> Tensor:
        """The code for each of the vectors (…, channels) of ``scale``, int64 (…): least distortion plus its cost."""
        weight = self.embedding.weight
        distortion = weight.square().sum(dim=1) - 2 * vectors @ weight.T  # |z|² is the same for every code
        if rate is not None and rate.price > 0:
            distortion = distortion * (self.side / self.schedule.sides[scale]) ** 2 + rate.costs(scale)
        return distortion.argmin(dim=-1)

    @torch.no_grad()
    def encode(self, latents: Tensor, rate: Rate | None = None) -> list[Tensor]:
        """Residual quantisation of latents (batch, channels, N, N), coarse to fine: S int64 (batch, n²)."""
        residual = latents
        tokens = []
        for scale in range(len(self.schedule)):
            tokens.append(self.choose(self.features(residual, scale), scale, rate))
            residual = residual - self.contribution(tokens[scale], scale)
        return tokens

    def canvas_of(self, tokens: Sequence[Tensor]) -> Tensor:
        """The canvas (batch, channels, N, N) made from the first ``len(tokens)`` scales (at least one)."""
        canvas = self.empty_canvas(len(tokens[0]))
        for scale, scale_tokens in enumerate(tokens):
            canvas = self.advance(canvas, scale_tokens, scale)
        return canvas

    def forward(self, latents: Tensor, rate: Rate | None = None, kept: Tensor | None = None) -> Quantized:
        """Quantize float32 latents (batch, channels, N, N) for training.

        ``kept`` int64 (batch,), 1…S, is the number of scales whose sum becomes the picture's canvas (None: all).
        The loss is the official one: mean over scales of |canvas − latents|², the pull on the latents weighted β.
        """
        target = latents.detach()
        canvas = self.empty_canvas(len(latents))
        chosen, loss = torch.zeros_like(canvas), 0.0
        tokens, residuals = [], []
        last = len(self.schedule) - 1
        for scale in range(len(self.schedule)):
            residuals.append(self.features(target - canvas.detach(), scale))
            tokens.append(self.choose(residuals[scale], scale, rate).detach())
            canvas = self.advance(canvas, tokens[scale], scale)
            loss = loss + functional.mse_loss(canvas, target)
            loss = loss + self.commitment * functional.mse_loss(latents, canvas.detach())
            if scale == last or kept is not None:
                here = torch.full_like(tokens[0][:, 0], last + 1) if kept is None else kept
                through = canvas + self._smooth_change(latents, scale)
                chosen = torch.where((here == scale + 1)[:, None, None, None], through, chosen)
        return Quantized(chosen, tokens, residuals, loss / len(self.schedule))

    def _smooth_change(self, latents: Tensor, scale: int) -> Tensor:
        """Zero in value; in gradient the part of the latents that the scales up to ``scale`` can follow."""
        smooth = self.area_down(latents, scale)
        if scale != len(self.schedule) - 1:
            smooth = functional.interpolate(smooth, size=(self.side, self.side), mode="bicubic")
        return smooth - smooth.detach()
