"""Codes that follow the vectors that choose them, instead of a gradient."""

import torch
from torch import Tensor

from sdvar_core.nn.quantizer import MultiScaleQuantizer, Quantized

FREQUENCY_DECAY = 0.98
CODEBOOK_DECAY = 0.99
DEAD_SHARE = 0.01  # of the mean use; below it a code is dead


class Codebook:
    """Moving averages of the vectors that chose each code; the codes follow them, and dead ones start again."""

    def __init__(self, quantizer: MultiScaleQuantizer):
        self.quantizer = quantizer
        self.counts = torch.zeros_like(quantizer.embedding.weight[:, 0])  # (codes,)
        self.sums = torch.zeros_like(quantizer.embedding.weight)  # (codes, channels)

    def _flat(self, quantized: Quantized) -> tuple[Tensor, Tensor, Tensor]:
        """Vectors (tokens, channels), their codes (tokens,), and weights 1/side (tokens,): coarse scales count too."""
        sides = self.quantizer.schedule.sides
        vectors = torch.cat([residual.flatten(0, 1) for residual in quantized.residuals])
        codes = torch.cat([tokens.flatten() for tokens in quantized.tokens])
        weights = [codes.new_full((tokens.numel(),), 1.0 / side, dtype=torch.float32)
                   for tokens, side in zip(quantized.tokens, sides)]  # fmt: skip
        return vectors, codes, torch.cat(weights)

    @torch.no_grad()
    def update(self, quantized: Quantized) -> None:
        """Moves the codes, and the running frequencies of codes by scale, to what one batch says."""
        vectors, codes, weights = self._flat(quantized)
        counts = torch.zeros_like(self.counts).index_add_(0, codes, weights)
        sums = torch.zeros_like(self.sums).index_add_(0, codes, vectors * weights[:, None])
        self.counts.lerp_(counts, 1 - CODEBOOK_DECAY)
        self.sums.lerp_(sums, 1 - CODEBOOK_DECAY)
        alive = self.counts > 1e-6
        self.quantizer.embedding.weight[alive] = self.sums[alive] / self.counts[alive, None]
        for scale, tokens in enumerate(quantized.tokens):
            shares = torch.bincount(tokens.flatten(), minlength=len(counts)) / tokens.numel()
            self.quantizer.frequencies[scale].lerp_(shares, 1 - FREQUENCY_DECAY)

    @torch.no_grad()
    def restart_dead(self, quantized: Quantized, generator: torch.Generator) -> int:
        """Puts dead codes on vectors of this batch drawn by weight; returns how many."""
        dead = self.counts <= DEAD_SHARE * self.counts.mean()
        number = int(dead.sum())
        if number:
            vectors, _, weights = self._flat(quantized)
            drawn = torch.multinomial(weights.cpu(), number, generator=generator).to(vectors.device)
            start = max(float(self.counts.mean()), 1e-3) * 5 * DEAD_SHARE
            self.quantizer.embedding.weight[dead] = vectors[drawn]
            self.counts[dead] = start
            self.sums[dead] = vectors[drawn] * start
        return number
