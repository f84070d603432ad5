"""How wide and deep to draft: pure functions of the rounds so far and of the draft's confidence.

Whatever they choose, decoding stays exact: the number of children of a node depends on what the draft thinks before it
draws them, never on which tokens they turn out to be.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from sdvar_core.errors import RequestError
from sdvar_core.text_events import TreeCommit
from sdvar_core.text_request import MOST_STEPS

RECENT = 4  # rounds
ENOUGH_MASS = 0.95  # of q, covered by the children
LEAST_CHANCE = 0.02  # of a node, below which it is not expanded


@dataclass(frozen=True)
class TreeShape:
    """A controller.

    levels(steps, rounds): how many levels the next tree may have. children(topk, q, score): how many children a node
    gets, where q (vocabulary,) is the draft's distribution after it and score the log-probability of its path.
    """

    name: str
    sentence: str
    levels: Callable[[int, Sequence[TreeCommit]], int]
    children: Callable[[int, Tensor, float], int]


def same_levels(steps: int, rounds: Sequence[TreeCommit]) -> int:
    """Always ``steps``."""
    return steps


def recent_levels(steps: int, rounds: Sequence[TreeCommit]) -> int:
    """One more than were accepted on average in the last rounds, from 1 to twice ``steps``; 0 stays 0."""
    recent = rounds[-RECENT:]
    if not recent or not steps:
        return steps
    mean = sum(end.accepted for end in recent) / len(recent)
    return max(1, min(math.ceil(mean) + 1, 2 * steps, MOST_STEPS))


def all_children(topk: int, q: Tensor, score: float) -> int:
    """Always ``topk``."""
    return topk


def confident_children(topk: int, q: Tensor, score: float) -> int:
    """The fewest likeliest tokens that hold 95% of q, at most ``topk``; none after a path of less than 2%."""
    if score < math.log(LEAST_CHANCE):
        return 0
    mass = q.topk(min(topk, len(q))).values.cumsum(0)
    return min(topk, int((mass < ENOUGH_MASS).sum()) + 1)


TREE_SHAPES: dict[str, TreeShape] = {
    shape.name: shape
    for shape in (
        TreeShape("fixed", "The same topk and steps in every round.", same_levels, all_children),
        TreeShape("recent", "As many steps as were accepted lately, and one more.", recent_levels, all_children),
        TreeShape("confident", "Fewer children where the draft is sure.", same_levels, confident_children),
        TreeShape("dynamic", "Steps by recent acceptance, children by confidence.", recent_levels, confident_children),
    )
}


def tree_shape_named(name: str) -> TreeShape:
    """The controller of that name; RequestError for an unknown one."""
    if name not in TREE_SHAPES:
        raise RequestError(f"Unknown shape {name!r}: choose one of {', '.join(TREE_SHAPES)}.")
    return TREE_SHAPES[name]
