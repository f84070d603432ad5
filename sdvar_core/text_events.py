"""Frozen records of what happens in a text run: the events of tree decoding.

Nodes of a draft tree are counted from 0, the root, which is the last token that is committed but not yet read by the
target; the drafted nodes are 1, 2, …. Positions count the tokens of the text, the prompt's first being 0.
A Violation names one of ``TREE_INVARIANTS``.
"""

from dataclasses import dataclass

import numpy as np

from sdvar_core.events import Violation
from sdvar_core.topology import Topology


@dataclass(frozen=True, eq=False)
class PromptRead:
    """The target read the prompt but for its last token, which is the root of the first tree."""

    tokens: np.ndarray  # int32, the whole prompt
    seconds: float


@dataclass(frozen=True, eq=False)
class TreeDrafted:
    """The draft guessed a tree of continuations. Arrays are (node,), the root included."""

    round: int
    topk: int
    steps: int  # levels that were wanted
    tokens: np.ndarray  # int32
    parents: np.ndarray  # int32, −1 for the root
    scores: np.ndarray  # float32, sum of log q over the path; 0 for the root
    probability: np.ndarray  # float32, q of the token after its parent; NaN for the root
    calls: int  # forwards of the draft, its catching up on committed tokens included
    seconds: float

    @property
    def topology(self) -> Topology:
        """Who follows whom."""
        return Topology(tuple(self.parents.tolist()))

    @property
    def drafted(self) -> int:
        """Guesses: the nodes without the root."""
        return len(self.tokens) - 1


@dataclass(frozen=True, eq=False)
class TreeCall:
    """One forward of the target over a whole tree. Arrays are (node,); at temperature 0 they are of temperature 1."""

    round: int
    number: int  # counted from 1
    probability: np.ndarray  # float32, p of the token after its parent; NaN for the root
    entropy: np.ndarray  # float32, nats, of p after the node
    likeliest: np.ndarray  # int32, the target's likeliest token after the node
    states: int  # recurrent states of a layer alive during the call
    seconds: float


@dataclass(frozen=True, eq=False)
class ChildJudged:
    """The walk tried one child. p and q are what they had become after the siblings rejected before it."""

    round: int
    node: int
    parent: int
    position: int
    token: int
    accepted: bool
    chance: float  # of being accepted
    target_probability: float  # p of the token
    draft_probability: float  # q of the token; 1 where children are the draft's likeliest
    luck: float  # the uniform of the test


@dataclass(frozen=True, eq=False)
class BonusToken:
    """The target drew the token after the last accepted node itself."""

    round: int
    node: int  # the last accepted one
    position: int
    token: int
    probability: float  # of the distribution that it was drawn from


@dataclass(frozen=True, eq=False)
class TreeCommit:
    """The accepted path and the bonus token became text; the state of the last accepted node replaced the old one."""

    round: int
    path: np.ndarray  # int32, accepted nodes, the root left out
    tokens: np.ndarray  # int32, their tokens and the bonus
    depth: int  # levels of the tree that was drafted
    drafted: int
    text: int  # tokens of the text now, the prompt included
    state: tuple[int, int]  # tokens that the target's state holds, before and after
    rolled_back: int  # nodes read by the target whose effect was dropped
    seconds: float

    @property
    def accepted(self) -> int:
        """Guesses that became text."""
        return len(self.path)


TextEvent = PromptRead | TreeDrafted | TreeCall | ChildJudged | BonusToken | TreeCommit | Violation
TEXT_EVENT_KINDS: dict[str, type] = {
    "prompt_read": PromptRead,
    "tree_drafted": TreeDrafted,
    "tree_call": TreeCall,
    "child_judged": ChildJudged,
    "bonus_token": BonusToken,
    "tree_commit": TreeCommit,
    "violation": Violation,
}
