"""The stage as a Gradio component: constant HTML and CSS, and JavaScript that draws frames."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path

import gradio as gr

from app.frames import VERSION
from app.menu import choice_of
from app.stage.bundle import bundle, markup
from app.stage.replay import TREE
from app.tree.frames import VERSION as TREE_VERSION
from sdvar_core import RULES, Pair

HERE = Path(__file__).parent

Question = list
"""[run name, first, stop]: which frames the page lacks. [run name, event, index]: which token is meant."""


Answer = Callable[[object, object, object], dict]
"""Answers a question of the page after checking every part of it."""


def build_stage(pair: Pair, order: list[str], answers: Mapping[str, Answer]) -> gr.HTML:
    """The component that draws the run whose payloads it is given as values; see ``Visits.payload``.

    order: the names of the settings as the page gives them. answers: to ``frames``, ``picture``, ``token`` and
    ``swatches``, see ``Answers``.
    Events: ``generate`` (the key g), ``forward`` (one event more, asked for at the end of what there is), ``fork`` (see
    ``choices.forked_as``), ``beside`` (keep this run on the left) and ``choose`` (``side``: the run to go on with).
    A function and not a subclass of gr.HTML, because Gradio writes a .pyi file beside every subclass.
    """

    idle = {"version": VERSION, "run": None, "pair": pair.name, "sides": list(pair.schedule.sides),
            "codes": pair.codes, "baseline_calls": len(pair.schedule), "order": order,
            "rules": known_rules(), "models": asdict(choice_of(pair))}  # fmt: skip
    return gr.HTML(
        value=None,
        html_template=markup(HERE, "stage.html"),
        css_template=(HERE / "stage.css").read_text(encoding="utf-8"),
        js_on_load=bundle(HERE, "main.js"),
        apply_default_css=False,
        server_functions=[_server_function(name, answer) for name, answer in answers.items()],
        elem_id="stage",
        idle=idle,
    )


def build_tree_stage(order: list[str], missing: Answer, token: Answer) -> gr.HTML:
    """The stage of the Tree tab; order, missing and token as for ``build_stage``. No models are needed for it."""
    rules = ((HERE / name).read_text(encoding="utf-8") for name in TREE.sheets)
    idle = {"version": TREE_VERSION, "run": None, "pair": "", "window": 0, "baseline_calls": 0, "order": order}
    return gr.HTML(
        value=None,
        html_template=markup(HERE, TREE.page),
        css_template="\n".join(rules),
        js_on_load=bundle(HERE, TREE.entry),
        apply_default_css=False,
        server_functions=[_server_function("frames", missing), _server_function("token", token)],
        elem_id="tree-stage",
        idle=idle,
    )


def known_rules() -> list[dict]:
    """The rules as the page needs to know them: for the form of a fork, and to say only the options that matter."""
    return [
        {
            "name": rule.name,
            "sentence": rule.sentence,
            "exact": rule.exact,
            "whole": rule.whole,
            "options": [{"name": name, **asdict(option)} for name, option in rule.options.items()],
        }
        for rule in RULES.values()
    ]


def _server_function(name: str, answer: Answer) -> Callable[[object], dict]:
    """``answer`` as Gradio wants it: one argument, and the name that the page calls it by."""

    def asked(question: object) -> dict:
        if not isinstance(question, list) or len(question) != 3:
            return {"notice": "The page asked for something that cannot be."}
        return answer(*question)

    asked.__name__ = name
    return asked
