"""Slow and obvious versions of the delta rule and of the short convolution, and random cases for both."""

import torch

from sdvar_core.nn.delta_rule import DeltaInputs
from sdvar_core.topology import Topology


def delta_step(state, query, key, value, log_decay, strength):
    """One head, one token, as written in the paper: S ← α (I − β k kᵀ) S + β k vᵀ, o = Sᵀ q."""
    identity = torch.eye(len(key), dtype=key.dtype)
    state = log_decay.exp() * (identity - strength * torch.outer(key, key)) @ state
    state = state + strength * torch.outer(key, value)
    return state.T @ query, state


def delta_rule(inputs: DeltaInputs, parents, state=None):
    """Outputs (batch, heads, node, value dim) and the state after every node, (batch, heads, node, key dim, value dim).

    Each node starts from the state of its own parent; −1 is ``state``. A chain has the parents −1, 0, 1, …
    """
    inputs = inputs.prepared()
    start = inputs.empty_state() if state is None else state.to(inputs.precision)
    batch, heads = inputs.keys.shape[:2]
    outputs = torch.zeros_like(inputs.values)
    states = torch.zeros(*start.shape[:2], len(parents), *start.shape[2:], dtype=start.dtype)
    for image in range(batch):
        for head in range(heads):
            for node, parent in enumerate(parents):
                before = start[image, head] if parent < 0 else states[image, head, parent]
                outputs[image, head, node], states[image, head, node] = delta_step(
                    before,
                    inputs.queries[image, head, node],
                    inputs.keys[image, head, node],
                    inputs.values[image, head, node],
                    inputs.log_decay[image, head, node],
                    inputs.strength[image, head, node],
                )
    return outputs, states


def convolution(weight, inputs, cache, parents):
    """Outputs (batch, node, channels): each node sums over the inputs on its own path, the newest by the last weight.

    weight: (channels, 1, width); inputs: (batch, node, channels); cache: (batch, width − 1, channels).
    """
    width = weight.shape[-1]
    outputs = torch.zeros_like(inputs)
    for node in range(len(parents)):
        line, place = [], node
        while place >= 0:
            line.insert(0, inputs[:, place])
            place = parents[place]
        line = [*cache.unbind(1), *line][-width:]
        outputs[:, node] = sum(row * weight[:, 0, lag] for lag, row in enumerate(line))
    return outputs


def random_tree(nodes: int, generator: torch.Generator) -> Topology:
    """A tree, or several on the committed text, whose parents are drawn uniformly from what comes before."""
    return Topology(tuple(int(torch.randint(-1, node, (), generator=generator)) for node in range(nodes)))


def random_inputs(batch, heads, tokens, key_dim, value_dim, generator, dtype=torch.float64) -> DeltaInputs:
    """Inputs as a layer makes them: unit keys, scaled unit queries, decays and strengths over their whole ranges."""

    def normal(*shape):
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    queries, keys = (torch.nn.functional.normalize(normal(batch, heads, tokens, key_dim), dim=-1) for _ in range(2))
    return DeltaInputs(
        (queries * key_dim**-0.5).to(dtype),
        keys.to(dtype),
        normal(batch, heads, tokens, value_dim).to(dtype),
        (-torch.nn.functional.softplus(2 * normal(batch, heads, tokens) - 1)).to(dtype),
        torch.sigmoid(2 * normal(batch, heads, tokens)).to(dtype),
    )


def random_state(inputs: DeltaInputs, generator: torch.Generator) -> torch.Tensor:
    shape = inputs.empty_state().shape
    return torch.randn(shape, generator=generator, dtype=torch.float64).to(inputs.precision)
