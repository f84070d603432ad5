"""Self-attention over a pyramid of scales, with l2-normalised queries and keys."""

import math
from collections.abc import Callable, Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import nn

from sdvar_core.nn.packed_linear import PackedLinear

Remember = Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]
"""Takes new keys and values, returns all of them up to the last new one: a cache's ``write`` for one layer."""

LARGEST_LOG_SCALE = math.log(100.0)


class ScaleAttention(nn.Module):
    """Block-causal attention: a token sees every token of its own scale and of the scales before it.

    Queries and keys are l2-normalised and the queries multiplied by exp(min(scale_multiplier, log 100)), one
    number a head; without the normalisation the attention scale is 0.25 / sqrt(head_width). Queries and values
    have a bias, keys have none. Source: the authors' SelfAttention; design section 7.
    """

    def __init__(self, width: int, heads: int, l2_norm: bool = True) -> None:
        super().__init__()
        self.heads = heads
        self.query_key_value = nn.Linear(width, 3 * width, bias=False)
        self.query_bias = nn.Parameter(torch.zeros(width))
        self.value_bias = nn.Parameter(torch.zeros(width))
        self.scale_multiplier = nn.Parameter(torch.full((1, heads, 1, 1), math.log(4.0))) if l2_norm else None
        self.output = nn.Linear(width, width)
        self.register_buffer("bias", None, persistent=False)
        self.register_buffer("multiplier", None, persistent=False)

    def prepare(self) -> None:
        """Make once what depends on the weights alone, until the module trains again."""
        self.bias, self.multiplier = self.merged_bias(), self.query_multiplier()

    def train(self, mode: bool = True) -> "ScaleAttention":
        """Training forgets what was prepared."""
        if mode:
            self.bias = self.multiplier = None
        return super().train(mode)

    def merged_bias(self) -> torch.Tensor:
        """The bias of queries, keys and values, (3 width,)."""
        bias = torch.cat([self.query_bias, torch.zeros_like(self.query_bias), self.value_bias])
        return bias.to(self.query_key_value.weight.dtype)

    def query_multiplier(self) -> torch.Tensor | None:
        """What queries are multiplied by, (1, heads, 1, 1)."""
        return None if self.scale_multiplier is None else self.scale_multiplier.clamp_max(LARGEST_LOG_SCALE).exp()

    def forward(self, tokens: torch.Tensor, lengths: Sequence[int], remember: Remember | None = None) -> torch.Tensor:
        """Attend from tokens (batch, token, width) that make up consecutive scales of ``lengths`` tokens.

        ``remember`` adds keys and values of earlier scales; without it the tokens start at the first scale.
        Each scale's queries look at the keys up to the scale's end, so that no mask is needed.
        """
        return self.join(self.attend(*self.project(tokens), lengths, remember))

    def attend(
        self,
        queries: torch.Tensor,
        keys: torch.Tensor,
        values: torch.Tensor,
        lengths: Sequence[int],
        remember: Remember | None,
    ) -> torch.Tensor:
        """What the queries of each scale see; all (batch, heads, token, head_width)."""
        if remember is not None:
            keys, values = remember(keys, values)
            queries = queries.to(keys.dtype)
        scale = 1.0 if self.scale_multiplier is not None else 0.25 / math.sqrt(queries.shape[-1])
        attended = [
            _attend(asking, seen_keys, seen_values, scale)
            for asking, seen_keys, seen_values in zip(
                queries.split(tuple(lengths), dim=2), _prefixes(keys, lengths), _prefixes(values, lengths)
            )
        ]
        return attended[0] if len(attended) == 1 else torch.cat(attended, dim=2)

    def join(self, attended: torch.Tensor) -> torch.Tensor:
        """The heads (batch, heads, token, head_width) put together and projected, (batch, token, width)."""
        return self.output(attended.transpose(1, 2).flatten(2))

    def project(self, tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Queries, keys and values of the tokens, each (batch, heads, token, head_width)."""
        batch, count, _ = tokens.shape
        if isinstance(self.query_key_value, PackedLinear):
            merged = self.query_key_value(tokens)
        else:
            bias = self.merged_bias() if self.bias is None else self.bias
            merged = F.linear(tokens, self.query_key_value.weight, bias)
        queries, keys, values = merged.view(batch, count, 3, self.heads, -1).permute(2, 0, 3, 1, 4).unbind(0)
        if self.scale_multiplier is not None:
            multiplier = self.query_multiplier() if self.multiplier is None else self.multiplier
            queries = (F.normalize(queries, dim=-1) * multiplier).to(values.dtype)
            keys = F.normalize(keys, dim=-1).to(values.dtype)
        return queries, keys, values


def _attend(queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, scale: float) -> torch.Tensor:
    """Attention without a mask; all (batch, heads, row, channels).

    On a CPU in bfloat16, as in training, the plain form is taken: there the fused one costs three times as much.
    """
    if queries.device.type == "cpu" and queries.dtype == torch.bfloat16:
        return torch.softmax((queries * scale) @ keys.transpose(-1, -2), dim=-1) @ values
    return F.scaled_dot_product_attention(queries, keys, values, scale=scale)


def _prefixes(rows: torch.Tensor, lengths: Sequence[int]) -> Iterator[torch.Tensor]:
    """For each of the last scales, of ``lengths`` rows, all rows up to its end; rows: (batch, heads, row, channels).

    They are views, except where a gradient is wanted: each view's gradient would be as long as all the rows,
    so that growing copies, whose gradients are views, cost a tenth.
    """
    first = rows.shape[2] - sum(lengths)
    if not rows.requires_grad:
        for length in lengths:
            first += length
            yield rows[:, :, :first]
        return
    parts = rows.split((first, *lengths), dim=2)
    prefix = parts[0]
    for part in parts[1:]:
        prefix = torch.cat([prefix, part], dim=2)
        yield prefix
