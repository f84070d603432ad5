"""The language model: every way to read a text or a tree gives the same logits and states; topology is kept."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sdvar_core.cache import LayerState, RecurrentState
from sdvar_core.errors import ConfigurationError, SDVARError
from sdvar_core.models.deltanet import DeltaNet, DeltaNetConfig, form_for, initialise
from sdvar_core.topology import Topology
from tests.reference_delta import random_tree

CONFIG = DeltaNetConfig(depth=2, width=16, key_heads=2, value_heads=4, key_dim=4, value_dim=6, vocabulary=11)
BOUNDS = {torch.float64: 1e-10, torch.float32: 1e-4}
BFLOAT16_BOUND = 0.05  # of the largest logit: the stated bound for a whole model in bfloat16


def new_model(seed: int = 0, dtype: torch.dtype = torch.float64, **changes) -> DeltaNet:
    """A random model that prefers something."""
    config = DeltaNetConfig(**(vars(CONFIG) | changes))
    model = initialise(DeltaNet(config), torch.Generator().manual_seed(seed))
    with torch.no_grad():
        model.head.weight.mul_(20)
    return model.to(dtype).eval().requires_grad_(False)


def new_tokens(count: int, seed: int = 0, batch: int = 1, vocabulary: int = CONFIG.vocabulary) -> torch.Tensor:
    return torch.randint(vocabulary, (batch, count), generator=torch.Generator().manual_seed(seed))


def largest_difference(one: RecurrentState, two: RecurrentState) -> float:
    assert one.tokens == two.tokens
    pairs = [(getattr(a, name), getattr(b, name)) for a, b in zip(one.layers, two.layers) for name in vars(a)]
    assert all(a.shape == b.shape and a.dtype == b.dtype for a, b in pairs)
    return max(float((a - b).abs().max()) for a, b in pairs)


def one_by_one(model: DeltaNet, tokens: torch.Tensor, state: RecurrentState | None):
    rows = []
    for token in tokens.split(1, dim=1):
        logits, state = model(token, state)
        rows.append(logits)
    return torch.cat(rows, dim=1), state


def test_layer_chunk_and_layer_recurrent_have_the_shapes_of_the_issue():
    model, tokens = new_model(), new_tokens(70, batch=3)
    for form in ("chunk", "recurrent"):
        logits, state = model(tokens, form=form)
        assert logits.shape == (3, 70, 11)
        assert state.tokens == 70
        for layer in state.layers:
            assert layer.delta.shape == (3, 4, 4, 6)  # (batch, value heads, key dim, value dim)
            assert layer.queries.shape == layer.keys.shape == (3, 3, 8)
            assert layer.values.shape == (3, 3, 24)


@pytest.mark.parametrize("dtype", list(BOUNDS))
@given(st.integers(1, 90), st.integers(0, 20), st.integers(1, 2), st.integers(0, 2**32))
@settings(max_examples=10, deadline=None)
def test_all_forms_read_a_text_alike(dtype, count, before, batch, seed):
    """And like the truth, which is float64 token by token: where a norm divides by next to nothing, two roundings of
    one number part by more than either errs."""
    tokens, started = new_tokens(count, seed, batch), new_tokens(before, seed + 1, batch)
    (_, exact_start), (_, start) = (
        new_model(seed, kind)(started) if before else (None, None) for kind in (torch.float64, dtype)
    )
    model, (expected, exact) = new_model(seed, dtype), one_by_one(new_model(seed), tokens, exact_start)
    layers = (LayerState(**{name: rows.to(dtype) for name, rows in vars(layer).items()}) for layer in exact.layers)
    after = RecurrentState(tuple(layers), exact.tokens)
    for form in ("recurrent", "chunk", None):
        logits, state = model(tokens, start, form)
        assert (logits - expected).abs().max() < BOUNDS[dtype]
        assert largest_difference(state, after) < BOUNDS[dtype]
    logits, pending = model.tree(tokens, range(-1, count - 1), start)
    assert (logits - expected).abs().max() < BOUNDS[dtype]
    assert largest_difference(pending.state_at(count - 1), after) < BOUNDS[dtype]


@pytest.mark.parametrize("dtype", list(BOUNDS))
@given(st.integers(1, 128), st.integers(0, 12), st.integers(0, 2**32))
@settings(max_examples=8, deadline=None)
def test_a_tree_is_read_like_each_of_its_paths(dtype, nodes, before, seed):
    model = new_model(seed, dtype)
    _, start = model(new_tokens(before, seed + 1)) if before else (None, None)
    topology = random_tree(nodes, torch.Generator().manual_seed(seed))
    tokens = new_tokens(nodes, seed)
    logits, pending = model.tree(tokens, topology, start)
    for node in {0, nodes // 2, nodes - 1}:
        path = list(topology.path(node))
        alone, after = model(tokens[:, path], start, form="recurrent")
        assert (logits[:, path] - alone).abs().max() < BOUNDS[dtype]
        assert largest_difference(pending.state_at(node), after) < BOUNDS[dtype]
    slow, states = model.tree(tokens, topology, start, form="nodes")
    assert (logits - slow).abs().max() < BOUNDS[dtype]
    for node in range(-1, nodes):
        assert largest_difference(pending.state_at(node), states.state_at(node)) < BOUNDS[dtype]
    squares = [norms.norms().square() for norms in (pending, states)]
    assert squares[0].shape == (nodes, 2)
    assert ((squares[0] - squares[1]).abs() < BOUNDS[dtype] * (1.0 + squares[1])).all()


@pytest.mark.parametrize("seed", range(4))
def test_a_bfloat16_model_stays_within_its_bound(seed):
    """After a few tokens: before them outputs can be nearly 0, and the norm blows up what is lost in rounding."""
    exact, model = new_model(seed, torch.float32), new_model(seed, torch.bfloat16)
    exact.load_state_dict({name: value.float() for name, value in model.state_dict().items()})
    assert all(parameter.dtype == torch.bfloat16 for parameter in model.parameters())
    (_, start), (_, exact_start) = (each(new_tokens(12, seed + 9)) for each in (model, exact))
    tokens, topology = new_tokens(60, seed), random_tree(60, torch.Generator().manual_seed(seed))
    chain, tree = exact(tokens, exact_start)[0], exact.tree(tokens, topology, exact_start)[0]
    logits, state = model(tokens, start)
    assert logits.dtype == state.layers[0].delta.dtype == torch.float32
    assert state.layers[0].keys.dtype == torch.bfloat16
    for found, wanted in (
        (logits, chain),
        (model(tokens, start, form="recurrent")[0], chain),
        (one_by_one(model, tokens, start)[0], chain),
        (model.tree(tokens, topology, start)[0], tree),
    ):
        assert (found - wanted).abs().max() < BFLOAT16_BOUND * wanted.abs().max()
        assert (found - wanted).abs().mean() < 0.01 * wanted.std()


def permuted(topology: Topology, order: list[int]) -> Topology:
    """The same tree with its nodes renumbered: new node i is old node order[i]."""
    place = {old: new for new, old in enumerate(order)} | {-1: -1}
    return Topology(tuple(place[topology.parents[old]] for old in order))


def another_order(topology: Topology, rng: np.random.Generator) -> list[int]:
    """A random topological order: siblings change places, and branches mix."""
    order, ready = [], [node for node, parent in enumerate(topology.parents) if parent < 0]
    while ready:
        node = ready.pop(int(rng.integers(len(ready))))
        order.append(node)
        ready += topology.children[node]
    return order


@given(st.integers(2, 40), st.integers(0, 2**32))
@settings(max_examples=15, deadline=None)
def test_permuting_siblings_permutes_the_outputs(nodes, seed):
    model, tokens = new_model(), new_tokens(nodes, seed)
    topology = random_tree(nodes, torch.Generator().manual_seed(seed))
    order = another_order(topology, np.random.default_rng(seed))
    logits, _ = model.tree(tokens, topology)
    shuffled, _ = model.tree(tokens[:, order], permuted(topology, order))
    assert (logits[:, order] - shuffled).abs().max() < 1e-10


@given(st.integers(2, 30), st.data(), st.integers(0, 2**32))
@settings(max_examples=15, deadline=None)
def test_changing_a_token_changes_its_descendants_and_nothing_else(nodes, data, seed):
    model, tokens = new_model(), new_tokens(nodes, seed)
    topology = random_tree(nodes, torch.Generator().manual_seed(seed))
    changed = data.draw(st.integers(0, nodes - 1))
    other = tokens.clone()
    other[0, changed] = (tokens[0, changed] + 1) % CONFIG.vocabulary
    difference = (model.tree(tokens, topology)[0] - model.tree(other, topology)[0])[0].abs().amax(dim=-1).numpy()
    below = topology.mask[:, changed]
    assert difference[~below].max(initial=0.0) < 1e-12
    assert difference[below].min() > 1e-9


def test_reading_leaves_the_state_alone():
    model = new_model()
    _, state = model(new_tokens(9))
    copies = [{name: value.clone() for name, value in vars(layer).items()} for layer in state.layers]
    model(new_tokens(1), state)
    model(new_tokens(30), state)
    _, pending = model.tree(new_tokens(5), (-1, 0, 0, 1, -1), state)
    pending.state_at(3)
    for layer, copy in zip(state.layers, copies):
        assert all(torch.equal(value, copy[name]) for name, value in vars(layer).items())
    assert pending.state_at(-1).tokens == 9
    assert pending.state_at(3).tokens == 12


def test_a_state_has_one_size_whatever_was_read():
    model = new_model()
    sizes = {model(new_tokens(count))[1].nbytes for count in (1, 20, 90)} | {model.new_state(1).nbytes}
    for nodes in (8, 20, 64, 128):
        topology = random_tree(nodes, torch.Generator().manual_seed(nodes))
        _, pending = model.tree(new_tokens(nodes), topology)
        sizes.add(pending.state_at(nodes - 1).nbytes)
        states = [layer.delta.state for layer in pending.layers]
        assert len(states) == CONFIG.depth
        assert all(state.shape == (1, 4, 4, 6) for state in states)
    assert len(sizes) == 1


def test_the_form_is_chosen_by_length():
    assert [form_for(count) for count in (1, 2, 15, 16, 500)] == ["decode", "recurrent", "recurrent", "chunk", "chunk"]


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda model: model(new_tokens(3), form="fast"), "Unknown form 'fast'"),
        (lambda model: model.tree(new_tokens(3), (-1, 0, 1), form="fast"), "Unknown form 'fast'"),
        (lambda model: model.tree(new_tokens(3), (-1, 0)), "A tree of 2 nodes"),
        (lambda model: model.tree(new_tokens(2), (1, -1)), "sort the tree"),
        (lambda model: model(new_tokens(0)), "at least one token"),
    ],
)
def test_what_a_model_cannot_read(call, sentence):
    with pytest.raises(SDVARError, match=sentence):
        call(new_model())


@pytest.mark.parametrize(
    "changes",
    [{"depth": 0}, {"width": 1.5}, {"value_heads": 3}, {"mlp_ratio": 0.0}, {"norm_eps": -1.0}, {"vocabulary": True}],
)
def test_a_configuration_checks_itself(changes):
    with pytest.raises(ConfigurationError):
        DeltaNetConfig(**(vars(CONFIG) | changes))


def test_it_can_be_trained():
    """The chunk form gives gradients to every parameter, finite ones."""
    model = new_model(dtype=torch.float32).requires_grad_(True)
    logits, _ = model(new_tokens(40, batch=2))
    logits.logsumexp(-1).sum().backward()
    for name, parameter in model.named_parameters():
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().max() > 0, name
