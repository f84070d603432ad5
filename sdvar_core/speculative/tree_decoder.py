"""One text run in progress: draft a tree, check it in one target call, walk down it, commit the path.

The root of every tree is the last committed token, which the target has not read yet; so the call that checks the tree
reads it too, and plain decoding is this with trees of a root alone. Source: design section 5.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor

from sdvar_core.probability import entropy
from sdvar_core.randomness import Stream, TextLuck
from sdvar_core.speculative.text_pair import Pending, TextModel, TextPair, as_tokens
from sdvar_core.speculative.tree import DraftTree
from sdvar_core.speculative.tree_growth import Growth, grow_likeliest, grow_sampled
from sdvar_core.speculative.tree_judging import Children, children_named
from sdvar_core.speculative.tree_shape import tree_shape_named
from sdvar_core.text_events import (
    BonusToken,
    ChildJudged,
    PromptRead,
    TextEvent,
    TreeCall,
    TreeCommit,
    TreeDrafted,
)
from sdvar_core.text_request import MOST_NODES, TextRequest

Clock = Callable[[], float]


def softened(logits: Tensor, temperature: float) -> Tensor:
    """Distributions of logits, float64; those of temperature 1 where the temperature is 0, for scores and for show."""
    return (logits.double() / (temperature or 1.0)).softmax(dim=-1)


def final_distribution(logits: Tensor, temperature: float) -> Tensor:
    """What the target's tokens are drawn from, float64: at temperature 0 all mass on the likeliest."""
    if temperature > 0.0:
        return softened(logits, temperature)
    likeliest = logits.argmax(dim=-1, keepdim=True)
    return torch.zeros_like(logits, dtype=torch.float64).scatter(-1, likeliest, 1.0)


class DraftReader:
    """The draft with its own recurrent state, which holds the committed text as far as the draft has read it."""

    def __init__(self, model: TextModel, temperature: float) -> None:
        self.model, self.temperature = model, temperature
        self.state, self.read = model.new_state(1), 0
        self.after_text: Tensor | None = None  # logits (vocabulary,)
        self.calls = 0

    @torch.inference_mode()
    def catch_up(self, text: Sequence[int]) -> None:
        """Read the committed tokens that it has not read, in one forward."""
        logits, self.state = self.model(as_tokens(text[self.read :]), self.state)
        self.after_text, self.read = logits[0, -1], len(text)
        self.calls += 1

    @torch.inference_mode()
    def ask(self, tree: DraftTree, nodes: Sequence[int]) -> Tensor:
        """Distributions (node, vocabulary) after the root, or after other nodes, of a tree whose root was read.

        Their paths are read again at every level, in one pass, so that no state but the committed one is ever kept.
        """
        if tuple(nodes) == (0,):
            return softened(self.after_text[None], self.temperature)
        needed = sorted({entry for node in nodes for entry in tree.topology.path(node)})
        part = tree.only(needed)
        parents = [parent - 1 for parent in part.parents[1:]]
        logits, _ = self.model.tree(as_tokens(part.tokens[1:]), parents, self.state)
        self.calls += 1
        return softened(logits[0, [needed.index(node) - 1 for node in nodes]], self.temperature)


class TreeDecoder:
    """The state of one run, and one method for each step of a round. The steps are what a fault replaces."""

    def __init__(self, pair: TextPair, request: TextRequest, clock: Clock, luck: TextLuck) -> None:
        self.pair, self.request, self.clock, self.luck = pair, request, clock, luck
        self.children = children_named(request.children)
        self.shape = tree_shape_named(request.shape)
        self.text = list(request.prompt_bytes)
        self.goal = len(self.text) + request.length
        self.draft = DraftReader(pair.draft, request.temperature)
        self.state = pair.target.new_state(1)  # of the text without its last token
        self.rounds: list[TreeCommit] = []

    def events(self) -> Iterator[TextEvent]:
        """Decode to the end, yielding every event as it happens."""
        yield self.read_prompt()
        while len(self.text) < self.goal:
            yield from self.round()

    def round(self) -> Iterator[TextEvent]:
        """Draft, verify, walk, commit."""
        tree = yield from self.grow()
        logits, pending = yield from self.verify(tree)
        path, bonus = yield from self.walk(tree, logits)
        yield self.commit(tree, pending, path, bonus)

    @torch.inference_mode()
    def read_prompt(self) -> PromptRead:
        """The target reads the prompt but for its last token."""
        began = self.clock()
        if len(self.text) > 1:
            _, self.state = self.pair.target(as_tokens(self.text[:-1]), self.state)
        return PromptRead(_ints(self.text), self.clock() - began)

    def steps(self) -> int:
        """Levels to draft in this round: the last token wanted is never drafted, the target's call gives it anyway."""
        return min(self.shape.levels(self.request.steps, self.rounds), self.goal - len(self.text) - 1)

    def grow(self) -> Generator[TextEvent, None, DraftTree]:
        """Guess a tree of continuations of the text."""
        request, steps, calls, began = self.request, self.steps(), self.draft.calls, self.clock()
        nodes = MOST_NODES if request.nodes is None else request.nodes
        growth = Growth(request.topk, steps, request.expansion, nodes, partial(self.shape.children, request.topk))
        if steps:
            self.draft.catch_up(self.text)
        if self.children.sampled:
            tree = grow_sampled(self.text[-1], self.draft.ask, growth, self.luck, len(self.text))
        else:
            tree = grow_likeliest(self.text[-1], self.draft.ask, growth)
        seconds = self.clock() - began
        arrays = _ints(tree.tokens), _ints(tree.parents), _floats(tree.scores), _floats(tree.probabilities)
        yield TreeDrafted(self.number, request.topk, steps, *arrays, self.draft.calls - calls, seconds)
        return tree

    def verify(self, tree: DraftTree) -> Generator[TextEvent, None, tuple[Tensor, Pending]]:
        """One forward of the target over the whole tree: logits (node, vocabulary), and the states not yet made."""
        began, form = self.clock(), self.request.verification
        with torch.inference_mode():
            logits, pending = self.pair.target.tree(as_tokens(tree.tokens), tree.parents, self.state, form)
        seconds, logits = self.clock() - began, logits[0]
        shown = softened(logits, self.request.temperature)
        states = 1 + len(tree) if form == "nodes" else 1
        yield TreeCall(
            round=self.number,
            number=self.number,
            probability=_floats([np.nan, *shown[list(tree.parents[1:]), list(tree.tokens[1:])].tolist()]),
            entropy=_floats(entropy(shown)),
            likeliest=_ints(logits.argmax(dim=-1)),
            states=states,
            seconds=seconds,
        )
        return logits, pending

    def walk(self, tree: DraftTree, logits: Tensor) -> Generator[TextEvent, None, tuple[list[int], int]]:
        """From the root, go on to the first child that is accepted, until none is; then draw the bonus token.

        Returns the accepted nodes, the root left out, and the bonus token.
        """
        path, node = [], 0
        while True:
            position = self.position(tree, node)
            p = final_distribution(logits[node], self.request.temperature)
            chosen, p = yield from self.choose(tree, node, p, position)
            if chosen is None:
                break
            path.append(chosen)
            node = chosen
        token = self.luck.draw(p, Stream.ANSWER, position)
        yield BonusToken(self.number, node, position, token, float(p[token]))
        return path, token

    def position(self, tree: DraftTree, node: int) -> int:
        """The place in the text of what follows a node: by its depth, whatever its index is."""
        return len(self.text) + tree.topology.depths[node]

    def choose(
        self, tree: DraftTree, node: int, p: Tensor, position: int
    ) -> Generator[TextEvent, None, tuple[int | None, Tensor]]:
        """Try the children of a node one after the other: the accepted one or None, and what is left of p."""
        q = tree.distributions.get(node)
        for rank, child in enumerate(tree.topology.children[node]):
            token = tree.tokens[child]
            chance = self.judging.chance(p, q, token)
            accepted, uniform = self.luck.test(chance, Stream.TRY, position, rank)
            q_of_token = 1.0 if q is None else float(q[token])
            yield ChildJudged(
                self.number, child, node, position, token, accepted, chance, float(p[token]), q_of_token, uniform
            )
            if accepted:
                return child, p
            p, q = self.judging.after_rejection(p, q, token)
        return None, p

    @torch.inference_mode()
    def commit(self, tree: DraftTree, pending: Pending, path: list[int], bonus: int) -> TreeCommit:
        """Make the state of the last accepted node, and of no other; what hung beside the path is gone with it."""
        began, held = self.clock(), len(self.text) - 1
        self.state = pending.state_at(path[-1] if path else 0)
        tokens = [*(tree.tokens[node] for node in path), bonus]
        self.text += tokens
        end = TreeCommit(
            round=self.number,
            path=_ints(path),
            tokens=_ints(tokens),
            depth=max(tree.topology.depths),
            drafted=len(tree) - 1,
            text=len(self.text),
            state=(held, len(self.text) - 1),
            rolled_back=len(tree) - 1 - len(path),
            seconds=self.clock() - began,
        )
        self.rounds.append(end)
        return end

    @property
    def judging(self) -> Children:
        """How children are judged: as they were chosen."""
        return self.children

    @property
    def number(self) -> int:
        """Number of the current round, counted from 1."""
        return len(self.rounds) + 1


def _ints(values: Sequence[int] | Tensor) -> np.ndarray:
    return np.asarray(values, dtype=np.int32)


def _floats(values: Sequence[float] | Tensor) -> np.ndarray:
    return np.asarray(values, dtype=np.float32)
