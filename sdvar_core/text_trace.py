"""Frozen records of a text run: the events of tree decoding, the trace they make, and the numbers shown to people.

Nodes of a draft tree are counted from 0, the root, which is the last token that is committed but not yet read by the
target; the drafted nodes are 1, 2, …. Positions count the tokens of the text, the prompt's first being 0.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from sdvar_core.text_request import TextRequest
from sdvar_core.topology import Topology
from sdvar_core.trace import same_event


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


@dataclass(frozen=True, eq=False)
class TextViolation:
    """Something that must hold in every run did not: ``invariant`` is its name in ``TREE_INVARIANTS``. Follows the
    event that showed it; at most one for each invariant and round."""

    round: int
    invariant: str
    sentence: str


TextEvent = PromptRead | TreeDrafted | TreeCall | ChildJudged | BonusToken | TreeCommit | TextViolation
TEXT_EVENT_KINDS: dict[str, type] = {
    "prompt_read": PromptRead,
    "tree_drafted": TreeDrafted,
    "tree_call": TreeCall,
    "child_judged": ChildJudged,
    "bonus_token": BonusToken,
    "tree_commit": TreeCommit,
    "text_violation": TextViolation,
}


@dataclass(frozen=True, eq=False)
class TextTrace:
    """A whole text run, or the part of it that has happened so far. pair: name of the pair of models."""

    pair: str
    request: TextRequest
    events: tuple[TextEvent, ...]

    def of(self, kind: type) -> list:
        """The events of one kind, in order."""
        return [event for event in self.events if isinstance(event, kind)]

    @cached_property
    def prompt(self) -> bytes:
        """The bytes that were given; an empty prompt is one zero byte."""
        return self.request.prompt_bytes

    @cached_property
    def written(self) -> bytes:
        """The bytes that were decoded."""
        return bytes(int(token) for event in self.of(TreeCommit) for token in event.tokens)

    @property
    def continuation(self) -> str:
        """What was decoded, as text; bytes that are not UTF-8 show as �."""
        return self.written.decode("utf-8", errors="replace")

    @property
    def text(self) -> str:
        """Prompt and continuation."""
        given = self.request.prompt_bytes if self.request.prompt else b""
        return (given + self.written).decode("utf-8", errors="replace")

    @property
    def finished(self) -> bool:
        """Whether all bytes wanted are there."""
        return len(self.written) == self.request.length

    @property
    def rounds(self) -> int:
        """Rounds that ended; the ``steps`` of the seeds' statistics."""
        return len(self.of(TreeCommit))

    @property
    def target_calls(self) -> int:
        """Forwards of the target; reading the prompt is not counted, for every way of decoding has to."""
        return len(self.of(TreeCall))

    @property
    def draft_calls(self) -> int:
        """Forwards of the draft."""
        return sum(event.calls for event in self.of(TreeDrafted))

    @property
    def baseline_calls(self) -> int:
        """Target calls that plain decoding makes for the bytes so far."""
        return len(self.written)

    @property
    def drafted(self) -> int:
        """Guesses: nodes of all trees, the roots left out."""
        return sum(event.drafted for event in self.of(TreeDrafted))

    @property
    def judged(self) -> int:
        """Guesses that the walk tried."""
        return len(self.of(ChildJudged))

    @property
    def accepted(self) -> int:
        """Guesses that became text."""
        return sum(event.accepted for event in self.of(ChildJudged))

    @property
    def rejected(self) -> int:
        """Guesses that the walk tried and refused."""
        return self.judged - self.accepted

    @property
    def discarded(self) -> int:
        """Guesses thrown away untried."""
        return self.drafted - self.judged

    @property
    def bonus(self) -> int:
        """Tokens that the target drew itself."""
        return len(self.of(BonusToken))

    @property
    def levels(self) -> int:
        """Levels of all trees: the most guesses that could have been accepted."""
        return sum(event.depth for event in self.of(TreeCommit))

    @property
    def acceptance_rate(self) -> float:
        """Accepted over drafted nodes; 0 where nothing was drafted. Low for a wide tree, which bets on many."""
        return self.accepted / self.drafted if self.drafted else 0.0

    @property
    def path_acceptance_rate(self) -> float:
        """Accepted over the levels drafted: of the best path, position by position; 0 where nothing was drafted."""
        return self.accepted / self.levels if self.levels else 0.0

    @property
    def acceptance_by_depth(self) -> tuple[float, ...]:
        """For each level, how often a node of it was accepted where the walk came so far and the level was drafted."""
        tries: list[list[int]] = []
        for event in self.of(TreeCommit):
            for level in range(min(event.depth, event.accepted + 1)):
                if level == len(tries):
                    tries.append([0, 0])
                tries[level][0] += 1
                tries[level][1] += level < event.accepted
        return tuple(good / tried for tried, good in tries)

    @property
    def mean_accepted_length(self) -> float:
        """Accepted tokens a target call, without the bonus token."""
        return self.accepted / self.target_calls if self.target_calls else 0.0

    @property
    def mean_length_with_bonus(self) -> float:
        """Tokens a target call, the bonus token included."""
        return (self.accepted + self.bonus) / self.target_calls if self.target_calls else 0.0

    @property
    def call_reduction(self) -> float:
        """Calls of plain decoding over target calls; 1 before the first."""
        return self.baseline_calls / self.target_calls if self.target_calls else 1.0

    @property
    def violations(self) -> list[TextViolation]:
        """What the invariants found wrong; none in a sound run."""
        return self.of(TextViolation)

    @property
    def draft_seconds(self) -> float:
        """Wall-clock of drafting."""
        return sum(event.seconds for event in self.of(TreeDrafted))

    @property
    def target_seconds(self) -> float:
        """Wall-clock of the target's forwards, the prompt left out."""
        return sum(event.seconds for event in self.of(TreeCall))

    @property
    def commit_seconds(self) -> float:
        """Wall-clock of making the accepted nodes' states."""
        return sum(event.seconds for event in self.of(TreeCommit))

    def check(self) -> "TextTrace":
        """Return the trace; raise TraceError where the record contradicts itself."""
        from sdvar_core.text_trace_check import check_text_trace

        check_text_trace(self)
        return self

    def save(self, path: str | Path) -> None:
        """Write the trace as JSON, lossless."""
        from sdvar_core.text_trace_file import write_text_trace

        write_text_trace(self, Path(path))

    @staticmethod
    def load(path: str | Path) -> "TextTrace":
        """Read a trace file; TraceError if it is truncated, foreign, too new or contradicts itself."""
        from sdvar_core.text_trace_file import read_text_trace

        return read_text_trace(Path(path))

    def same_run(self, other: "TextTrace") -> bool:
        """Whether both record the same run bit for bit; measured seconds do not count."""
        return (
            self.request == other.request
            and len(self.events) == len(other.events)
            and all(same_event(one, two) for one, two in zip(self.events, other.events, strict=True))
        )
