"""The stage as a Gradio component: constant HTML and CSS, and JavaScript that draws frames."""

from collections.abc import Callable
from pathlib import Path

import gradio as gr

from app.frames import VERSION
from app.stage.bundle import bundle
from sdvar_core import Pair

HERE = Path(__file__).parent

Question = list
"""[run name, first, stop]: which frames the page lacks."""


def build_stage(pair: Pair, order: list[str], missing: Callable[[object, object, object], dict]) -> gr.HTML:
    """The component that draws the run whose payloads it is given as values; see ``Visits.payload``.

    missing: answers a ``Question`` of the page with frames. order: the names of the settings as the page gives them.
    Events: ``generate`` (the key g) and ``forward`` (one event more, asked for at the end of what there is).
    A function and not a subclass of gr.HTML, because Gradio writes a .pyi file beside every subclass.
    """

    def frames(question: object) -> dict:
        """Frames that the page did not get; what it asks with is checked in ``Visits.frames``."""
        if not isinstance(question, list) or len(question) != 3:
            return {"notice": "The page asked for frames that cannot be."}
        return missing(*question)

    idle = {"version": VERSION, "run": None, "pair": pair.name, "sides": list(pair.schedule.sides),
            "codes": pair.codes, "baseline_calls": len(pair.schedule), "order": order}  # fmt: skip
    return gr.HTML(
        value=None,
        html_template=(HERE / "stage.html").read_text(encoding="utf-8"),
        css_template=(HERE / "stage.css").read_text(encoding="utf-8"),
        js_on_load=bundle(HERE, "main.js"),
        apply_default_css=False,
        server_functions=[frames],
        elem_id="stage",
        idle=idle,
    )
