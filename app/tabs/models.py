"""The folded "Models" section of the rail: which pair draws, where it runs, what it needs, and getting its files."""

import re
from collections.abc import AsyncIterator
from contextlib import aclosing
from html import escape

import gradio as gr

from app.downloads import Downloads
from app.menu import MODELS, Choice, Menu, button_for, choice_of
from app.tabs.further import QUIET, STATIC
from sdvar_core import PAIRS, Needs, Outline, SDVARError, devices, gigabytes, needs

NOTES = {
    "device": "Where the models run.",
    "precision": "Of the large matrices. Judging is in float64 whatever it is.",
}
WATCHING = {"concurrency_id": "downloads", "concurrency_limit": 64, "show_progress": "hidden",
            "api_visibility": "private"}  # fmt: skip
STOPPED = "Stopped. Press the button again: it goes on where it stopped."


class ModelControls:
    """The section: three controls of a run's settings, and a note with a button."""

    def __init__(self, menu: Menu) -> None:
        """Lay out the section inside the current column."""
        self._menu, home = menu, choice_of(menu.first)
        self._downloads, self._watching = Downloads(), {}  # session → whether it shall go on looking
        with gr.Accordion("Models", open=False, elem_id="models", elem_classes="folded") as self._section:
            self.pair = gr.Radio(menu.rows(home.device, home.precision), value=home.pair, label="Pair",
                                 elem_id="pair")  # fmt: skip
            self._note = gr.HTML(_paragraph(PAIRS[home.pair].sentence if home.pair in PAIRS else ""), js_on_load=None,
                                 apply_default_css=False, elem_id="models-note")  # fmt: skip
            self._get = gr.Button("Download", visible=False, elem_id="models-get")
            self._stop = gr.Button("Stop download", visible=False, elem_id="models-stop")
            self.device = _menu("device", dict.fromkeys((home.device, *devices())), home.device)
            self.precision = _menu("precision", menu.precisions(home.pair, home.device), home.precision)

    def controls(self) -> list[gr.components.Component]:
        """In the order of ``MODELS``."""
        return [getattr(self, name) for name in MODELS]

    def wire(self, about: gr.HTML, gamma: gr.Slider, top_k: gr.Slider, handover: gr.Slider) -> None:
        """Keep the section true, and what depends on the pair elsewhere: the line in the title bar, and the ends of
        sliders."""
        asked, section = self.controls(), [self.pair, self.precision, self._note, self._get]
        changed = [self._section.expand, *(control.change for control in asked)]
        # One event for all: the answer to the last of them is the last to arrive.
        everywhere = [*section, about, gamma, top_k, handover]
        gr.on(changed, self._everywhere, asked, everywhere, trigger_mode="always_last", **QUIET)
        self._get.click(self._watch, asked, [*section, self._stop], **WATCHING)
        self._stop.click(self._stop_watching, None, None, **QUIET)

    def _everywhere(self, pair: object, device: object, precision: object) -> list:
        """What the choice changes in the section and elsewhere."""
        section = self._shown(pair, device, precision)
        try:
            outline, precision = self._menu.outline(_settings(pair, device)), self._precision(pair, device, precision)
        except SDVARError:
            return [*section, *[gr.skip()] * 4]
        ends = (len(outline.schedule) - 1, outline.codes, len(outline.schedule))
        return [*section, about(outline, device, precision), *(gr.update(maximum=end) for end in ends)]

    def _shown(self, pair: object, device: object, precision: object) -> list:
        """The pairs and what each needs, the precisions of the device, a note, and the button that gets files."""
        try:
            precision = self._precision(pair, device, precision)
            choice = self._menu.chosen(_settings(pair, device, precision)) or Choice(pair, device, precision)
        except SDVARError as error:
            return [gr.skip(), gr.skip(), _paragraph(error, "refused"), _seen(False)]
        wanted, button = needs(pair, precision) if pair in PAIRS else None, _seen(False)
        note = _paragraph(PAIRS[pair].sentence + _needed(wanted, device) if wanted else "")
        try:
            self._menu.check_fits(choice)
            if wanted and wanted.still_to_write:
                button = gr.update(value=button_for(wanted), visible=True)
        except SDVARError as error:
            note = _paragraph(error, "refused")
        choices = self._menu.precisions(pair, device)
        return [gr.update(choices=self._menu.rows(device, precision)), gr.update(choices=choices, value=precision),
                note, button]  # fmt: skip

    def _precision(self, pair: object, device: object, precision: object) -> str:
        """The precision, or that of the rule where the device has it not; RequestError for a device not here."""
        self._menu.chosen(_settings(pair, device))
        possible = self._menu.precisions(pair, device)
        return precision if precision in possible else possible[0]

    async def _watch(self, pair: object, device: object, precision: object, request: gr.Request) -> AsyncIterator[list]:
        """Get the files of the pair, telling how far it is."""
        rows, visitor = [gr.skip(), gr.skip()], request.session_hash
        try:
            choice = self._menu.chosen(_settings(pair, device, precision)) or choice_of(self._menu.first)
            self._menu.check_fits(choice)
            self._watching[visitor] = True
            async with aclosing(self._downloads.watch(choice.pair)) as lines:
                async for line in lines:
                    yield [*rows, _news(line), _seen(False), _seen(True)]
                    if not self._watching[visitor]:
                        yield [*rows, _paragraph(STOPPED), _seen(True), _seen(False)]
                        return
            yield [*self._shown(pair, device, precision), _seen(False)]
        except SDVARError as error:
            yield [*rows, _paragraph(error, "refused"), _seen(True), _seen(False)]
        finally:
            self._watching.pop(visitor, None)

    def _stop_watching(self, request: gr.Request) -> None:
        if request.session_hash in self._watching:
            self._watching[request.session_hash] = False


def about(pair: Outline, device: object, precision: object) -> str:
    """The line of the title bar: what runs here."""
    scales = len(pair.schedule)
    return escape(f"{pair.name} · {pair.schedule.total} tokens in {scales} scales · {device}, {precision}")


def _settings(*values: object) -> dict:
    return dict(zip(MODELS, values))


def _menu(name: str, choices: object, value: str) -> gr.Dropdown:
    return gr.Dropdown(list(choices), value=value, label=name.capitalize(), info=NOTES[name], elem_id=name,
                       elem_classes=STATIC, filterable=False)  # fmt: skip


def _seen(visible: bool) -> dict:
    return gr.update(visible=visible)


def _needed(wanted: Needs, device: str) -> str:
    if not wanted.disk:
        return ""
    return f" Needs {gigabytes(wanted.disk)} of disk and {gigabytes(wanted.memory_on(device))} of memory on {device}."


def _paragraph(text: object, kind: str = "told") -> str:
    return f'<p class="{kind}">{escape(str(text))}</p>'


def _news(line: str) -> str:
    """A line of the download, with a bar where it tells a percentage."""
    share = re.search(r"(\d+) %", line)
    bar = f'<progress max="100" value="{share[1]}"></progress>' if share else ""
    return _paragraph(line) + bar
