"""A Gated DeltaNet layer: projections, short convolutions, the gated delta rule, and a gated norm."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sdvar_core.cache import LayerState
from sdvar_core.nn import delta_rule
from sdvar_core.nn.delta_rule import DeltaInputs, PendingDelta
from sdvar_core.nn.short_convolution import ShortConvolution, cache_at
from sdvar_core.topology import Topology


@dataclass(frozen=True, eq=False)
class PendingLayer:
    """What a layer needs to build its state at any node of a tree that it read."""

    delta: PendingDelta
    rows: tuple[Tensor, Tensor, Tensor]  # inputs of the convolutions of queries, keys, values
    width: int

    def state_at(self, node: int) -> LayerState:
        """The layer's state after a node; the committed state for −1."""
        topology = self.delta.topology
        return LayerState(
            self.delta.state_at(node), *(cache_at(rows, topology, node, self.width) for rows in self.rows)
        )


class GatedDeltaNet(nn.Module):
    """Token mixing with a state of fixed size.

    Queries, keys and values each pass a short convolution and SiLU; queries and keys are l2-normalised and the queries
    scaled by key_dim^−½; log decay is −exp(decay_rate)·softplus(decay(x) + decay_bias); the write strength is
    sigmoid(strength(x)). The output is RMS-normalised a head and gated by SiLU(gate(x)). Several value heads may share
    a key head. Source: Yang, Kautz, Hatamizadeh 2024, "Gated Delta Networks", figure 1 and section 3.
    """

    def __init__(
        self,
        width: int,
        key_heads: int,
        value_heads: int,
        key_dim: int,
        value_dim: int,
        convolution: int,
        epsilon: float,
    ) -> None:
        super().__init__()
        self.key_heads, self.value_heads, self.key_dim, self.value_dim = key_heads, value_heads, key_dim, value_dim
        keys, values = key_heads * key_dim, value_heads * value_dim
        self.query = nn.Linear(width, keys, bias=False)
        self.key = nn.Linear(width, keys, bias=False)
        self.value = nn.Linear(width, values, bias=False)
        self.gate = nn.Linear(width, values, bias=False)
        self.decay = nn.Linear(width, value_heads, bias=False)
        self.strength = nn.Linear(width, value_heads, bias=False)
        self.decay_rate = nn.Parameter(torch.zeros(value_heads))
        self.decay_bias = nn.Parameter(torch.zeros(value_heads))
        self.query_convolution = ShortConvolution(keys, convolution)
        self.key_convolution = ShortConvolution(keys, convolution)
        self.value_convolution = ShortConvolution(values, convolution)
        self.norm = nn.RMSNorm(value_dim, eps=epsilon)
        self.output = nn.Linear(values, width, bias=False)

    def empty_state(self, batch: int) -> LayerState:
        """The state before any token."""
        weight, rows = self.value.weight, self.value_convolution.width - 1
        precision = torch.promote_types(weight.dtype, torch.float32)
        shape = (batch, self.value_heads, self.key_dim, self.value_dim)
        keys, values = (batch, rows, self.key.out_features), (batch, rows, self.value.out_features)
        return LayerState(
            torch.zeros(shape, dtype=precision, device=weight.device),
            *(torch.zeros(size, dtype=weight.dtype, device=weight.device) for size in (keys, keys, values)),
        )

    def forward(self, tokens: Tensor, state: LayerState, form: str) -> tuple[Tensor, LayerState]:
        """Outputs (batch, token, width) of consecutive tokens (batch, token, width), by a form of ``FORMS``."""
        queries, query_cache = self.query_convolution(self.query(tokens), state.queries)
        keys, key_cache = self.key_convolution(self.key(tokens), state.keys)
        values, value_cache = self.value_convolution(self.value(tokens), state.values)
        inputs = self._inputs(tokens, queries, keys, values)
        outputs, delta = delta_rule.FORMS[form](inputs, state.delta)
        return self._finished(outputs, tokens), LayerState(delta, query_cache, key_cache, value_cache)

    def tree(self, tokens: Tensor, topology: Topology, state: LayerState) -> tuple[Tensor, PendingLayer]:
        """Outputs (batch, node, width) of the nodes of a tree hanging on ``state``, and what is pending."""
        queries, query_rows = self.query_convolution.tree(self.query(tokens), state.queries, topology)
        keys, key_rows = self.key_convolution.tree(self.key(tokens), state.keys, topology)
        values, value_rows = self.value_convolution.tree(self.value(tokens), state.values, topology)
        outputs, delta = delta_rule.tree(self._inputs(tokens, queries, keys, values), topology, state.delta)
        rows = (query_rows, key_rows, value_rows)
        return self._finished(outputs, tokens), PendingLayer(delta, rows, self.value_convolution.width)

    def _inputs(self, tokens: Tensor, queries: Tensor, keys: Tensor, values: Tensor) -> DeltaInputs:
        """What the rule reads, from the convolved rows (batch, token, channels)."""
        precision = torch.promote_types(values.dtype, torch.float32)
        queries, keys = (
            F.normalize(_heads(F.silu(rows).to(precision), self.key_heads), dim=-1, eps=1e-6)
            for rows in (queries, keys)
        )
        shared = self.value_heads // self.key_heads
        if shared > 1:
            queries, keys = (rows.repeat_interleave(shared, dim=1) for rows in (queries, keys))
        speed = F.softplus(self.decay(tokens).to(precision) + self.decay_bias)
        return DeltaInputs(
            queries * self.key_dim**-0.5,
            keys,
            _heads(F.silu(values), self.value_heads),
            (-self.decay_rate.to(precision).exp() * speed).mT,
            self.strength(tokens).to(precision).sigmoid().mT,
        )

    def _finished(self, outputs: Tensor, tokens: Tensor) -> Tensor:
        """Norm, gate and projection of the rule's outputs (batch, value heads, token, value dim)."""
        normed = self.norm(outputs).transpose(1, 2).flatten(2)
        return self.output(normed * F.silu(self.gate(tokens)))


def _heads(rows: Tensor, heads: int) -> Tensor:
    """(batch, token, channels) → (batch, heads, token, channels of a head)."""
    return rows.unflatten(-1, (heads, -1)).transpose(1, 2)
