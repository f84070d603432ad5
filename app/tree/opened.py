"""A text run that was opened from a trace file: all of it is known, and no model is called."""

from pathlib import Path

from app.tree.choices import LONGEST_PROMPT
from app.tree.frames import TreeBaseline, TreeFrame, tree_frame, tree_header
from app.tree.run import WINDOW, ShownText
from app.tree.tally import Tally
from app.uploads import FOREIGN, LONGEST_NAME, read_upload
from sdvar_core import (
    BonusToken,
    ChildJudged,
    PromptRead,
    TextTrace,
    TraceError,
    TreeCall,
    TreeCommit,
    TreeDrafted,
    Violation,
)

MOST_EVENTS, MOST_NODES = 10_000, 100_000  # of a trace file, the nodes of all trees together


def read_text_file(path: Path) -> TextTrace:
    """The trace of an uploaded file; TraceError with one sentence of bounded length otherwise."""
    trace = read_upload(path, TextTrace.load)
    if not _hangs_together(trace):
        raise TraceError("The events of this trace do not belong to its trees: it cannot be shown.")
    if len(trace.events) > MOST_EVENTS or trace.drafted > MOST_NODES or len(trace.prompt) > LONGEST_PROMPT:
        raise TraceError(f"This run {FOREIGN}.")
    if max(map(len, (trace.pair, trace.request.shape, trace.request.children))) > LONGEST_NAME:
        raise TraceError(f"A name in this run {FOREIGN}.")
    return trace


class OpenedText:
    """The run of a trace file: all of it is known, it never goes on, and no model is called."""

    baseline: TreeBaseline | None = None

    def __init__(self, name: str, trace: TextTrace) -> None:
        self.name, self.request, self._trace = name, trace.request, trace
        self.stopped = self.forgotten = False
        self.finished = trace.finished
        self.target_seconds = trace.target_seconds
        self.events = list(trace.events)
        self.frames: list[TreeFrame] = []
        self.header = tree_header(name, trace.pair, trace.request, WINDOW) | {"opened": True}
        tally, began = Tally(), 0
        for index, event in enumerate(self.events):
            tally = tally.after(event)
            began = index if isinstance(event, TreeDrafted) else began
            self.frames.append(tree_frame(index, self.events[began : index + 1], self.request, tally))

    def trace(self) -> TextTrace:
        """The trace of the file."""
        return self._trace

    def token(self, event: int, index: int) -> None:
        """A trace file holds no distributions: there is nothing to tell of other bytes."""

    def shown(self) -> ShownText:
        """The whole of it."""
        return ShownText(self._trace, self.header, tuple(self.frames), None)


def _hangs_together(trace: TextTrace) -> bool:
    """Whether every event speaks of nodes that are there; of a run with violations nobody has looked so far."""
    nodes = 0
    for event in trace.events:
        if isinstance(event, TreeDrafted):
            nodes = len(event.tokens)
            arrays, parents = (event.parents, event.scores, event.probability), event.parents.tolist()
            good = nodes and all(len(array) == nodes for array in arrays) and parents.count(-1) == 1
            good = good and all(-1 <= parent < node for node, parent in enumerate(parents))
        elif isinstance(event, TreeCall):
            good = all(len(array) == nodes for array in (event.probability, event.entropy, event.likeliest))
        elif isinstance(event, ChildJudged):
            good = 0 <= event.parent < event.node < nodes
        elif isinstance(event, BonusToken):
            good = 0 <= event.node < nodes
        elif isinstance(event, TreeCommit):
            good = all(0 < node < nodes for node in event.path.tolist()) and len(event.tokens)
        else:
            good = isinstance(event, Violation) or len(event.tokens)
        if not good:
            return False
    return isinstance(trace.events[0], PromptRead)
