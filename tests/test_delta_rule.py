"""All forms of the gated delta rule agree with the paper's formula, in value and gradient; so does the convolution."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from sdvar_core.errors import SDVARError
from sdvar_core.nn import delta_rule
from sdvar_core.nn.delta_rule import DeltaInputs
from sdvar_core.nn.short_convolution import ShortConvolution, cache_at
from sdvar_core.topology import Topology
from tests.reference_delta import convolution, random_inputs, random_state, random_tree
from tests.reference_delta import delta_rule as reference

SHAPES = st.tuples(st.integers(1, 2), st.integers(1, 3), st.integers(1, 70), st.integers(1, 9), st.integers(1, 9))
BOUNDS = {torch.float64: 1e-10, torch.float32: 1e-4}


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def run(form: str, inputs: DeltaInputs, state, size: int = 16):
    if form == "chunk":
        return delta_rule.chunk(inputs, state, size)
    if form == "decode":  # token after token
        outputs = []
        for token in range(inputs.tokens):
            output, state = delta_rule.decode(sliced(inputs, token), state)
            outputs.append(output)
        return torch.cat(outputs, dim=2), state
    if form == "tree":
        outputs, pending = delta_rule.tree(inputs, Topology.chain(inputs.tokens), state)
        return outputs, pending.state_at(inputs.tokens - 1)
    return delta_rule.recurrent(inputs, state)


def sliced(inputs: DeltaInputs, token: int) -> DeltaInputs:
    return DeltaInputs(*(part[:, :, token : token + 1] for part in vars(inputs).values()))


@pytest.mark.parametrize("form", ["recurrent", "decode", "chunk", "tree"])
@given(shape=SHAPES, dtype=st.sampled_from(list(BOUNDS)), seed=st.integers(0, 2**32), with_state=st.booleans())
@settings(max_examples=12, deadline=None)
def test_every_form_is_the_paper_s_formula(form, shape, dtype, seed, with_state):
    generator = seeded(seed)
    inputs = random_inputs(*shape, generator, dtype)
    state = random_state(inputs, generator) if with_state else None
    before = None if state is None else state.clone()
    outputs, after = run(form, inputs, state)
    expected, states = reference(inputs, range(-1, inputs.tokens - 1), state)
    batch, heads, _, key_dim, value_dim = shape
    assert after.shape == (batch, heads, key_dim, value_dim)
    assert outputs.dtype == after.dtype == dtype
    assert (outputs - expected).abs().max() < BOUNDS[dtype]
    assert (after - states[:, :, -1]).abs().max() < BOUNDS[dtype]
    assert state is None or torch.equal(state, before)  # never written to


@given(st.integers(1, 128), st.sampled_from(list(BOUNDS)), st.integers(0, 2**32), st.booleans())
@settings(max_examples=25, deadline=None)
def test_a_tree_is_its_nodes_one_by_one(nodes, dtype, seed, with_state):
    generator = seeded(seed)
    topology = random_tree(nodes, generator)
    inputs = random_inputs(1, 2, nodes, 6, 5, generator, dtype)
    state = random_state(inputs, generator) if with_state else None
    outputs, pending = delta_rule.tree(inputs, topology, state)
    expected, states = reference(inputs, topology.parents, state)
    assert (outputs - expected).abs().max() < BOUNDS[dtype]
    for node in range(nodes):
        assert (pending.state_at(node) - states[:, :, node]).abs().max() < BOUNDS[dtype]
    squares = states[:, :, : inputs.tokens].square().sum(dim=(-2, -1))
    assert ((pending.norms().square() - squares).abs() < BOUNDS[dtype] * (1.0 + squares)).all()
    assert torch.equal(pending.state_at(-1), inputs.empty_state() if state is None else state)


def test_a_chain_s_states_are_wrong_for_a_tree():
    generator = seeded(0)
    topology = Topology((-1, 0, 0, 1, 2))
    inputs = random_inputs(1, 1, 5, 4, 4, generator)
    wrong, _ = delta_rule.recurrent(inputs)
    right, _ = reference(inputs, topology.parents)
    assert (wrong - right)[:, :, :2].abs().max() < 1e-12
    assert (wrong - right)[:, :, 2:].abs().amax(dim=(0, 1, 3)).min() > 1e-3


def test_strong_decay_overflows_nowhere():
    """Between siblings G_i − G_j is large and positive: exp of it would be infinite, and 0 · inf not a number."""
    generator = seeded(0)
    inputs = random_inputs(1, 1, 9, 4, 4, generator, torch.float32)
    inputs = DeltaInputs(inputs.queries, inputs.keys, inputs.values, inputs.log_decay * 0 - 200.0, inputs.strength)
    topology = Topology((-1, 0, 1, 2, 3, 0, -1, 6, 7))
    outputs, _ = delta_rule.tree(inputs, topology)
    assert torch.isfinite(outputs).all()
    assert (outputs - reference(inputs, topology.parents)[0]).abs().max() < 1e-4
    chunked, _ = delta_rule.chunk(inputs, size=4)
    assert (chunked - reference(inputs, range(-1, 8))[0]).abs().max() < 1e-4


def leaves(seed: int, tokens: int):
    generator = seeded(seed)
    inputs = random_inputs(2, 2, tokens, 5, 4, generator)
    parts = [part.clone().requires_grad_() for part in (*vars(inputs).values(), random_state(inputs, generator))]
    return parts, generator


@pytest.mark.parametrize("tokens", [1, 7, 16, 33])
@pytest.mark.parametrize("form", ["chunk", "tree"])
def test_gradients_agree_with_those_through_the_recurrence(form, tokens):
    gradients = []
    for name in (form, "recurrent"):
        parts, generator = leaves(tokens, tokens)
        outputs, state = run(name, DeltaInputs(*parts[:-1]), parts[-1], size=8)
        weights = [torch.randn(entry.shape, generator=generator, dtype=torch.float64) for entry in (outputs, state)]
        ((outputs * weights[0]).sum() + (state * weights[1]).sum()).backward()
        gradients.append([part.grad for part in parts])
    for one, two in zip(*gradients):
        assert two.abs().max() > 1e-4
        assert (one - two).abs().max() < 1e-10


def test_half_precision_and_autocast_leave_the_rule_in_float32():
    generator = seeded(1)
    inputs = random_inputs(1, 2, 40, 8, 8, generator, torch.bfloat16)
    exact, state = delta_rule.recurrent(DeltaInputs(*(part.float() for part in vars(inputs).values())))
    for form in ("recurrent", "decode", "chunk", "tree"):
        with torch.autocast("cpu", torch.bfloat16):
            outputs, after = run(form, inputs, None)
        assert (outputs.dtype, after.dtype) == (torch.bfloat16, torch.float32)
        assert (after - state).abs().max() < 1e-4
        assert (outputs.float() - exact).abs().max() <= 2**-8 * exact.abs().max()  # one rounding to bfloat16


class CountingStates(TorchDispatchMode):
    """Counts fresh tensors that hold whole states, by the two last sides that only states have."""

    def __init__(self, sides: tuple[int, int]) -> None:
        super().__init__()
        self.sides, self.made = sides, set()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        if isinstance(result, torch.Tensor) and result.shape[-2:] == self.sides:
            self.made.add(result.untyped_storage().data_ptr())
            assert result.numel() == self.sides[0] * self.sides[1], "more than one state at once"
        return result


@pytest.mark.parametrize("nodes", [8, 20, 64, 128])
def test_one_state_whatever_the_tree(nodes):
    generator = seeded(nodes)
    inputs, topology = random_inputs(1, 1, nodes, 7, 11, generator), random_tree(nodes, generator)
    state = random_state(inputs, generator)
    with CountingStates((7, 11)) as counting:
        _, pending = delta_rule.tree(inputs, topology, state)
    assert not counting.made - {state.untyped_storage().data_ptr()}
    with CountingStates((7, 11)) as counting:
        after = pending.state_at(nodes - 1)
    assert after.untyped_storage().data_ptr() in counting.made
    assert len(counting.made) <= 3  # the decayed state, the sum of products, and what they add up to


@pytest.mark.parametrize("nodes", [1, 12, 60])
@pytest.mark.parametrize("width", [1, 2, 4])
def test_the_convolution_reads_each_node_s_own_past(nodes, width):
    generator = seeded(nodes)
    layer = ShortConvolution(3, width).double()
    layer.weight.data.normal_(generator=generator)
    inputs = torch.randn(2, nodes, 3, generator=generator, dtype=torch.float64)
    cache = torch.randn(2, width - 1, 3, generator=generator, dtype=torch.float64)
    topology = random_tree(nodes, generator)
    outputs, rows = layer.tree(inputs, cache, topology)
    assert (outputs - convolution(layer.weight, inputs, cache, topology.parents)).abs().max() < 1e-12
    for node in range(-1, nodes):
        path = list(topology.path(node))
        chained, after = layer(inputs[:, path], cache)
        assert torch.equal(after, cache_at(rows, topology, node, width))
        if path:
            assert torch.equal(chained, outputs[:, path])


def test_what_the_rule_cannot_read():
    inputs = random_inputs(1, 1, 3, 2, 2, seeded(0))
    with pytest.raises(SDVARError, match="decodes one token, found 3"):
        delta_rule.decode(inputs)
    with pytest.raises(SDVARError, match="A tree of 2 nodes needs as many tokens, found 3"):
        delta_rule.tree(inputs, Topology((-1, 0)))
    empty = DeltaInputs(*(part[:, :, :0] for part in vars(inputs).values()))
    for form in (delta_rule.recurrent, delta_rule.chunk):
        with pytest.raises(SDVARError, match="at least one token"):
            form(empty)
