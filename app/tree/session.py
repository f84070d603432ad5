"""Visitors of the Tree tab and their text runs: the visits of the Scales tab with another kind of run."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from app.choices import Asked
from app.session import MOST_RUNS, Payload, Visits
from app.tree.choices import asked_text
from app.tree.opened import OpenedText, read_text_file
from app.tree.run import TextRun
from app.visit import SoundRuns, Visit
from sdvar_core import SDVARError, TextPair, TextRequest, TextTrace, decode_text, text_trace_of

NO_BYTES = "A trace file does not hold what the models thought of other bytes."


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

    live = TextRun
    finished_notice = "This text is finished: walk through it with the arrow keys, or press Reset to make it again."

    def __init__(self, pair_loader: Callable[[], TextPair], most_runs: int = MOST_RUNS) -> None:
        super().__init__(pair_loader, most_runs)
        self._sound = SoundTexts()

    def asked(self, settings: dict) -> Asked:
        """What the controls ask for."""
        return asked_text(settings)

    def begun(self, name: str, asked: Asked, origin: None = None) -> TextRun:
        """A new run; there are no forks of texts."""
        return TextRun(name, self.pair, asked.request, asked.fault)

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
