"""Draft trees: the best of them, the two expansions against whole trees, the flat form both ways, and controllers."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import sdvar_core as sd
from sdvar_core.errors import SDVARError
from sdvar_core.randomness import TextLuck
from sdvar_core.speculative.tree import FlatTree, Guess
from sdvar_core.speculative.tree_growth import Growth, grow_likeliest, grow_sampled, planned
from sdvar_core.speculative.tree_shape import tree_shape_named
from sdvar_core.text_events import TreeCommit
from sdvar_core.text_request import slots
from tests.fakes import FakeTextModel

VOCABULARY = 6


class FakeAsk:
    """The draft as the growth sees it; counts how often it is asked."""

    def __init__(self, salt: int = 3) -> None:
        self.model, self.calls = FakeTextModel(VOCABULARY, salt, sharpness=1.5), 0

    def after(self, text: tuple[int, ...]) -> torch.Tensor:
        return self.model.logits(text).softmax(-1)

    def __call__(self, tree: sd.DraftTree, nodes) -> torch.Tensor:
        self.calls += 1
        return torch.stack(
            [self.after(tuple(tree.tokens[entry] for entry in tree.topology.path(node))) for node in nodes]
        )


def growth(topk: int, steps: int, expansion: str, nodes: int = 512, shape: str = "fixed") -> Growth:
    children = tree_shape_named(shape).children
    return Growth(topk, steps, expansion, nodes, lambda q, score: children(topk, q, score))


def paths(tree: sd.DraftTree) -> dict[tuple[int, ...], float]:
    """Every guess by its tokens, with its score."""
    return {
        tuple(tree.tokens[entry] for entry in tree.topology.path(node)[1:]): tree.scores[node]
        for node in range(1, len(tree))
    }


def all_guesses(ask: FakeAsk, topk: int, steps: int) -> dict[tuple[int, ...], float]:
    """The whole tree of the topk likeliest tokens, obviously."""
    found, level = {}, {(): 0.0}
    for _ in range(steps):
        following = {}
        for path, score in level.items():
            q = ask.after((0, *path))
            for token in q.topk(topk).indices.tolist():
                following[(*path, token)] = score + float(q[token].log())
        found |= following
        level = following
    return found


@given(st.integers(1, 4), st.integers(1, 3), st.integers(1, 40), st.integers(0, 50))
@settings(max_examples=40, deadline=None)
def test_full_is_the_whole_tree_reranked_to_the_best(topk, steps, nodes, salt):
    ask = FakeAsk(salt)
    found = paths(grow_likeliest(0, ask, growth(topk, steps, "full", nodes)))
    everything = all_guesses(ask, topk, steps)
    assert len(everything) == slots(topk, steps, "full")
    best = sorted(everything, key=lambda path: -everything[path])[:nodes]
    assert set(found) == set(best)
    assert all(found[path] == pytest.approx(everything[path]) for path in found)
    assert ask.calls <= steps


@given(st.integers(1, 4), st.integers(1, 5), st.integers(0, 50))
@settings(max_examples=40, deadline=None)
def test_linear_keeps_the_best_topk_of_every_level(topk, steps, salt):
    ask = FakeAsk(salt)
    found = paths(grow_likeliest(0, ask, growth(topk, steps, "linear")))
    level = {(): 0.0}
    expected = {}
    for _ in range(steps):
        following = {}
        for path, score in level.items():
            q = ask.after((0, *path))
            following |= {(*path, token): score + float(q[token].log()) for token in q.topk(topk).indices.tolist()}
        level = dict(sorted(following.items(), key=lambda entry: -entry[1])[:topk])
        expected |= level
    assert set(found) == set(expected)
    assert len(found) == slots(topk, steps, "linear") == topk * steps


def test_keeping_the_best_early_loses_nothing_of_linear_either():
    for salt, nodes in itertools.product(range(20), (1, 3, 5)):
        ask = FakeAsk(salt)
        whole = paths(grow_likeliest(0, ask, growth(3, 3, "linear")))
        some = paths(grow_likeliest(0, ask, growth(3, 3, "linear", nodes)))
        assert set(some) == set(sorted(whole, key=lambda path: -whole[path])[:nodes])


@given(
    st.sampled_from(["linear", "full"]), st.integers(1, 4), st.integers(1, 3), st.integers(1, 40), st.integers(0, 99)
)
@settings(max_examples=40, deadline=None)
def test_a_sampled_tree_has_its_planned_shape_and_different_siblings(expansion, topk, steps, nodes, seed):
    plan = planned(topk, steps, expansion, nodes)
    tree = grow_sampled(0, FakeAsk(), growth(topk, steps, expansion, nodes), TextLuck(seed), 5)
    assert tree.parents == plan.parents
    assert len(tree) - 1 == min(nodes, slots(topk, steps, expansion))
    for node, children in enumerate(tree.topology.children):
        assert len({tree.tokens[child] for child in children}) == len(children)
        assert (node in tree.distributions) == bool(children)
        for child in children:
            assert tree.probabilities[child] == pytest.approx(float(tree.distributions[node][tree.tokens[child]]))


def test_a_draft_without_choice_offers_one_child():
    def sure(tree, nodes):
        return torch.eye(VOCABULARY, dtype=torch.float64)[2].expand(len(nodes), -1)

    drawn = grow_sampled(0, sure, growth(3, 3, "full"), TextLuck(0), 5)
    assert (drawn.tokens, drawn.parents) == ((0, 2, 2, 2), (-1, 0, 1, 2))
    likeliest = grow_likeliest(0, sure, growth(3, 3, "full"))
    assert (likeliest.tokens, likeliest.parents) == (drawn.tokens, drawn.parents)


@given(st.sampled_from(["linear", "full"]), st.integers(1, 4), st.integers(0, 3), st.integers(1, 40), st.integers(0, 9))
@settings(max_examples=60, deadline=None)
def test_the_flat_form_goes_both_ways(expansion, topk, steps, nodes, salt):
    tree = grow_likeliest(0, FakeAsk(salt), growth(topk, steps, expansion, nodes))
    flat = sd.flat_tree(tree.topology, topk)
    assert flat.parents == tree.parents
    assert flat.parent_list[0] == -1
    assert (np.diff(flat.top_scores_index) > 0).all()
    again = sd.flat_tree(sd.Topology(flat.parents), topk)
    assert np.array_equal(again.parent_list, flat.parent_list)
    assert np.array_equal(again.top_scores_index, flat.top_scores_index)


def test_the_flat_form_as_sglang_counts_it():
    """topk 2: candidates 0, 1 after the root; rows of 2 after candidates 0 and 1 are 2, 3 and 4, 5; then after 4."""
    flat = FlatTree(np.array([-1, 0, 1, 4]), np.array([0, 1, 3, 4, 6]), topk=2)
    assert flat.parents == (-1, 0, 0, 1, 2, 4)
    with pytest.raises(SDVARError, match="Candidate 6 hangs on"):
        FlatTree(np.array([-1, 0, 1, 4]), np.array([0, 1, 6]), topk=2).parents  # noqa: B018
    with pytest.raises(SDVARError, match="more than topk 2"):
        sd.flat_tree(sd.Topology((-1, 0, 0, 0)), 2)


def test_the_best_nodes_are_a_tree():
    tree = sd.DraftTree.of_root(9).with_guesses([Guess(0, 1, 0.5, -0.7), Guess(0, 2, 0.5, -0.7)])
    tree = tree.with_guesses([Guess(2, 3, 1.0, -0.7), Guess(1, 4, 0.1, -3.0)])
    assert (tree.tokens, tree.parents) == ((9, 1, 2, 4, 3), (-1, 0, 0, 1, 2))
    kept = tree.best(3)  # equals: the earlier node, so that no parent is lost
    assert (kept.tokens, kept.parents) == ((9, 1, 2, 3), (-1, 0, 0, 2))


def commits(*accepted: int) -> list[TreeCommit]:
    none = np.zeros(0, dtype=np.int32)
    return [TreeCommit(1, np.arange(count), none, 4, 8, 9, (1, 2), 3, 0.0) for count in accepted]


def test_steps_follow_recent_acceptance():
    levels = tree_shape_named("recent").levels
    assert levels(3, []) == 3
    assert levels(3, commits(0, 0)) == 1
    assert levels(3, commits(2, 2)) == 3
    assert levels(3, commits(0, 0, 0, 9, 9, 9, 9)) == 6
    assert levels(0, commits(5)) == 0
    assert tree_shape_named("confident").levels(3, commits(0)) == 3


def test_children_follow_confidence():
    children = tree_shape_named("confident").children
    sure = torch.tensor([0.97, 0.01, 0.01, 0.01], dtype=torch.float64)
    even = torch.full((4,), 0.25, dtype=torch.float64)
    assert children(4, sure, 0.0) == 1
    assert children(4, even, 0.0) == 4
    assert children(2, even, 0.0) == 2
    assert children(4, even, math.log(0.01)) == 0
    assert tree_shape_named("recent").children(4, sure, -9.0) == 4


@pytest.mark.parametrize(
    ("settings_", "sentence"),
    [
        ({"prompt": 3}, "prompt must be text or bytes, found int"),
        ({"prompt": "x" * 70_000}, "at most 65536 bytes"),
        ({"length": 0}, "length must be a whole number from 1"),
        ({"topk": 0}, "topk must be a whole number from 1"),
        ({"steps": -1}, "steps must be a whole number from 0"),
        ({"steps": 65}, "steps must be"),
        ({"nodes": 0}, "nodes must be"),
        ({"nodes": 1000}, "nodes must be"),
        ({"temperature": -0.1}, "temperature must be a number from 0"),
        ({"temperature": 0.001}, "temperature must be 0 or from 0.01"),
        ({"temperature": float("nan")}, "temperature must be"),
        ({"temperature": "hot"}, "temperature must be"),
        ({"seed": -1}, "seed must be"),
        ({"seed": True}, "seed must be"),
        ({"expansion": "wide"}, "expansion must be one of linear, full"),
        ({"expansion": None}, "expansion must be one of linear, full"),
        ({"verification": "none"}, "verification must be one of tree, nodes"),
        ({"children": 4}, "children must be a name"),
        ({"shape": None}, "shape must be a name"),
        ({"topk": 4, "steps": 5}, "make a tree of 1364 nodes, more than 512: keep the best by setting nodes"),
        ({"topk": 64, "steps": 64}, "make a tree of over a million nodes"),
    ],
)
def test_a_request_checks_itself(settings_, sentence):
    with pytest.raises(sd.RequestError, match=sentence) as caught:
        sd.TextRequest(**settings_)
    assert len(str(caught.value)) < 300


def test_requests_that_are_fine():
    assert sd.TextRequest(topk=4, steps=5, nodes=64).slots == 1364
    assert sd.TextRequest(topk=64, steps=64, nodes=64).slots > 10**100
    assert sd.TextRequest(length=3.0, temperature=1).temperature == 1.0
    assert sd.TextRequest("é\ud800").prompt_bytes == b"\xc3\xa9?"
    assert sd.TextRequest("").prompt_bytes == sd.TextRequest(b"").prompt_bytes == b"\0"
    assert sd.TextRequest() == sd.TextRequest("def main(", 200, 4, 2, "full", None, 0.0, 0)
