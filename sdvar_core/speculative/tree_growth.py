"""How a draft tree grows, level by level; the draft is asked once a level.

With the draft's likeliest tokens as children, the best N nodes of the whole tree are kept (EAGLE-2's reranking): given
the text so far they are no chance at all, so that any choice is exact. With sampled children a choice by their scores
would favour tokens that the draft likes and bias the text; there the shape of the tree is laid down before any token is
drawn, by how far the walk is expected to come (Chen et al. 2024, Sequoia).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from torch import Tensor

from sdvar_core.randomness import Stream, TextLuck
from sdvar_core.speculative.tree import DraftTree, Guess
from sdvar_core.speculative.tree_judging import without

Ask = Callable[[DraftTree, Sequence[int]], Tensor]
"""Takes a tree and some of its nodes, returns the draft's distributions after them, float64 (node, vocabulary)."""

EXPECTED_ACCEPTANCE = 0.8  # of a sampled child, in the plan of a tree


@dataclass(frozen=True)
class Growth:
    """What a tree may become. children(q, score): how many children a node may get, at most ``topk``."""

    topk: int
    steps: int
    expansion: str
    nodes: int  # guesses that are kept
    children: Callable[[Tensor, float], int]


def grow_likeliest(root: int, ask: Ask, growth: Growth) -> DraftTree:
    """A tree of the draft's likeliest tokens: ``linear`` keeps topk nodes a level, ``full`` all; then the best N."""
    tree = DraftTree.of_root(root)
    for depth in range(growth.steps):
        frontier = tree.level(depth)
        if not frontier:
            break
        guesses = []
        for parent, q in zip(frontier, ask(tree, frontier), strict=True):
            wanted = min(growth.children(q, tree.scores[parent]), len(q))
            chances, tokens = q.sort(descending=True, stable=True)
            for chance, token in zip(chances[:wanted].tolist(), tokens[:wanted].tolist()):
                if chance > 0.0:
                    guesses.append(Guess(parent, token, chance, tree.scores[parent] + math.log(chance)))
        if growth.expansion == "linear":
            guesses = sorted(guesses, key=lambda guess: -guess.score)[: growth.topk]
        tree = tree.with_guesses(guesses).best(growth.nodes)
    return tree


def grow_sampled(root: int, ask: Ask, growth: Growth, luck: TextLuck, position: int) -> DraftTree:
    """A planned tree filled with draws without replacement; ``position`` is the place of the first guess in the text.

    A child is left out, with all below it, where the draft has no token left to draw or wants fewer children.
    """
    plan = planned(growth.topk, growth.steps, growth.expansion, growth.nodes)
    tree, places = DraftTree.of_root(root), {0: 0}  # node of the plan → node of the tree
    for depth in range(growth.steps):
        expanded = [node for node in plan.level(depth) if node in places and plan.topology.children[node]]
        if not expanded:
            break
        guesses, planned_nodes = [], []
        for node, q in zip(expanded, ask(tree, [places[node] for node in expanded]), strict=True):
            parent = places[node]
            tree.distributions[parent] = q
            wanted = growth.children(q, tree.scores[parent])
            for child in plan.topology.children[node][:wanted]:
                if not q.sum() > 0.0:
                    break
                token = luck.draw(q, Stream.CHILD, position + depth, attempt=len(guesses))
                chance = float(tree.distributions[parent][token])
                guesses.append(Guess(parent, token, chance, tree.scores[parent] + math.log(chance)))
                planned_nodes.append(child)
                q = without(q, token)
        places |= {child: len(tree) + index for index, child in enumerate(planned_nodes)}
        tree = tree.with_guesses(guesses)
    return tree


@lru_cache(maxsize=64)
def planned(topk: int, steps: int, expansion: str, nodes: int) -> DraftTree:
    """The shape of a sampled tree, its tokens meaning nothing: the nodes that a walk is likeliest to reach and accept.

    The child of rank r is expected to be accepted with probability a·(1 − a)^r. ``linear`` is topk chains.
    """
    tree = DraftTree.of_root(0)
    for depth in range(steps):
        count = topk if expansion == "full" or depth == 0 else 1
        chances = [EXPECTED_ACCEPTANCE * (1.0 - EXPECTED_ACCEPTANCE) ** rank for rank in range(count)]
        guesses = [
            Guess(parent, rank, chance, tree.scores[parent] + math.log(chance))
            for parent in tree.level(depth)
            for rank, chance in enumerate(chances)
        ]
        tree = tree.with_guesses(guesses).best(nodes)
    return tree
