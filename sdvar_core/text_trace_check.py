"""Whether a text trace is true to itself: the order of its events, its trees and walks, and the counts."""

import numpy as np

from sdvar_core.errors import SDVARError, TraceError
from sdvar_core.text_events import (
    BonusToken,
    ChildJudged,
    PromptRead,
    TextEvent,
    TreeCall,
    TreeCommit,
    TreeDrafted,
)
from sdvar_core.text_request import TextRequest
from sdvar_core.text_trace import TextTrace


def check_text_trace(trace: TextTrace) -> None:
    """Walk through the events; TraceError at the first that cannot follow from those before it.

    A trace that tells of violations is known to be wrong: only its tokens are looked at.
    """
    for event in trace.events:
        if not all(0 <= token <= 255 for token in np.ravel(getattr(event, "tokens", getattr(event, "token", 0)))):
            raise TraceError(f"A {type(event).__name__} holds a token that is no byte.")
    if trace.violations:
        return
    walk = TextWalk(trace.request)
    for event in trace.events:
        walk.take(event)
    _check_counts(trace)


class TextWalk:
    """What is known of a run after the events so far; ``take`` refuses an event that cannot follow."""

    def __init__(self, request: TextRequest) -> None:
        self.request, self.where, self.taken = request, "", 0
        self.expected: tuple[type, ...] = (PromptRead,)
        self.text = list(request.prompt_bytes)
        self.longest = len(self.text) + request.length
        self.held = len(self.text) - 1  # tokens that the target's state holds
        self.round, self.calls = 0, 0
        self.tree: TreeDrafted | None = None
        self.path: list[int] = []
        self.tried = 0  # children of the current node
        self.bonus: BonusToken | None = None

    def take(self, event: TextEvent) -> None:
        """One event further; TraceError if it cannot follow."""
        self.taken += 1
        self.where = f"event {self.taken} ({type(event).__name__})"
        if type(event) not in self.expected:
            names = " or ".join(kind.__name__ for kind in self.expected)
            raise self.refuse(f"something happens where {names} must come.")
        _TAKES[type(event)](self, event)

    def refuse(self, what: str) -> TraceError:
        """The error that says where."""
        return TraceError(f"In {self.where} {what}")

    def prompt(self, event: PromptRead) -> None:
        """The prompt comes first."""
        if event.tokens.tolist() != self.text:
            raise self.refuse("another prompt is read than was asked for.")
        self.expected = (TreeDrafted,)

    def drafted(self, event: TreeDrafted) -> None:
        """A tree hangs on the last token, and is one."""
        count = len(event.tokens)
        arrays = (event.parents, event.scores, event.probability)
        if count < 1 or any(len(array) != count for array in arrays) or event.tokens[0] != self.text[-1]:
            raise self.refuse("the tree does not hang on the last token of the text.")
        try:
            topology = event.topology
        except SDVARError as error:
            raise self.refuse(f"the tree is none: {error}") from error
        if topology.parents.count(-1) != 1 or event.round != self.round + 1:
            raise self.refuse("the tree has no single root, or belongs to another round.")
        for node, children in enumerate(topology.children):
            if len(children) > event.topk or len({int(event.tokens[child]) for child in children}) < len(children):
                raise self.refuse(f"the children of node {node} are too many or not different.")
        if max(topology.depths) > event.steps:
            raise self.refuse(f"the tree is deeper than its {event.steps} steps.")
        self.tree, self.path, self.tried, self.round = event, [0], 0, event.round
        self.topology = topology
        self.expected = (TreeCall,)

    def call(self, event: TreeCall) -> None:
        """The target reads the tree."""
        self.calls += 1
        if event.number != self.calls or any(
            len(array) != len(self.tree.tokens) for array in (event.probability, event.entropy, event.likeliest)
        ):
            raise self.refuse("the target does not read this tree.")
        self.judging()

    def judging(self) -> None:
        """What may come now on the walk: a child while there is one, else the bonus token."""
        children = self.topology.children[self.path[-1]]
        self.expected = (ChildJudged,) if self.tried < len(children) else (BonusToken,)

    def judged(self, event: ChildJudged) -> None:
        """The next child of the last accepted node."""
        here = self.path[-1]
        place = (here, self.topology.children[here][self.tried], len(self.text) + len(self.path) - 1)
        if (event.parent, event.node, event.position) != place or event.token != self.tree.tokens[event.node]:
            raise self.refuse("another child is tried than the next of the last accepted node.")
        if event.accepted != (event.luck < event.chance):
            raise self.refuse("the verdict is not that of the luck.")
        self.tried += 1
        if event.accepted:
            self.path.append(event.node)
            self.tried = 0
        self.judging()

    def drawn(self, event: BonusToken) -> None:
        """After the last accepted node."""
        if event.node != self.path[-1] or event.position != len(self.text) + len(self.path) - 1:
            raise self.refuse("the bonus token does not follow the last accepted node.")
        self.bonus, self.expected = event, (TreeCommit,)

    def commit(self, event: TreeCommit) -> None:
        """What was accepted, and the bonus."""
        accepted = self.path[1:]
        tokens = [int(self.tree.tokens[node]) for node in accepted] + [self.bonus.token]
        if event.path.tolist() != accepted or event.tokens.tolist() != tokens:
            raise self.refuse("other tokens are committed than were accepted and drawn.")
        before, self.held = self.held, self.held + len(self.path)
        self.text += tokens
        if event.state != (before, self.held) or self.held != len(self.text) - 1 or event.text != len(self.text):
            raise self.refuse(f"the state holds {event.state[1]} tokens of a text of {len(self.text)}: impossible.")
        depth, drafted = max(self.topology.depths), len(self.topology) - 1
        if (event.depth, event.drafted, event.rolled_back) != (depth, drafted, drafted - len(accepted)):
            raise self.refuse("the counts are not those of the tree.")
        if len(self.text) > self.longest:
            raise self.refuse("more is written than was asked for.")
        self.expected = (TreeDrafted,)


_TAKES = {
    PromptRead: TextWalk.prompt,
    TreeDrafted: TextWalk.drafted,
    TreeCall: TextWalk.call,
    ChildJudged: TextWalk.judged,
    BonusToken: TextWalk.drawn,
    TreeCommit: TextWalk.commit,
}


def _check_counts(trace: TextTrace) -> None:
    """The identities of the numbers; only between rounds, where all of them hold."""
    if trace.events and not isinstance(trace.events[-1], PromptRead | TreeCommit):
        return
    commits = trace.of(TreeCommit)
    identities = {
        "drafted = accepted + rejected + discarded": trace.drafted
        == trace.accepted + trace.rejected + trace.discarded
        == sum(event.drafted for event in commits),
        "accepted = accepted of the commits": trace.accepted == sum(event.accepted for event in commits),
        "bytes written = accepted + bonus": len(trace.written) == trace.accepted + trace.bonus,
        "one bonus token a target call": trace.bonus == trace.target_calls == trace.rounds,
        "mean length with bonus = mean accepted length + 1": not commits
        or np.isclose(trace.mean_length_with_bonus, trace.mean_accepted_length + 1.0),
        "call reduction = mean length with bonus": not commits
        or np.isclose(trace.call_reduction, trace.mean_length_with_bonus),
        "rates lie between 0 and 1": 0.0 <= trace.acceptance_rate <= trace.path_acceptance_rate <= 1.0,
    }
    for name, holds in identities.items():
        if not holds:
            raise TraceError(f"The trace breaks an identity: {name}.")
