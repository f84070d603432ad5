"""The gated delta rule in four forms that agree: step by step, fused for one token, in chunks, and over a tree.

Per head, S_t = α_t (I − β_t k_t k_tᵀ) S_{t−1} + β_t k_t v_tᵀ and o_t = S_tᵀ q_t, with log α_t = g_t ≤ 0
(Yang, Kautz, Hatamizadeh 2024, "Gated Delta Networks", eq. 10; design section 5). The arithmetic is float32 whatever
the model's numbers are, and float64 for float64. States are (batch, value heads, key dim, value dim); they come in and
go out, and none is ever written to.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields

import torch
import torch.nn.functional as F
from torch import Tensor

from sdvar_core.errors import SDVARError
from sdvar_core.topology import Topology

CHUNK = 64  # tokens


@dataclass(frozen=True, eq=False)
class DeltaInputs:
    """What the rule reads for each token; queries and keys are normalised and the queries scaled already."""

    queries: Tensor  # (batch, value heads, token, key dim)
    keys: Tensor  # (batch, value heads, token, key dim)
    values: Tensor  # (batch, value heads, token, value dim)
    log_decay: Tensor  # (batch, value heads, token), g ≤ 0
    strength: Tensor  # (batch, value heads, token), β

    @property
    def tokens(self) -> int:
        """How many tokens there are."""
        return self.keys.shape[2]

    @property
    def precision(self) -> torch.dtype:
        """What the rule is computed in."""
        return torch.promote_types(self.values.dtype, torch.float32)

    def prepared(self) -> "DeltaInputs":
        """The same in the precision of the rule."""
        return DeltaInputs(*(getattr(self, field.name).to(self.precision) for field in fields(self)))

    def empty_state(self) -> Tensor:
        """Zeros (batch, value heads, key dim, value dim) in the precision of the rule."""
        batch, heads, _, key_dim = self.keys.shape
        return self.keys.new_zeros((batch, heads, key_dim, self.values.shape[-1]), dtype=self.precision)


Form = Callable[[DeltaInputs, Tensor | None], tuple[Tensor, Tensor]]


def recurrent(inputs: DeltaInputs, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Token after token: outputs (batch, value heads, token, value dim) in the dtype of the values, and the state."""
    with _no_autocast(inputs.keys):
        ready, state = _prepared(inputs, state)
        decay, strength = ready.log_decay.exp()[..., None, None], ready.strength[..., None, None]
        outputs = []
        for token in range(inputs.tokens):
            here = slice(token, token + 1)
            keys = ready.keys[:, :, here]  # (batch, heads, 1, key dim)
            state = decay[:, :, token] * state
            update = strength[:, :, token] * (ready.values[:, :, here] - keys @ state)
            state = state + keys.mT @ update
            outputs.append(ready.queries[:, :, here] @ state)
        return torch.cat(outputs, dim=2).to(inputs.values.dtype), state


def decode(inputs: DeltaInputs, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """One token, fused: the old state is read once, for key and query together. Results as of ``recurrent``."""
    if inputs.tokens != 1:
        raise SDVARError(f"The fused form decodes one token, found {inputs.tokens}; use the recurrent or chunk form.")
    with _no_autocast(inputs.keys):
        ready, state = _prepared(inputs, state)
        decay = ready.log_decay.exp()[..., None]  # (batch, heads, 1, 1)
        by_key, by_query = (torch.cat([ready.keys, ready.queries], dim=2) @ state).split(1, dim=2)
        update = ready.strength[..., None] * (ready.values - decay * by_key)
        overlap = (ready.queries * ready.keys).sum(dim=-1, keepdim=True)
        outputs = decay * by_query + overlap * update
        return outputs.to(inputs.values.dtype), decay * state + ready.keys.mT * update


def chunk(inputs: DeltaInputs, state: Tensor | None = None, size: int = CHUNK) -> tuple[Tensor, Tensor]:
    """Parallel inside chunks of ``size`` tokens, by the WY/UT transform: one triangular solve for all chunks.

    Inside a chunk the rule is that of ``tree`` on a chain. The solve is made for the values and for the keys, so that
    only two products a chunk wait for the state before it. Source: Yang et al. 2024, section 3.3. Results as of
    ``recurrent``.
    """
    with _no_autocast(inputs.keys):
        ready, state = _prepared(inputs, state)
        ready = _in_chunks(ready, size)  # (batch, heads, chunk, token, …)
        sums = ready.log_decay.cumsum(dim=-1)  # G inside each chunk
        seen = torch.ones(size, size, dtype=torch.bool, device=sums.device).tril()
        weights = _decay_between(sums, seen)
        strength, growth = ready.strength[..., None], sums.exp()[..., None]
        system = strength * (ready.keys @ ready.keys.mT) * weights
        sides = torch.cat([strength * ready.values, strength * growth * ready.keys], dim=-1)
        solved = _solve(system, sides)
        from_values, from_state = solved.split([ready.values.shape[-1], ready.keys.shape[-1]], dim=-1)
        scores = (ready.queries @ ready.keys.mT) * weights
        asking = growth * ready.queries
        to_end = (sums[..., -1:] - sums).exp()[..., None] * ready.keys
        last = sums[..., -1].exp()[..., None, None]
        outputs = []
        for index in range(scores.shape[2]):
            update = from_values[:, :, index] - from_state[:, :, index] @ state
            outputs.append(asking[:, :, index] @ state + scores[:, :, index] @ update)
            state = last[:, :, index] * state + to_end[:, :, index].mT @ update
        return torch.cat(outputs, dim=2)[:, :, : inputs.tokens].to(inputs.values.dtype), state


FORMS: dict[str, Form] = {"recurrent": recurrent, "decode": decode, "chunk": chunk}


@dataclass(frozen=True, eq=False)
class PendingDelta:
    """A tree that was read but not committed: enough to build the state of any node, and no state but the committed."""

    topology: Topology
    state: Tensor  # S₀, (batch, value heads, key dim, value dim)
    keys: Tensor  # (batch, value heads, node, key dim)
    updates: Tensor  # U, (batch, value heads, node, value dim)
    decay_sums: Tensor  # G, (batch, value heads, node)

    def state_at(self, node: int) -> Tensor:
        """S_i = e^{G_i} S₀ + Σ e^{G_i−G_j} k_j u_jᵀ over the path to node i; S₀ for −1."""
        if node < 0:
            return self.state
        path = list(self.topology.path(node))
        here = self.decay_sums[:, :, node, None]  # (batch, heads, 1)
        keys = (here - self.decay_sums[:, :, path]).exp()[..., None] * self.keys[:, :, path]
        with _no_autocast(keys):
            return here[..., None].exp() * self.state + keys.mT @ self.updates[:, :, path]

    def norms(self) -> Tensor:
        """Frobenius norms of the states after all nodes, (batch, value heads, node), none of which is built.

        ‖S_i‖² = e^{2G_i}‖S₀‖² + 2e^{G_i} Σ_j w_ij k_jᵀS₀u_j + Σ_jl w_ij w_il (k_j·k_l)(u_j·u_l), where
        w_ij = e^{G_i−G_j}, and j and l are on the path to i.
        """
        seen = torch.from_numpy(self.topology.mask).to(self.state.device)
        with _no_autocast(self.keys):
            weights, growth = _decay_between(self.decay_sums, seen), self.decay_sums.exp()
            committed = self.state.square().sum(dim=(-2, -1))[..., None]
            mixed = ((self.keys @ self.state) * self.updates).sum(dim=-1, keepdim=True)
            products = (self.keys @ self.keys.mT) * (self.updates @ self.updates.mT)
            squares = growth.square() * committed + 2.0 * growth * (weights @ mixed)[..., 0]
            return (squares + ((weights @ products) * weights).sum(dim=-1)).clamp_min(0.0).sqrt()


def tree(inputs: DeltaInputs, topology: Topology, state: Tensor | None = None) -> tuple[Tensor, PendingDelta]:
    """All nodes of a tree in one pass, exactly; the token axis of the inputs counts its nodes.

    (I + A) U = diag(β)(V − diag(e^G) K S₀) with A_ij = β_i (k_i·k_j) e^{G_i−G_j} for strict ancestors j of i, then
    o_i = e^{G_i} S₀ᵀq_i + Σ e^{G_i−G_j}(q_i·k_j) u_j over the ancestors and i itself; G_i sums g along the path to i.
    Source: design section 5. Returns outputs (batch, value heads, node, value dim) and the pending tree.
    """
    if len(topology) != inputs.tokens:
        raise SDVARError(f"A tree of {len(topology)} nodes needs as many tokens, found {inputs.tokens}.")
    with _no_autocast(inputs.keys):
        ready, state = _prepared(inputs, state)
        seen = torch.from_numpy(topology.mask).to(state.device)
        sums = ready.log_decay @ seen.mT.to(state.dtype)  # (batch, heads, node)
        weights = _decay_between(sums, seen)
        strength, growth = ready.strength[..., None], sums.exp()[..., None]
        system = strength * (ready.keys @ ready.keys.mT) * weights
        updates = _solve(system, strength * (ready.values - growth * (ready.keys @ state)))
        outputs = growth * (ready.queries @ state) + ((ready.queries @ ready.keys.mT) * weights) @ updates
        return outputs.to(inputs.values.dtype), PendingDelta(topology, state, ready.keys, updates, sums)


def _decay_between(sums: Tensor, seen: Tensor) -> Tensor:
    """e^{G_i−G_j} where i sees j, else 0. Masked before exp: between siblings the difference can be positive."""
    return (sums[..., :, None] - sums[..., None, :]).masked_fill(~seen, -torch.inf).exp()


def _solve(system: Tensor, sides: Tensor) -> Tensor:
    """X of (I + A) X = sides, A the part of ``system`` below its diagonal."""
    return torch.linalg.solve_triangular(system, sides, upper=False, unitriangular=True)


def _in_chunks(inputs: DeltaInputs, size: int) -> DeltaInputs:
    """The token axis as (chunk, token), filled up with tokens that neither decay nor write."""
    missing = -inputs.tokens % size
    parts = []
    for field in fields(inputs):
        part = getattr(inputs, field.name)
        part = F.pad(part, (0, missing) if part.ndim == 3 else (0, 0, 0, missing))
        parts.append(part.unflatten(2, (-1, size)))
    return DeltaInputs(*parts)


def _prepared(inputs: DeltaInputs, state: Tensor | None) -> tuple[DeltaInputs, Tensor]:
    if inputs.tokens < 1:
        raise SDVARError("The delta rule needs at least one token, found none.")
    return inputs.prepared(), inputs.empty_state() if state is None else state.to(inputs.precision)


def _no_autocast(tensor: Tensor) -> torch.autocast:
    return torch.autocast(tensor.device.type, enabled=False)
