"""Draft trees: nodes with tokens and scores in topological order, the best of them, and the flat form of SGLang.

Node 0 is the root, a committed token; the guesses are 1, 2, …, level by level, siblings together in the order in which
they are tried. Source: design section 5; Li et al. 2024 (EAGLE-2).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from torch import Tensor

from sdvar_core.errors import SDVARError
from sdvar_core.topology import Topology


@dataclass(frozen=True)
class Guess:
    """A token after a node: its parent, and q of the token, with the score of its whole path."""

    parent: int
    token: int
    probability: float
    score: float


@dataclass(frozen=True, eq=False)
class DraftTree:
    """Guesses that hang on one committed token.

    scores: sum of log q over each path. probabilities: q of each token after its parent; NaN for the root.
    distributions: q (vocabulary,) after a node, where its children were drawn from it.
    """

    tokens: tuple[int, ...]
    parents: tuple[int, ...]
    scores: tuple[float, ...]
    probabilities: tuple[float, ...]
    distributions: dict[int, Tensor] = field(default_factory=dict)

    @classmethod
    def of_root(cls, token: int) -> "DraftTree":
        """No guess yet."""
        return cls((token,), (-1,), (0.0,), (float("nan"),))

    def __len__(self) -> int:
        return len(self.tokens)

    @cached_property
    def topology(self) -> Topology:
        """Who follows whom."""
        return Topology(self.parents)

    def level(self, depth: int) -> tuple[int, ...]:
        """The nodes of a depth; the root's is 0."""
        return tuple(node for node, found in enumerate(self.topology.depths) if found == depth)

    def with_guesses(self, guesses: Iterable[Guess]) -> "DraftTree":
        """The tree with another level, whose siblings come in the order given."""
        added = sorted(guesses, key=lambda guess: guess.parent)  # stable: siblings keep their order
        return replace(
            self,
            tokens=self.tokens + tuple(guess.token for guess in added),
            parents=self.parents + tuple(guess.parent for guess in added),
            scores=self.scores + tuple(guess.score for guess in added),
            probabilities=self.probabilities + tuple(guess.probability for guess in added),
        )

    def best(self, guesses: int) -> "DraftTree":
        """The root and the ``guesses`` nodes of highest score, the earlier of equals: still a tree.

        A child's score is never above its parent's, so that no parent is lost. Where it is done after every level
        nothing is lost either: what hangs on a dropped node scores lower still.
        """
        order = sorted(range(1, len(self)), key=lambda node: (-self.scores[node], node))
        return self.only([0, *sorted(order[:guesses])])

    def only(self, nodes: Sequence[int]) -> "DraftTree":
        """The tree of some of its nodes, in their order; each must come with its parent."""
        place = {old: new for new, old in enumerate(nodes)} | {-1: -1}
        return DraftTree(
            tokens=tuple(self.tokens[node] for node in nodes),
            parents=tuple(place[self.parents[node]] for node in nodes),
            scores=tuple(self.scores[node] for node in nodes),
            probabilities=tuple(self.probabilities[node] for node in nodes),
            distributions={place[node]: q for node, q in self.distributions.items() if node in place},
        )


@dataclass(frozen=True, eq=False)
class FlatTree:
    """A draft tree as SGLang's EAGLE worker passes it to the kernel that builds the mask.

    Every expanded node owns a row of ``topk`` candidates, the root the first; candidates are counted row by row.
    parent_list: int64, for each row the candidate that it expands, −1 for the root.
    top_scores_index: int64, ascending, the candidates that are verified.
    Source: sgl-project/sglang, ``organize_draft_results`` and ``build_tree_kernel_efficient``.
    """

    parent_list: np.ndarray
    top_scores_index: np.ndarray
    topk: int

    @property
    def parents(self) -> tuple[int, ...]:
        """Parents of the nodes 0 (the root), 1, … SDVARError if a candidate's parent is not verified with it."""
        node_of = {int(candidate): node for node, candidate in enumerate(self.top_scores_index, 1)} | {-1: 0}
        parents = [-1]
        for candidate in self.top_scores_index.tolist():
            row = candidate // self.topk
            parent = int(self.parent_list[row]) if row < len(self.parent_list) else None
            if parent not in node_of:
                raise SDVARError(f"Candidate {candidate} hangs on a candidate that is not among the verified ones.")
            parents.append(node_of[parent])
        return tuple(parents)


def flat_tree(topology: Topology, topk: int) -> FlatTree:
    """The flat form of a tree with one root whose nodes come level by level, siblings together.

    SDVARError if a node has more than ``topk`` children.
    """
    rows: dict[int, int] = {}
    candidates, parent_list = [-1] * len(topology), []
    for node, children in enumerate(topology.children):
        if len(children) > topk:
            raise SDVARError(f"Node {node} has {len(children)} children, more than topk {topk}.")
        if children:
            rows[node] = len(parent_list)
            parent_list.append(candidates[node])
        for rank, child in enumerate(children):
            candidates[child] = rows[node] * topk + rank
    return FlatTree(np.array(parent_list or [-1], dtype=np.int64), np.array(candidates[1:], dtype=np.int64), topk)
