"""A live text run, or one of a trace file: its events and frames so far."""

from dataclasses import dataclass, replace

import numpy as np

from app.tree.frames import TreeBaseline, TreeFrame, TreeHeader, tree_baseline, tree_frame, tree_header
from app.tree.heard import HeardDraft, HeardPending, HeardTarget, Likeliest, norms_after, norms_of
from app.tree.tally import Tally
from sdvar_core import (
    PromptRead,
    TextEvent,
    TextPair,
    TextRequest,
    TextTrace,
    TreeCall,
    TreeCommit,
    TreeDrafted,
    decode_text,
    text_trace_of,
)

WINDOW = 4  # of a short convolution, where a model does not say


@dataclass(frozen=True, eq=False)
class ShownText:
    """A run as the page shows it at one moment; frames and events go in step."""

    trace: TextTrace
    header: TreeHeader
    frames: tuple[TreeFrame, ...]
    baseline: TreeBaseline | None


class TextRun:
    """One text run on its way. stopped: its stream shall end. forgotten: nobody shall see it any more.

    fault: what is broken on purpose, a key of ``TREE_FAULTS``; then every invariant looks on.
    """

    def __init__(self, name: str, pair: TextPair, request: TextRequest, fault: str | None = None) -> None:
        self.name, self.pair, self.request, self.fault = name, pair, request, fault
        self.events: list[TextEvent] = []
        self.frames: list[TreeFrame] = []
        self.baseline: TreeBaseline | None = None
        self.stopped = self.forgotten = self.finished = False
        self._likeliest: dict[int, Likeliest] = {}  # by the index of the target's call
        self._target, self._draft = HeardTarget(pair.target), HeardDraft(pair.draft)
        heard = replace(pair, draft=self._draft, target=self._target)
        self._source = decode_text(heard, request, fault=fault, watch="all" if fault else "cheap")
        self._pending: HeardPending | None = None
        self._round = 0  # index of the event that began the round
        self._tally = Tally()

    @property
    def header(self) -> TreeHeader:
        """What stays the same through the run."""
        return tree_header(self.name, self.pair.name, self.request, window_of(self.pair), self.fault)

    def advance(self) -> None:
        """One event more, and its frame; after the last round also what the invariants say of it."""
        event = next(self._source, None)
        if event is None:
            self.finished = True
            return
        self.events.append(event)
        self._tally = self._tally.after(event)
        index = len(self.events) - 1
        if isinstance(event, TreeDrafted):
            self._round = index
        self.frames.append(
            tree_frame(index, self.events[self._round :], self.request, self._tally, self._overheard(event))
        )
        if self._tally.written >= self.request.length:
            self.advance()

    @property
    def target_seconds(self) -> float:
        """Wall-clock inside the target so far."""
        return self._tally.target_seconds

    def trace(self) -> TextTrace:
        """The whole trace."""
        return text_trace_of(self.pair, self.request, self.events)

    def compared_with(self, alone: TextTrace, sound: TextTrace | None = None) -> TreeBaseline:
        """How the finished run compares with the target alone."""
        return tree_baseline(self.trace(), alone, sound)

    def shown(self) -> ShownText:
        """What there is by now."""
        frames = tuple(self.frames)
        trace = text_trace_of(self.pair, self.request, self.events[: len(frames)])
        return ShownText(trace, self.header, frames, self.baseline)

    def token(self, event: int, index: int) -> list[dict] | None:
        """The likeliest bytes at a node of the tree of that call; None if there is no such thing."""
        kept = self._likeliest.get(event)
        return kept and kept.rows(index)

    def _overheard(self, event: TextEvent) -> np.ndarray | None:
        """The norms that belong to an event; of a call, the likeliest bytes are kept too."""
        if isinstance(event, PromptRead):
            norms = norms_of(self._target.state)
            return None if norms is None else np.array(norms, np.float32)
        if isinstance(event, TreeCall):
            tree: TreeDrafted = self.events[self._round]
            # What the invariants ask of the target later belongs to nobody.
            self._pending, after = self._target.pending, dict(self._draft.after) if tree.drafted else {}
            tokens, parents = tree.tokens.tolist(), tree.parents.tolist()
            self._likeliest[len(self.events) - 1] = Likeliest(
                tokens, parents, self._target.logits, after, self.request.temperature
            )
            return norms_after(self._pending)
        if isinstance(event, TreeCommit):
            norms = norms_of(self._pending.taken)
            return None if norms is None else np.array(norms, np.float32)
        return None


def window_of(pair: TextPair) -> int:
    """Inputs that the target's short convolutions read."""
    return getattr(getattr(pair.target, "config", None), "convolution", WINDOW)
