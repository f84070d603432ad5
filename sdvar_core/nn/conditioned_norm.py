"""Layer normalisation whose scale and shift come from the class: adaptive layer norm (AdaLN)."""

import torch
import torch.nn.functional as F
from torch import nn


class Modulation(nn.Module):
    """Turns a condition (batch, width) into ``chunks`` vectors of modulation, (batch, chunks, width).

    A block has six, in the authors' order gamma1, gamma2, scale1, scale2, shift1, shift2; the head has two,
    scale and shift. Source: DiT (Peebles and Xie 2023), section 3.2; design section 7.
    """

    def __init__(self, width: int, chunks: int) -> None:
        super().__init__()
        self.chunks = chunks
        self.linear = nn.Linear(width, chunks * width)

    def forward(self, condition: torch.Tensor) -> torch.Tensor:
        """Modulation vectors (batch, chunks, width) of a condition (batch, width)."""
        vectors = self.linear(F.silu(condition).to(self.linear.weight.dtype))
        if self.linear.weight.dtype != condition.dtype:  # a model in reduced precision keeps its modulation in full
            vectors = vectors.to(condition.dtype)
        return vectors.view(len(condition), self.chunks, -1)


class ModulationOffset(nn.Module):
    """A block's part of a shared modulation: six learned vectors added to those that all blocks share.

    Source: the authors' ``shared_aln``, used by the 512-pixel model; design section 7.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.offset = nn.Parameter(torch.zeros(1, 1, 6, width))

    def forward(self, shared: torch.Tensor) -> torch.Tensor:
        """Modulation vectors (batch, 6, width) from the shared ones of the same shape."""
        return shared + self.offset[:, 0]


def modulated_norm(tokens: torch.Tensor, scale: torch.Tensor, shift: torch.Tensor, epsilon: float) -> torch.Tensor:
    """``norm(tokens) · (1 + scale) + shift``, the norm without weights.

    tokens: (batch, token, width). scale, shift: (batch, width), the same for all tokens of a picture.
    """
    normed = F.layer_norm(tokens, tokens.shape[-1:], eps=epsilon)
    return normed * (1 + scale[:, None]) + shift[:, None]
