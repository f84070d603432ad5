"""A catalogue of mistakes in tree decoding; each can be switched on for one run.

A fault is a value that replaces parts: the decoder, or how the target reads a tree. The decoder knows of none.
Source: design sections 5 and 8.
"""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sdvar_core.errors import RequestError
from sdvar_core.speculative.text_pair import Pending, TextModel, TextPair
from sdvar_core.speculative.tree import DraftTree
from sdvar_core.speculative.tree_decoder import TreeDecoder
from sdvar_core.speculative.tree_judging import CHILDREN, Children
from sdvar_core.text_events import TextEvent, TreeCommit
from sdvar_core.topology import Topology


class CausalTopology(Topology):
    """A tree whose mask is the plain causal one of a chain."""

    @property
    def ancestors(self) -> np.ndarray:
        """All earlier nodes."""
        return np.tri(len(self), k=-1, dtype=bool)

    @property
    def mask(self) -> np.ndarray:
        """All earlier nodes and the node itself."""
        return self.causal_mask


class SlidingTopology(Topology):
    """A tree whose convolution windows slide over the nodes by index."""

    def windows(self, width: int) -> np.ndarray:
        """Those of a chain."""
        return Topology.chain(len(self)).windows(width)


class ReadsTrees:
    """A target whose trees are changed before it reads them."""

    def __init__(self, model: TextModel, change: Callable[[Sequence[int]], Topology]) -> None:
        self.model, self.change, self.vocabulary = model, change, model.vocabulary

    def new_state(self, batch: int) -> Any:
        """As the model."""
        return self.model.new_state(batch)

    def __call__(self, tokens: Tensor, state: Any) -> tuple[Tensor, Any]:
        """As the model."""
        return self.model(tokens, state)

    def tree(self, tokens: Tensor, parents: Sequence[int], state: Any, form: str = "tree") -> tuple[Tensor, Pending]:
        """The changed tree."""
        return self.model.tree(tokens, self.change(parents), state, form)


def after_the_sibling(parents: Sequence[int]) -> Topology:
    """Each node but the first of its siblings hangs on the sibling before it."""
    latest: dict[int, int] = {}
    wrong = []
    for node, parent in enumerate(parents):
        wrong.append(latest.get(parent, parent))
        latest[parent] = node
    return Topology(tuple(wrong))


class KeepsRejected(TreeDecoder):
    """The state after the last node that was read stays, accepted or not."""

    def commit(self, tree: DraftTree, pending: Pending, path: list[int], bonus: int) -> TreeCommit:
        """Commit, with the wrong state."""
        end = super().commit(tree, pending, path, bonus)
        self.state = pending.state_at(len(tree) - 1)
        return end


class PlacesByIndex(TreeDecoder):
    """What follows a node is placed in the text by the node's index in the tree."""

    def position(self, tree: DraftTree, node: int) -> int:
        """Right on a chain only."""
        return len(self.text) + node


class JudgesAsIfSampled(TreeDecoder):
    """The draft's likeliest tokens are accepted with min(1, p/q), though nobody drew them from q."""

    def grow(self) -> Generator[TextEvent, None, DraftTree]:
        """The tree, with the q that it is judged by."""
        tree = yield from super().grow()
        for node, children in enumerate(tree.topology.children):
            if children:
                tree.distributions[node] = self.draft.ask(tree, (node,))[0]
        return tree

    @property
    def judging(self) -> Children:
        """The rule for draws."""
        return CHILDREN["sampled"]


class CountsBonusTwice(TreeDecoder):
    """The bonus token is committed with the path and once more by itself."""

    @torch.inference_mode()
    def commit(self, tree: DraftTree, pending: Pending, path: list[int], bonus: int) -> TreeCommit:
        """Commit, and write the bonus token again."""
        end = super().commit(tree, pending, path, bonus)
        if len(self.text) < self.goal:
            self.text.append(bonus)
            end = replace(end, tokens=np.append(end.tokens, np.int32(bonus)), text=len(self.text))
        return end


def sound(part: Any) -> Any:
    """The part itself."""
    return part


@dataclass(frozen=True)
class TreeFault:
    """A mistake. sentence: what goes wrong. look: what one sees of it. caught_by: the invariant that finds it.

    decoder, target: what stands in for the sound part, or makes it from the sound one.
    """

    name: str
    sentence: str
    look: str
    caught_by: str
    decoder: type[TreeDecoder] = TreeDecoder
    target: Callable[[TextModel], TextModel] = sound

    def broken(self, pair: TextPair) -> TextPair:
        """The pair with this fault's target."""
        return replace(pair, target=self.target(pair.target))


NO_TREE_FAULT = TreeFault("none", "Nothing goes wrong.", "As it should be.", "")

_ALL_FAULTS = (
    TreeFault(
        "plain causal mask",
        "Every node sees all nodes before it, as in a chain, its siblings and their children too.",
        "The first path is judged well; everything beside it answers a text that nobody wrote.",
        "own paths",
        target=lambda model: ReadsTrees(model, lambda parents: CausalTopology(tuple(parents))),
    ),
    TreeFault(
        "sibling's state",
        "A branch starts from the state after its sibling instead of its parent's.",
        "First children are judged well, the others are not, and a text that takes them goes astray.",
        "own paths",
        target=lambda model: ReadsTrees(model, after_the_sibling),
    ),
    TreeFault(
        "state not rolled back",
        "After the walk the state of the last node read is kept, with all that was rejected on its path.",
        "The first round is right; then the text drifts, for the model remembers what was never written.",
        "true state",
        decoder=KeepsRejected,
    ),
    TreeFault(
        "convolution across siblings",
        "The short convolution reads the nodes before a node by index, not its ancestors.",
        "The states look nearly right, but nodes beside the first path lose a little of their meaning.",
        "own paths",
        target=lambda model: ReadsTrees(model, lambda parents: SlidingTopology(tuple(parents))),
    ),
    TreeFault(
        "positions by index",
        "A node's place in the text is counted by its index in the tree, not by its depth.",
        "Right on a chain; in a tree the luck of later places is used up early.",
        "positions",
        decoder=PlacesByIndex,
    ),
    TreeFault(
        "likeliest judged as sampled",
        "Children that are always the draft's likeliest are judged as if they had been drawn from it.",
        "More is accepted than should be, and the text leans towards the draft's favourites.",
        "verdicts",
        decoder=JudgesAsIfSampled,
    ),
    TreeFault(
        "bonus counted twice",
        "The bonus token is written twice, once with the path and once by itself.",
        "Stuttering text, and more tokens a call than were earned.",
        "counts",
        decoder=CountsBonusTwice,
    ),
)
TREE_FAULTS: dict[str, TreeFault] = {fault.name: fault for fault in _ALL_FAULTS}


def tree_fault_named(name: str) -> TreeFault:
    """The fault of that name; RequestError for an unknown one."""
    if name not in TREE_FAULTS:
        raise RequestError(f"Unknown fault {name!r}: choose one of {', '.join(TREE_FAULTS)}.")
    return TREE_FAULTS[name]
