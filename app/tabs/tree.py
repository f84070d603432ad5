"""The Tree tab: the controls on the left, the stage on the right, and who calls whom."""

from collections.abc import Callable, Iterator

import gradio as gr

from app.address import Address
from app.choices import NO_FAULT
from app.session import Payload, Visit, new_visit
from app.stage import build_tree_stage
from app.tabs.scales import CALLING, FORGET_AFTER, ROLL
from app.tabs.share import Share
from app.tree.address import names_tree, read_tree_address
from app.tree.choices import EXPANSIONS, LONGEST_TEXT, MOST_NODES, VERIFICATIONS
from app.tree.exports import TREE_EXPORTS, text_file_name
from app.tree.session import TreeVisits
from sdvar_core import CHILDREN, TREE_FAULTS, TREE_SHAPES, SDVARError, generate_text

ORDER = ("prompt", "topk", "steps", "expansion", "nodes", "temperature", "seed", "length", "verification", "children",
         "shape")  # fmt: skip
NOTES = {
    "prompt": "The text to go on with, read as UTF-8 bytes. Empty: the start of a file.",
    "seed": "All luck of a run comes from this number; at temperature 0 there is none.",
    "topk": "Bytes that the draft guesses after each node that it goes on from.",
    "steps": "Levels of the tree. 0: the target alone.",
    "nodes": "Keep only the best so many nodes of the tree. 0: all, of which there may be 512.",
    "temperature": "0: always the likeliest byte. Higher: the draw is wilder.",
    "length": "Bytes to write after the prompt.",
    "fault": "Switch on one mistake for the next run, and see which invariants notice it.",
}
NUMBERS = ("target_calls", "baseline_calls", "call_reduction", "draft_calls", "drafted", "accepted", "acceptance_rate",
           "mean_accepted_length", "mean_length_with_bonus", "draft_seconds", "target_seconds")  # fmt: skip
TELL_STAGE = "(...settings) => { if (window.sdvarTree) window.sdvarTree.settings(settings); }"
PRIVATE = {"show_progress": "hidden", "api_visibility": "private"}
QUIET = {"queue": False, **PRIVATE}


def build_tree(page: gr.Blocks, tabs: gr.Tabs, tab: gr.Tab, visits: TreeVisits) -> None:
    """Lay out the tab inside ``page`` and wire it; its models are loaded when the first visitor opens it."""
    visit = gr.State(None, time_to_live=FORGET_AFTER, delete_callback=lambda visit: visit and leave(visit))
    with gr.Row(elem_id="tree", equal_height=False):
        with gr.Column(elem_id="tree-rail", min_width=248, scale=0):
            settings, fault = _controls()
            share = Share(TREE_EXPORTS, text_file_name, prefix="tree-")
            with gr.Column(elem_id="tree-actions"):
                buttons = _buttons()
        with gr.Column(elem_id="tree-stage-column", min_width=320, scale=1):
            stage = build_tree_stage([*ORDER], visits.frames, visits.token)
    _wire(visits, visit, [*settings.values(), fault], buttons, stage)
    share.wire(visits, visit, stage, CALLING)
    _wire_opening(page, tabs, tab, visits, visit, settings, stage)

    def leave(visit: Visit) -> None:
        visits.forget(visit)
        share.clear(visit)


def _controls() -> tuple[dict[str, gr.components.Component], gr.Dropdown]:
    """One control a setting, in the order of ``ORDER``, and the one of the fault."""
    prompt = gr.Textbox(
        "def __init__(self, ", label="Prompt", info=NOTES["prompt"], elem_id="tree-prompt", lines=2, max_lines=5
    )
    topk = _slider("topk", "Guesses per node: topk", (1, 8, 1), 4)
    steps = _slider("steps", "Steps", (0, 8, 1), 3)
    expansion = _menu("expansion", "Expansion", list(EXPANSIONS), "full", EXPANSIONS)
    nodes = _slider("nodes", "Best nodes kept", (0, MOST_NODES, 1), 24)
    temperature = _slider("temperature", "Temperature", (0, 2, 0.05), 0)
    with gr.Row(elem_id="tree-seed-row"):
        seed = gr.Number(7, label="Seed", info=NOTES["seed"], elem_id="tree-seed")
        roll = gr.Button("Roll a new seed", elem_id="tree-roll", min_width=36, scale=0)
    roll.click(None, None, seed, js=ROLL, api_visibility="private")
    length = _slider("length", "Bytes to write", (1, LONGEST_TEXT, 1), 120)
    with gr.Accordion("Verification and shape", open=False, elem_id="verifying", elem_classes="folded"):
        forms = [("tree pass", "tree"), ("node by node", "nodes")]
        verification = _menu("verification", "Verification", forms, "tree", VERIFICATIONS)
        sentences = {name: way.sentence for name, way in CHILDREN.items()}
        children = _menu("children", "Children", list(CHILDREN), "likeliest", sentences)
        sentences = {name: shape.sentence for name, shape in TREE_SHAPES.items()}
        shape = _menu("shape", "Shape control", list(TREE_SHAPES), "fixed", sentences)
    with gr.Accordion("Break it", open=False, elem_id="tree-break-it", elem_classes="folded"):
        names = [("None", NO_FAULT), *((name, name) for name in TREE_FAULTS)]
        sentences = {NO_FAULT: NOTES["fault"]} | {name: fault.sentence for name, fault in TREE_FAULTS.items()}
        fault = _menu("fault", "Fault", names, NO_FAULT, sentences)
    values = (prompt, topk, steps, expansion, nodes, temperature, seed, length, verification, children, shape)
    for control in (*values, fault):
        # Gradio's own range checks would answer first: TextRequest answers wrong values with one sentence of ours.
        control.preprocess = lambda value: value
    return dict(zip(ORDER, values, strict=True)), fault


def _slider(name: str, label: str, bounds: tuple[float, float, float], value: float) -> gr.Slider:
    least, most, step = bounds
    return gr.Slider(
        least, most, value=value, step=step, label=label, info=NOTES[name], elem_id=f"tree-{name}", buttons=[]
    )


def _menu(name: str, label: str, choices: list, value: str, sentences: dict[str, str]) -> gr.Dropdown:
    """A menu with one line for what is chosen."""
    menu = gr.Dropdown(choices, value=value, label=label, info=sentences[value], elem_id=f"tree-{name}",
                       elem_classes="noted", filterable=False)  # fmt: skip

    def explain(chosen: object) -> dict:
        known = isinstance(chosen, str) and chosen in sentences
        return gr.update(info=sentences[chosen]) if known else gr.skip()

    menu.change(explain, menu, menu, **QUIET)
    return menu


def _buttons() -> dict[str, gr.Button]:
    generate = gr.Button("Generate", variant="primary", elem_id="tree-generate")
    with gr.Row(elem_id="tree-small-buttons"):
        names = ("Step", "Stop", "Reset")
        small = {name.lower(): gr.Button(name, elem_id=f"tree-{name.lower()}", min_width=60) for name in names}
    return {"generate": generate, **small}


def _wire(visits: TreeVisits, visit: gr.State, settings: list, buttons: dict, stage: gr.HTML) -> None:
    def run(visit: Visit | None, *values) -> Iterator[tuple[Payload, Visit]]:
        yield from visits.generate(visit or new_visit(), _as_settings(values))

    def step(visit: Visit | None, *values) -> Iterator[tuple[Payload, Visit]]:
        yield from visits.step(visit or new_visit(), _as_settings(values))

    def forward(visit: Visit | None) -> Iterator[tuple[Payload, Visit]]:
        yield from visits.forward(visit or new_visit())

    def compare(visit: Visit | None) -> Iterator[tuple[Payload, Visit]]:
        yield from visits.compare(visit or new_visit())

    def stop(visit: Visit | None) -> None:
        visits.stop(visit or new_visit())

    def reset(visit: Visit | None) -> tuple[Payload, Visit]:
        return visits.reset(visit or new_visit())

    outputs = [stage, visit]
    for asked in (buttons["generate"].click, stage.generate):
        made = asked(run, [visit, *settings], outputs, **CALLING, **PRIVATE)
        made.then(compare, visit, outputs, **CALLING, **PRIVATE)
    # Presses that come faster than events wait their turn.
    buttons["step"].click(step, [visit, *settings], outputs, trigger_mode="multiple", **CALLING, **PRIVATE)
    stage.forward(forward, visit, outputs, trigger_mode="multiple", **CALLING, **PRIVATE)
    buttons["stop"].click(stop, visit, None, **QUIET)
    buttons["reset"].click(reset, visit, outputs, **QUIET)
    for control in settings:
        control.change(None, settings, None, js=TELL_STAGE, api_visibility="private")


def _wire_opening(
    page: gr.Blocks, tabs: gr.Tabs, tab: gr.Tab, visits: TreeVisits, visit: gr.State, settings: dict, stage: gr.HTML
) -> None:
    """When the page opens on this tab: the address's settings into the controls, and its run onto the stage. When the
    tab is opened: whether there are models."""
    defaults, asked = {name: control.value for name, control in settings.items()}, gr.State(None)

    def read(request: gr.Request) -> list:
        address = read_tree_address(request.query_params, defaults)
        here = gr.Tabs(selected="tree") if names_tree(request.query_params) else gr.skip()
        return [here, *(address.settings.get(name, gr.skip()) for name in ORDER), address]

    def show(visit: Visit | None, address: Address) -> Iterator[tuple[Payload, Visit]]:
        visit = visit or new_visit()
        if address.event is not None:
            for payload, moved in visits.restore(visit, defaults | address.settings, address.event):
                visit = moved
                yield payload, moved
            yield from visits.compare(visit)
        if address.notice:
            yield visits.payload(visit, notice=address.notice), visit

    def greet(visit: Visit | None) -> Payload:
        return visits.greet(visit or new_visit()) or gr.skip()

    outputs = [stage, visit]
    opened = page.load(read, None, [tabs, *settings.values(), asked], **QUIET)
    opened.then(show, [visit, asked], outputs, **CALLING, **PRIVATE)
    tab.select(greet, visit, stage, **CALLING, **PRIVATE)


def _as_settings(values: tuple) -> dict:
    """The settings by name, and the fault."""
    return dict(zip((*ORDER, "fault"), values, strict=True))


def generate_text_endpoint(visits: TreeVisits) -> Callable[..., dict]:
    """The function behind the named endpoint ``/generate_text``."""

    def write_text(
        prompt: str,
        length: int = 120,
        topk: int = 4,
        steps: int = 3,
        expansion: str = "full",
        nodes: int = 24,
        temperature: float = 0.0,
        seed: int = 0,
        verification: str = "tree",
        children: str = "likeliest",
        shape: str = "fixed",
    ) -> dict:
        """Continue a prompt by so many bytes: the text and the numbers of its run. Nodes 0 keeps the whole tree."""
        values = (prompt, topk, steps, expansion, nodes, temperature, seed, length, verification, children, shape)
        try:
            trace = generate_text(visits.pair, visits.asked(dict(zip(ORDER, values, strict=True))).request)
        except SDVARError as error:
            raise gr.Error(str(error), print_exception=False) from error
        return {"text": trace.text, "bytes": list(trace.written)} | {name: getattr(trace, name) for name in NUMBERS}

    return write_text
