"""A byte-level language model of Gated DeltaNet layers, which reads chains of tokens and whole trees of guesses."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sdvar_core.cache import RecurrentState
from sdvar_core.errors import ConfigurationError, SDVARError
from sdvar_core.nn.delta_rule import FORMS
from sdvar_core.nn.gated_delta_net import GatedDeltaNet, PendingLayer
from sdvar_core.nn.short_convolution import ShortConvolution
from sdvar_core.topology import Topology, topology_of

LONG = 16  # tokens from which on the chunk form is taken


@dataclass(frozen=True)
class DeltaNetConfig:
    """Shape of a DeltaNet; checks itself.

    key_dim, value_dim: width of a head's key and value; value_heads must be a multiple of key_heads.
    convolution: inputs that the short convolutions read. mlp_ratio: hidden width of the feed-forward over the width.
    """

    depth: int
    width: int
    key_heads: int
    value_heads: int
    key_dim: int
    value_dim: int
    vocabulary: int = 256
    convolution: int = 4
    mlp_ratio: float = 2.0
    norm_eps: float = 1e-6

    def __post_init__(self) -> None:
        whole = ("depth", "width", "key_heads", "value_heads", "key_dim", "value_dim", "vocabulary", "convolution")
        for name in whole:
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise ConfigurationError(f"{name} of a DeltaNet must be a whole number of at least 1, found {value!r}.")
        if self.value_heads % self.key_heads:
            raise ConfigurationError(
                f"{self.value_heads} value heads of a DeltaNet are not a multiple of its {self.key_heads} key heads."
            )
        if not self.mlp_ratio > 0 or not self.norm_eps > 0:
            raise ConfigurationError(
                f"mlp_ratio and norm_eps must be above 0, found {self.mlp_ratio} and {self.norm_eps}."
            )

    @property
    def hidden(self) -> int:
        """Hidden width of the feed-forward."""
        return max(1, round(self.width * self.mlp_ratio))


class Block(nn.Module):
    """Token mixing and a SwiGLU feed-forward (Shazeer 2020), each behind an RMS norm."""

    def __init__(self, config: DeltaNetConfig) -> None:
        super().__init__()
        self.mixing_norm = nn.RMSNorm(config.width, eps=config.norm_eps)
        self.mixing = GatedDeltaNet(
            config.width,
            config.key_heads,
            config.value_heads,
            config.key_dim,
            config.value_dim,
            config.convolution,
            config.norm_eps,
        )
        self.norm = nn.RMSNorm(config.width, eps=config.norm_eps)
        self.expand = nn.Linear(config.width, config.hidden, bias=False)
        self.gate = nn.Linear(config.width, config.hidden, bias=False)
        self.contract = nn.Linear(config.hidden, config.width, bias=False)

    def feed_forward(self, tokens: Tensor) -> Tensor:
        """Tokens (batch, token, width) with the feed-forward added."""
        inputs = self.norm(tokens)
        return tokens + self.contract(F.silu(self.gate(inputs)) * self.expand(inputs))


@dataclass(frozen=True, eq=False)
class PendingTree:
    """A tree that the model read but did not commit to; ``state_at`` makes the state of any node without a forward."""

    layers: tuple[PendingLayer, ...]
    topology: Topology
    tokens: int  # committed before the tree

    def state_at(self, node: int) -> RecurrentState:
        """The state after a node, (only then) built; the committed state for −1."""
        depth = self.topology.depths[node] + 1 if node >= 0 else 0
        return RecurrentState(tuple(layer.state_at(node) for layer in self.layers), self.tokens + depth)

    def norms(self) -> Tensor:
        """Frobenius norms of the delta-rule states after all nodes, (node, layer), over batch and heads together."""
        return torch.stack([layer.delta.norms().square().sum(dim=(0, 1)).sqrt() for layer in self.layers], dim=-1)


@dataclass(frozen=True, eq=False)
class PendingStates:
    """The same, where the states of all nodes were made on the way."""

    committed: RecurrentState
    states: tuple[RecurrentState, ...]

    def state_at(self, node: int) -> RecurrentState:
        """The state after a node; the committed state for −1."""
        return self.states[node] if node >= 0 else self.committed

    def norms(self) -> Tensor:
        """Frobenius norms of the delta-rule states after all nodes, (node, layer), over batch and heads together."""
        return torch.stack([torch.stack([layer.delta.norm() for layer in state.layers]) for state in self.states])


class DeltaNet(nn.Module):
    """Embedding, blocks, norm and head; computes and never samples. The caller owns the state."""

    def __init__(self, config: DeltaNetConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocabulary, config.width)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.depth))
        self.norm = nn.RMSNorm(config.width, eps=config.norm_eps)
        self.head = nn.Linear(config.width, config.vocabulary, bias=False)

    @property
    def vocabulary(self) -> int:
        """How many tokens there are."""
        return self.config.vocabulary

    def new_state(self, batch: int) -> RecurrentState:
        """The state before any token."""
        return RecurrentState(tuple(block.mixing.empty_state(batch) for block in self.blocks))

    def forward(
        self, tokens: Tensor, state: RecurrentState | None = None, form: str | None = None
    ) -> tuple[Tensor, RecurrentState]:
        """Logits (batch, token, vocabulary) after each of the tokens (batch, token) int64, and the new state.

        form: ``decode``, ``recurrent`` or ``chunk``; None chooses by length (see ``form_for``). Logits are float32
        (float64 for a float64 model). SDVARError for no tokens or an unknown form.
        """
        form = form_for(tokens.shape[1]) if form is None else form
        if form not in FORMS:
            raise SDVARError(f"Unknown form {form!r}: choose one of {', '.join(FORMS)}.")
        state = self.new_state(len(tokens)) if state is None else state
        rows, layers = self.embedding(tokens), []
        for block, layer in zip(self.blocks, state.layers, strict=True):
            mixed, layer = block.mixing(block.mixing_norm(rows), layer, form)
            rows = block.feed_forward(rows + mixed)
            layers.append(layer)
        return self._logits(rows), RecurrentState(tuple(layers), state.tokens + tokens.shape[1])

    def tree(
        self,
        tokens: Tensor,
        parents: Sequence[int] | Topology,
        state: RecurrentState | None = None,
        form: str = "tree",
    ) -> tuple[Tensor, PendingTree | PendingStates]:
        """Logits (batch, node, vocabulary) after each node of a tree that hangs on ``state``, and what is pending.

        tokens: (batch, node) int64. parents: of each node, an earlier one, or −1 for the committed text.
        form: ``tree``, one exact pass that keeps no state but the committed one, or ``nodes``, node by node with a
        state each, to compare with. A single node is decoded by the fused form in any case.
        """
        topology = topology_of(parents)
        if form not in ("tree", "nodes"):
            raise SDVARError(f"Unknown form {form!r}: choose tree or nodes.")
        if len(topology) != tokens.shape[1]:
            raise SDVARError(f"A tree of {len(topology)} nodes needs as many tokens, found {tokens.shape[1]}.")
        state = self.new_state(len(tokens)) if state is None else state
        if form == "nodes" or len(topology) == 1:
            return self._node_by_node(tokens, topology, state)
        rows, pending = self.embedding(tokens), []
        for block, layer in zip(self.blocks, state.layers, strict=True):
            mixed, waiting = block.mixing.tree(block.mixing_norm(rows), topology, layer)
            rows = block.feed_forward(rows + mixed)
            pending.append(waiting)
        return self._logits(rows), PendingTree(tuple(pending), topology, state.tokens)

    def _node_by_node(self, tokens: Tensor, topology: Topology, state: RecurrentState) -> tuple[Tensor, PendingStates]:
        logits, states = [], []
        for node, parent in enumerate(topology.parents):
            row, after = self(tokens[:, node : node + 1], states[parent] if parent >= 0 else state, form="decode")
            logits.append(row)
            states.append(after)
        return torch.cat(logits, dim=1), PendingStates(state, tuple(states))

    def _logits(self, rows: Tensor) -> Tensor:
        logits = self.head(self.norm(rows))
        return logits.to(torch.promote_types(logits.dtype, torch.float32))


def form_for(tokens: int) -> str:
    """One token: fused decode; long: chunk; otherwise recurrent."""
    return "decode" if tokens == 1 else "chunk" if tokens >= LONG else "recurrent"


def initialise(model: DeltaNet, generator: torch.Generator) -> DeltaNet:
    """Draw initial weights in place and return the model.

    Matrices: normal with standard deviation width^−½, what adds to the residual stream scaled by (2·depth)^−½, the
    head small. Decay: rates uniform in 1 … 16 and biases such that softplus gives log-uniform times of 0.001 … 0.1, as
    in the authors' code after Mamba-2 (Dao & Gu 2024). Convolutions start near the identity.
    """
    residual = (2 * model.config.depth) ** -0.5
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.Linear):
                module.weight.normal_(0, module.in_features**-0.5, generator=generator)
            elif isinstance(module, nn.Embedding):
                module.weight.normal_(0, 1, generator=generator)
            elif isinstance(module, ShortConvolution):
                module.weight.normal_(0, 0.1, generator=generator)
                module.weight[:, :, -1] += 1.0
            elif isinstance(module, GatedDeltaNet):
                module.decay_rate.uniform_(1, 16, generator=generator).log_()
                times = module.decay_bias.uniform_(math.log(0.001), math.log(0.1), generator=generator).exp()
                module.decay_bias.copy_(times + torch.log(-torch.expm1(-times)))  # the inverse of softplus
        model.head.weight.mul_(0.1)
        for block in model.blocks:
            block.mixing.output.weight.mul_(residual)
            block.contract.weight.mul_(residual)
    return model
