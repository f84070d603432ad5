"""What holds in every sound run of tree decoding, by name, checked beside a running decoder.

The watcher shares nothing with the decoder but the sound models, so that what a fault replaces there stays whole here.
Cheap checks compare records; dear ones call the target again. Nothing here changes a run.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from sdvar_core.errors import RequestError, TraceError
from sdvar_core.events import Violation
from sdvar_core.speculative.text_pair import TextPair, as_tokens
from sdvar_core.speculative.tree_decoder import TreeDecoder, softened
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
from sdvar_core.text_trace_check import TextWalk

Watching = Literal["cheap", "all", "none"]
LARGEST_DIFFERENCE = 1e-3  # of logits and of probabilities, in float32


class TreeWatch:
    """What is known to be true of a run after the events so far: the text, and the target's state of it."""

    def __init__(self, decoder: TreeDecoder, pair: TextPair, request: TextRequest) -> None:
        self.decoder, self.target, self.request = decoder, pair.target, request
        self.walk = TextWalk(request)
        self.text = list(request.prompt_bytes)
        self.state, self.read = pair.target.new_state(1), 0
        self.tree: TreeDrafted | None = None
        self.round = 1

    def see(self, event: TextEvent) -> None:
        """Take note of an event."""
        if isinstance(event, TreeDrafted):
            self.tree, self.round = event, event.round
        elif isinstance(event, TreeCommit):
            self.text += event.tokens.tolist()

    @torch.inference_mode()
    def catch_up(self) -> None:
        """Read the text but for its last token, as a chain."""
        if self.read < len(self.text) - 1:
            _, self.state = self.target(as_tokens(self.text[self.read : -1]), self.state)
            self.read = len(self.text) - 1


def counts(watch: TreeWatch, event: TextEvent) -> str | None:
    """Events follow one another, and tokens add up."""
    try:
        watch.walk.take(event)
    except TraceError as error:
        return str(error)
    return None


def positions(watch: TreeWatch, event: TextEvent) -> str | None:
    """What follows a node stands in the text by the node's depth."""
    if isinstance(event, ChildJudged | BonusToken):
        node = event.parent if isinstance(event, ChildJudged) else event.node
        right = len(watch.text) + watch.tree.topology.depths[node]
        if event.position != right:
            return f"What follows node {node} was placed at {event.position}, expected {right}."
    return None


def verdicts(watch: TreeWatch, event: TextEvent) -> str | None:
    """A child is accepted with p(x) where children are fixed, with min(1, p(x)/q(x)) where they were drawn."""
    if isinstance(event, ChildJudged):
        drawn = watch.request.children == "sampled"
        right = min(1.0, event.target_probability / event.draft_probability) if drawn else event.target_probability
        if abs(event.chance - right) > LARGEST_DIFFERENCE:
            return f"Node {event.node} had the chance {event.chance:.3f} of being accepted, expected {right:.3f}."
    return None


def own_paths(watch: TreeWatch, event: TextEvent) -> str | None:
    """The target answers at each node for the text and the node's own path, as node by node."""
    if not isinstance(event, TreeCall) or len(watch.tree.tokens) == 1:
        return None
    watch.catch_up()
    tokens, parents = watch.tree.tokens.tolist(), watch.tree.parents.tolist()
    with torch.inference_mode():
        logits, _ = watch.target.tree(as_tokens(tokens), parents, watch.state, "nodes")
    p = softened(logits[0], watch.request.temperature)
    right = p[parents[1:], tokens[1:]].cpu().numpy()
    difference = np.abs(event.probability[1:] - right)
    worst = int(difference.argmax())
    if difference[worst] > LARGEST_DIFFERENCE:
        found = event.probability[worst + 1]
        return f"Node {worst + 1} has probability {found:.3f} in the tree, {right[worst]:.3f} along its own path."
    return None


def true_state(watch: TreeWatch, event: TextEvent) -> str | None:
    """The state after a round is that of the committed text, and of nothing rejected."""
    if not isinstance(event, PromptRead | TreeCommit):
        return None
    watch.catch_up()
    with torch.inference_mode():
        root = as_tokens(watch.text[-1:])
        found, right = (watch.target(root, state)[0] for state in (watch.decoder.state, watch.state))
    difference = float((found - right).abs().max())
    if difference > LARGEST_DIFFERENCE:
        return f"The state is not that of the {len(watch.text)} tokens of the text: logits differ by {difference:.3f}."
    return None


@dataclass(frozen=True)
class TreeInvariant:
    """Something that holds in every sound run. ``check(watch, event)`` looks after each event and returns one sentence
    if it does not hold. dear: it calls the target."""

    name: str
    sentence: str
    check: Callable[[TreeWatch, TextEvent], str | None]
    dear: bool = False


TREE_INVARIANTS: dict[str, TreeInvariant] = {
    invariant.name: invariant
    for invariant in (
        TreeInvariant("positions", "A token's place in the text follows from its depth.", positions),
        TreeInvariant("counts", "Events follow one another, and tokens add up.", counts),
        TreeInvariant("verdicts", "A child is accepted with the chance that makes it exact.", verdicts),
        TreeInvariant("own paths", "Each node is read along its own path, as node by node.", own_paths, dear=True),
        TreeInvariant("true state", "The state is that of the text, and of nothing else.", true_state, dear=True),
    )
}


def tree_invariants_for(watch: Watching) -> tuple[TreeInvariant, ...]:
    """Those that look on; RequestError for an unknown word."""
    if watch not in ("cheap", "all", "none"):
        raise RequestError(f"watch must be cheap, all or none, found {watch!r}.")
    wanted = {"cheap": (False,), "all": (False, True), "none": ()}[watch]
    return tuple(invariant for invariant in TREE_INVARIANTS.values() if invariant.dear in wanted)


def watched(
    decoder: TreeDecoder, pair: TextPair, request: TextRequest, invariants: Sequence[TreeInvariant]
) -> Iterator[TextEvent]:
    """The decoder's events, each followed by what the invariants find wrong; once an invariant and round."""
    watch, told = TreeWatch(decoder, pair, request), set()
    for event in decoder.events():
        yield event
        watch.see(event)
        for invariant in invariants:
            if (invariant.name, watch.round) not in told and (sentence := invariant.check(watch, event)):
                told.add((invariant.name, watch.round))
                yield Violation(watch.round, invariant.name, sentence)
