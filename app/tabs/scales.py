"""The Scales tab: the controls on the left, the stage on the right, and who calls whom."""

import base64
import io
from collections.abc import Callable, Iterator

import gradio as gr
from PIL import Image

from app.address import Address, read_address
from app.choices import FURTHER, OPTIONS
from app.menu import MODELS, Menu
from app.session import Payload, Visit, Visits, new_visit
from app.stage import build_stage
from app.tabs import further
from app.tabs.models import ModelControls
from app.tabs.share import Share
from sdvar_core import RULES, Outline, Request, SDVARError, Trace, generate

ORDER = ("label", "seed", "rule", "gamma", "draft_length", "guidance", "temperature", "top_k", "top_p",
         "carry_over")  # fmt: skip
CALLING = {"concurrency_id": "models", "concurrency_limit": 1}
MOST_TILES = 20
FORGET_AFTER = 3600  # seconds without an event
NOTES = {
    "gamma": "The draft guesses this many scales, then one target call checks them. 0: the target alone.",
    "guidance": "How strongly the world's name pulls. 0: the name is not used.",
    "temperature": "Below 1 likely codes get likelier; above 1 the draw is wilder.",
    "top-k": "Draw among the k likeliest codes only. 0: all codes.",
    "top-p": "Draw among the likeliest codes that together have this share. 1: all.",
}
ROLL = "() => Math.floor(Math.random() * 100000)"
TELL_STAGE = "(world, name, ...rest) => { if (window.sdvar) window.sdvar.settings([world ?? name, ...rest]); }"


def build_scales(page: gr.Blocks, visits: Visits, about: gr.HTML) -> None:
    """Lay out the tab inside ``page`` and wire it. about: the line of the title bar that says what runs here."""
    visit = gr.State(None, time_to_live=FORGET_AFTER, delete_callback=lambda visit: visit and leave(visit))
    with gr.Row(elem_id="scales", equal_height=False):
        with gr.Column(elem_id="rail", min_width=248, scale=0):
            classes = _classes(visits.pair)
            settings, models = _controls(visits)
            share = Share()
            with gr.Column(elem_id="actions"):
                buttons = _buttons()
        with gr.Column(elem_id="stage-column", min_width=320, scale=1):
            answers = {name: getattr(visits, name) for name in ("frames", "picture", "token", "swatches")}
            stage = build_stage(visits.pair, [*ORDER, *FURTHER], answers)
    models.wire(about, settings["gamma"], settings["top_k"], settings["handover"])
    _wire_classes(visits.menu, classes, models)
    _wire(visits, visit, [*classes, *settings.values()], buttons, stage)
    _wire_sides(visits, visit, stage)
    share.wire(visits, visit, stage, CALLING)
    _wire_address(page, visits, visit, classes, settings, stage)

    def leave(visit: Visit) -> None:
        visits.forget(visit)
        share.clear(visit)


def _controls(visits: Visits) -> tuple[dict[str, gr.components.Component], ModelControls]:
    """One control a setting but the first, in the order of ``ORDER`` and ``FURTHER``."""
    defaults, pair = Request(), visits.pair
    with gr.Row(elem_id="seed-row"):
        seed = gr.Number(7, label="Seed", info="All luck of a run comes from this number.", elem_id="seed")
        roll = gr.Button("Roll a new seed", elem_id="roll", min_width=36, scale=0)
    roll.click(None, None, seed, js=ROLL, api_visibility="private")
    rule = gr.Dropdown(
        further.rule_names(),
        value=defaults.rule,
        label="Rule",
        info=RULES[defaults.rule].sentence,
        elem_id="rule",
        filterable=False,
    )
    gamma = _slider("gamma", "Scales guessed per call γ", (0, len(pair.schedule) - 1, 1), 3)
    guidance = _slider("guidance", "Guidance", (0, 5, 0.1), defaults.guidance)
    temperature = _slider("temperature", "Temperature", (0.1, 2, 0.05), defaults.temperature)
    with gr.Accordion("Rule, γ and sampling", open=False, elem_id="sampling", elem_classes="folded"):
        options = further.option_controls()
        length = further.draft_length_control()
        top_k = _slider("top-k", "Top-k", (0, pair.codes, 1), defaults.top_k)
        top_p = _slider("top-p", "Top-p", (0.05, 1, 0.05), defaults.top_p)
        carry = further.carry_over_control()
    further.wire_rule(rule, options)
    plan, handover, fault = *further.plan_controls(pair), further.fault_control()
    models = ModelControls(visits.menu)
    values = (seed, rule, gamma, length, guidance, temperature, top_k, top_p, carry,
              plan, handover, fault, *models.controls(), *options)  # fmt: skip
    for control in values:
        _take_as_it_is(control)
    return dict(zip((*ORDER[1:], *FURTHER), values, strict=True)), models


def _take_as_it_is(control: gr.components.Component) -> None:
    """Gradio's own checks would answer first: Request answers wrong values with one sentence of ours."""
    control.preprocess = lambda value: value


def _classes(pair: Outline) -> tuple[gr.Radio, gr.Dropdown]:
    """A few worlds are pictures to click on (see page.css); a thousand classes are names to search. One of the two is
    shown, and the other's value is None."""
    info, (worlds, names) = "What the picture shows.", _classes_of(pair, pair.class_names[0])
    world = gr.Radio(label="World", info=info, elem_id="world", **worlds)
    name = gr.Dropdown(label="Class", info=f"{info} Type to search.", elem_id="class", elem_classes=further.STATIC,
                       **names)  # fmt: skip
    for control in (world, name):
        _take_as_it_is(control)
    return world, name


def _classes_of(pair: Outline, chosen: str) -> tuple[dict, dict]:
    """What the pictures, and what the names to search are for a pair of which one class is chosen."""
    gone = {"choices": [], "value": None, "visible": False}
    if len(pair.class_names) <= MOST_TILES:
        return {"choices": list(pair.class_names), "value": chosen, "visible": True}, gone
    # As they are, "file" and "radio" would be keys of Gradio's own translations.
    shown = [(name[:1].upper() + name[1:], name) for name in pair.class_names]
    return gone, {"choices": shown, "value": chosen, "visible": True}


def _wire_classes(menu: Menu, classes: tuple[gr.Radio, gr.Dropdown], models: ModelControls) -> None:
    """Another pair may know other classes. Only a visitor's own choice: what the address restores brings its class."""

    def show(pair: object, world: object, name: object) -> list:
        try:
            outline, chosen = menu.outline({"pair": pair}), name if world is None else world
        except SDVARError:
            return [gr.skip(), gr.skip()]
        if chosen not in outline.class_names:
            chosen = outline.class_names[0]
        return [gr.update(**one) for one in _classes_of(outline, chosen)]

    models.pair.input(show, [models.pair, *classes], list(classes), trigger_mode="always_last", **further.QUIET)


def _slider(name: str, label: str, bounds: tuple[float, float, float], value: float) -> gr.Slider:
    least, most, step = bounds
    return gr.Slider(least, most, value=value, step=step, label=label, info=NOTES[name], elem_id=name, buttons=[])


def _buttons() -> dict[str, gr.Button]:
    generate_button = gr.Button("Generate", variant="primary", elem_id="generate")
    with gr.Row(elem_id="small-buttons"):
        step = gr.Button("Step", elem_id="step", min_width=60)
        stop = gr.Button("Stop", elem_id="stop", min_width=60)
        reset = gr.Button("Reset", elem_id="reset", min_width=60)
    return {"generate": generate_button, "step": step, "stop": stop, "reset": reset}


def _wire(visits: Visits, visit: gr.State, settings: list, buttons: dict, stage: gr.HTML) -> None:
    def run(visit: Visit | None, *values) -> Iterator[tuple[Payload, Visit]]:
        yield from visits.generate(visit or new_visit(), _as_settings(values))

    def step(visit: Visit | None, *values) -> Iterator[tuple[Payload, Visit]]:
        yield from visits.step(visit or new_visit(), _as_settings(values))

    def forward(visit: Visit | None) -> Iterator[tuple[Payload, Visit]]:
        yield from visits.forward(visit or new_visit())

    def stop(visit: Visit | None) -> None:
        visits.stop(visit or new_visit())

    def reset(visit: Visit | None) -> tuple[Payload, Visit]:
        return visits.reset(visit or new_visit())

    private = {"show_progress": "hidden", "api_visibility": "private"}
    outputs = [stage, visit]
    for asked in (buttons["generate"].click, stage.generate):
        asked(run, [visit, *settings], outputs, **CALLING, **private).then(
            _compare(visits), visit, outputs, **CALLING, **private
        )
    # Presses that come faster than events wait their turn.
    buttons["step"].click(step, [visit, *settings], outputs, trigger_mode="multiple", **CALLING, **private)
    stage.forward(forward, visit, outputs, trigger_mode="multiple", **CALLING, **private)
    buttons["stop"].click(stop, visit, None, queue=False, **private)
    buttons["reset"].click(reset, visit, outputs, queue=False, **private)
    for control in settings:
        control.change(None, settings, None, js=TELL_STAGE, api_visibility="private")


def _wire_sides(visits: Visits, visit: gr.State, stage: gr.HTML) -> None:
    """Two runs side by side: a fork of the one that is shown, or whatever comes next."""

    def fork(visit: Visit | None, wish: gr.EventData) -> Iterator[tuple[Payload, Visit]]:
        yield from visits.fork(visit or new_visit(), wish._data)

    def beside(visit: Visit | None) -> tuple[Payload, Visit]:
        return visits.beside(visit or new_visit())

    def choose(visit: Visit | None, wish: gr.EventData) -> tuple[Payload, Visit]:
        side = wish._data.get("side") if isinstance(wish._data, dict) else None
        return visits.choose(visit or new_visit(), side)

    private = {"show_progress": "hidden", "api_visibility": "private"}
    outputs = [stage, visit]
    forked = stage.fork(fork, visit, outputs, **CALLING, **private)
    forked.then(_compare(visits), visit, outputs, **CALLING, **private)
    stage.beside(beside, visit, outputs, **CALLING, **private)
    stage.choose(choose, visit, outputs, **CALLING, **private)


def _wire_address(
    page: gr.Blocks, visits: Visits, visit: gr.State, classes: tuple, settings: dict, stage: gr.HTML
) -> None:
    """When the page opens: the address's settings into the controls, and its run onto the stage."""
    # Without the options: each has the default of the rule that the address names. Without models: they are the first.
    defaults = {name: control.value for name, control in settings.items() if name not in (*OPTIONS, *MODELS)}
    defaults["label"] = visits.pair.class_names[0]
    asked = gr.State(None)

    def read(request: gr.Request) -> list:
        address = read_address(request.query_params, defaults, visits.menu)
        shown = [gr.skip(), gr.skip()]
        if "label" in address.settings:
            outline = visits.menu.outline(address.settings)
            shown = [gr.update(**one) for one in _classes_of(outline, address.settings["label"])]
        return [*shown, *(further.restored(name, address.settings) for name in settings), address]

    def show(visit: Visit | None, address: Address) -> Iterator[tuple[Payload, Visit]]:
        visit = visit or new_visit()
        if address.event is not None or address.forks:
            event = address.event or address.forks[-1].event + 1
            for payload, moved in visits.restore(visit, defaults | address.settings, event, address.forks):
                visit = moved
                yield payload, moved
        if address.notice:
            yield visits.payload(visit, notice=address.notice), visit

    private = {"show_progress": "hidden", "api_visibility": "private"}
    outputs = [stage, visit]
    opened = page.load(read, None, [*classes, *settings.values(), asked], queue=False, **private)
    shown = opened.then(show, [visit, asked], outputs, **CALLING, **private)
    shown.then(_compare(visits), visit, outputs, **CALLING, **private)


def _compare(visits: Visits) -> Callable[[Visit | None], Iterator[tuple[Payload, Visit]]]:
    def compare(visit: Visit | None) -> Iterator[tuple[Payload, Visit]]:
        yield from visits.compare(visit or new_visit())

    return compare


def _as_settings(values: tuple) -> dict:
    """The settings by name; the first two values are the world and the class, of which one is None."""
    world, name, *rest = values
    return dict(zip((*ORDER, *FURTHER), [name if world is None else world, *rest], strict=True))


def generate_endpoint(visits: Visits) -> Callable[..., dict]:
    """The function behind the named endpoint ``/generate``."""

    def generate_picture(
        world: str,
        seed: int = 0,
        gamma: int = 2,
        rule: str = "coupled",
        draft_length: str = "fixed",
        guidance: float = 1.5,
        temperature: float = 1.0,
        top_k: int = 0,
        top_p: float = 1.0,
        carry_over: str | bool = "off",
    ) -> dict:
        """Decode one picture: a PNG data URL and the numbers of its run. World is a name or an index."""
        values = (world, seed, rule, gamma, draft_length, guidance, temperature, top_k, top_p, carry_over)
        try:
            return _answer(generate(visits.pair, Request(**dict(zip(ORDER, values, strict=True)))))
        except SDVARError as error:
            raise gr.Error(str(error), print_exception=False) from error

    return generate_picture


def _answer(trace: Trace) -> dict:
    buffer = io.BytesIO()
    Image.fromarray(trace.pictures[0]).save(buffer, "PNG")
    return {
        "picture": "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii"),
        "target_calls": trace.target_calls,
        "baseline_calls": trace.baseline_calls,
        "call_reduction": trace.call_reduction,
        "draft_calls": trace.draft_calls,
        "kept": trace.kept,
        "judged": trace.judged,
        "acceptance_rate": trace.acceptance_rate,
        "draft_seconds": trace.draft_seconds,
        "target_seconds": trace.target_seconds,
        "tokens": [tokens[0].tolist() for tokens in trace.tokens],
    }
