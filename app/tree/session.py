"""Visitors of the Tree tab and their text runs: the visits of the Scales tab with another kind of run."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from app.choices import Asked
from app.opened import FOREIGN, LARGEST_UPLOAD, LONGEST_NAME, LONGEST_SENTENCE, clipped
from app.session import CHEAP, MOST_RUNS, Payload, Visits
from app.tree.choices import LONGEST_PROMPT, asked_text
from app.tree.run import OpenedText, TextRun
from app.visit import SoundRuns, Visit
from sdvar_core import (
    BonusToken,
    ChildJudged,
    PromptRead,
    SDVARError,
    TextPair,
    TextRequest,
    TextTrace,
    TraceError,
    TreeCall,
    TreeCommit,
    TreeDrafted,
    Violation,
    decode_text,
    text_trace_of,
)

NO_BYTES = "A trace file does not hold what the models thought of other bytes."
MOST_EVENTS, MOST_NODES = 10_000, 100_000  # of a trace file, the nodes of all trees together


class SoundTexts(SoundRuns):
    """What the sound engine makes of text requests."""

    def alone(self, run: TextRun) -> TextTrace | None:
        """The text of the target alone; None if the visitor stopped or left meanwhile."""
        alone = replace(run.request, steps=0, topk=1, nodes=None, expansion="linear", verification="tree")
        return self._of(run, replace(alone, children="likeliest", shape="fixed"))

    def sound(self, run: TextRun) -> TextTrace | None:
        """The run of the same request; None if the visitor stopped or left meanwhile."""
        return self._of(run, run.request)

    def _made(self, run: TextRun, request: TextRequest) -> TextTrace | None:
        events = []
        for event in decode_text(run.pair, request, watch="none"):
            events.append(event)
            if run.stopped:
                return None
        return text_trace_of(run.pair, request, events)


class TreeVisits(Visits):
    """Every visitor's text run on one pair of language models, which is loaded when the first of them needs it."""

    finished_notice = "This text is finished: walk through it with the arrow keys, or press Reset to make it again."

    def __init__(self, pair_loader: Callable[[], TextPair], most_runs: int = MOST_RUNS) -> None:
        super().__init__(pair_loader, most_runs)
        self._sound = SoundTexts()

    def asked(self, settings: dict) -> Asked:
        """What the controls ask for."""
        return asked_text(settings)

    def begun(self, name: str, request: TextRequest, fault: str | None, origin: None = None) -> TextRun:
        """A new run; there are no forks of texts."""
        return TextRun(name, self.pair, request, fault)

    def opened(self, name: str, path: Path) -> OpenedText:
        """The run of a trace file."""
        return OpenedText(name, read_text_file(path))

    def greet(self, visit: Visit) -> Payload | None:
        """What to say to a visitor who opens the tab: nothing, or why there are no models and how to get them."""
        try:
            self.pair  # noqa: B018 – loads it
        except SDVARError as error:
            return self.payload(visit, notice=str(error))
        return None

    def token(self, name: object, event: object, index: object) -> dict:
        """The likeliest bytes at a node of the tree of that call, with exact p and q."""
        answer = super().token(name, event, index)
        opened = isinstance(name, str) and isinstance(self._runs.named(name), OpenedText)
        return {"notice": NO_BYTES} if opened else answer

    def compare(self, visit: Visit) -> Iterator[tuple[Payload, Visit]]:
        """After the end of a run: how it compares with the target alone, if that is cheap to know."""
        run = self._runs.of(visit.handle).run
        if not isinstance(run, TextRun) or not run.finished or run.baseline or run.target_seconds > CHEAP:
            return
        alone, sound = self._sound.alone(run), self._sound.sound(run) if run.fault else None
        if alone is not None and (sound is not None or not run.fault) and not run.forgotten:
            run.baseline = run.compared_with(alone, sound)
            yield self.payload(visit, run, visit.count), visit


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


def read_text_file(path: Path) -> TextTrace:
    """The trace of an uploaded file; TraceError with one sentence of bounded length otherwise."""
    try:
        if path.stat().st_size > LARGEST_UPLOAD:
            raise TraceError(
                f"This file is larger than {LARGEST_UPLOAD >> 20} MiB, too large for a trace of this page."
            )
        trace = TextTrace.load(path)
    except OSError as error:
        raise TraceError(f"The file cannot be read: {error.strerror}.") from error
    except SDVARError as error:
        raise TraceError(clipped(" ".join(str(error).split()), LONGEST_SENTENCE)) from error
    if not trace.events:
        raise TraceError("The trace holds no event: there is nothing to show.")
    if not _hangs_together(trace):
        raise TraceError("The events of this trace do not belong to its trees: it cannot be shown.")
    if len(trace.events) > MOST_EVENTS or trace.drafted > MOST_NODES or len(trace.prompt) > LONGEST_PROMPT:
        raise TraceError(f"This run {FOREIGN}.")
    if max(map(len, (trace.pair, trace.request.shape, trace.request.children))) > LONGEST_NAME:
        raise TraceError(f"A name in this run {FOREIGN}.")
    return trace
