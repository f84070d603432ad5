"""The folded controls of the Scales tab: options of the rule, phases, and what to break."""

from dataclasses import dataclass

import gradio as gr

from app.choices import NO_FAULT, OPTIONS, PLANS, TO_THE_END
from sdvar_core import CARRY_OVERS, DRAFT_LENGTHS, FAULTS, RULES, Pair, Request, Rule

STATIC = "noted"  # a control whose note is always shown
SMALL = 1.0  # options up to this are sliders
HANDOVER = "With a plan of two parts: the second part begins with this scale."
QUIET = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
START = Request()


@dataclass(frozen=True)
class Labelled:
    """What a slider or a number field shows for an option of a rule."""

    label: str
    info: str
    value: float
    minimum: float
    maximum: float
    visible: bool


def labelled(name: str, rule: str) -> Labelled:
    """The option ``name`` as the rule has it; not visible where the rule has none of that name."""
    option = RULES[rule].options.get(name)
    if option is None:
        return Labelled(_label(name), "", 0.0, 0.0, 1.0, False)
    return Labelled(_label(name), option.sentence, option.default, option.least, option.most, True)


def option_controls() -> list[gr.components.Component]:
    """One control for each name an option can have; those of the first rule are shown."""
    return [_option_control(name) for name in OPTIONS]


def _option_control(name: str) -> gr.components.Component:
    shown, share = labelled(name, START.rule), all(_most(rule, name) <= SMALL for rule in RULES.values())
    common = {"value": shown.value, "label": shown.label, "info": shown.info, "visible": shown.visible,
              "elem_id": f"option-{name.replace('_', '-')}", "elem_classes": STATIC}  # fmt: skip
    if share:
        return gr.Slider(0.0, SMALL, step=0.01, buttons=[], **common)
    return gr.Number(**common)


def _most(rule: Rule, name: str) -> float:
    return rule.options[name].most if name in rule.options else 0.0


def _label(name: str) -> str:
    return f"Rule option: {name.replace('_', ' ')}"


def draft_length_control() -> gr.Dropdown:
    """How γ changes during a run, with one line for the chosen controller."""
    chosen = DRAFT_LENGTHS[START.draft_length]
    control = gr.Dropdown(list(DRAFT_LENGTHS), value=chosen.name, label="γ control", info=chosen.sentence,
                          elem_id="draft-length", elem_classes=STATIC, filterable=False)  # fmt: skip
    control.change(lambda name: _note(DRAFT_LENGTHS, name), control, control, **QUIET)
    return control


def carry_over_control() -> gr.Dropdown:
    """What becomes of the target's stale answers, with one line for the chosen way."""
    chosen = START.carry_over
    control = gr.Dropdown(list(CARRY_OVERS), value=chosen, label="Carry over", info=_carried(chosen),
                          elem_id="carry-over", elem_classes=STATIC, filterable=False)  # fmt: skip
    control.change(lambda way: gr.update(info=_carried(way)), control, control, **QUIET)
    return control


def _carried(way: object) -> str:
    told = CARRY_OVERS.get(way, "") if isinstance(way, str) else ""
    return f"The target's answers that a correction made stale. {told}"


def plan_controls(pair: Pair) -> list[gr.components.Component]:
    """Who draws which scales, in an accordion of its own."""
    scales = len(pair.schedule)
    with gr.Accordion("Phases", open=False, elem_id="phases", elem_classes="folded"):
        plan = gr.Dropdown(list(PLANS), value=TO_THE_END, label="Plan", info=PLANS[TO_THE_END].sentence,
                           elem_id="plan", elem_classes=STATIC, filterable=False)  # fmt: skip
        handover = gr.Slider(1, scales, value=scales // 2 + 1, step=1, label="Scale n", info=HANDOVER, buttons=[],
                             elem_id="handover")  # fmt: skip
    plan.change(lambda name: _note(PLANS, name), plan, plan, **QUIET)
    return [plan, handover]


def fault_control() -> gr.Dropdown:
    """What to break, in an accordion of its own."""
    with gr.Accordion("Break it", open=False, elem_id="break-it", elem_classes="folded"):
        names = [("None", NO_FAULT), *((name, name) for name in FAULTS)]
        fault = gr.Dropdown(names, value=NO_FAULT, label="Fault", info=fault_note(NO_FAULT), elem_id="fault",
                            elem_classes=STATIC, filterable=False)  # fmt: skip
    fault.change(lambda name: gr.update(info=fault_note(name)), fault, fault, **QUIET)
    return fault


def fault_note(name: object) -> str:
    """What a fault is, or what this panel is for."""
    if not isinstance(name, str) or name not in FAULTS:
        return "Switch on one mistake for the next run, and see which invariants notice it."
    return FAULTS[name].sentence


def _note(table: dict, name: object) -> dict:
    return gr.update(info=table[name].sentence) if isinstance(name, str) and name in table else gr.skip()


def wire_rule(rule: gr.Dropdown, options: list[gr.components.Component]) -> None:
    """Another rule shows its own options; an option may cost the rule its exactness, which its name then tells."""

    def show_options(name: object) -> list:
        if not isinstance(name, str) or name not in RULES:
            return [gr.skip()] * (1 + len(options))
        return [gr.update(info=RULES[name].sentence, choices=rule_names()), *(_shown(one, name) for one in OPTIONS)]

    def tell_exactness(name: object, *values) -> dict:
        known = RULES[name].options if isinstance(name, str) and name in RULES else {}
        given = {option: value for option, value in zip(OPTIONS, values, strict=True) if option in known}
        return gr.update(choices=rule_names(name, given))

    # Only a visitor's own choice: what the address restores brings its options along.
    rule.input(show_options, rule, [rule, *options], **QUIET)
    for option in options:
        option.change(tell_exactness, [rule, *options], rule, **QUIET)


def restored(name: str, settings: dict) -> object:
    """What a control becomes when these settings, which fit one another, are restored; they may lack any.

    What they do not touch stays as it is: a visitor may be quicker than the page's address.
    """
    rule = settings.get("rule", START.rule)
    if name == "rule" and name in settings:
        return gr.update(value=rule, info=RULES[rule].sentence, choices=rule_names(rule, _options_of(rule, settings)))
    if name in OPTIONS and not {"rule", *OPTIONS}.isdisjoint(settings):
        return _shown(name, rule) | ({"value": settings[name]} if name in settings else {})
    return settings.get(name, gr.skip())


def _options_of(rule: str, settings: dict) -> dict:
    return {name: settings[name] for name in RULES[rule].options if name in settings}


def _shown(name: str, rule: str) -> dict:
    shown = labelled(name, rule)
    return gr.update(label=shown.label, info=shown.info, value=shown.value, visible=shown.visible)


def rule_names(chosen: object = None, options: dict | None = None) -> list[tuple[str, str]]:
    """What the menu of rules shows, and the name of each; the chosen one with these options."""
    return [
        (f"{rule.name} · exact" if rule.exact_with(options or {} if rule.name == chosen else {}) else
         f"{rule.name} · no longer exact" if rule.exact else rule.name, rule.name)
        for rule in RULES.values()
    ]  # fmt: skip
