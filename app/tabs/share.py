"""The folded "Share" section of the rail: the shown run as files, and a trace file as a run."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr

from app.exports import EXPORTS, Export, Shelf, file_name
from app.session import Payload, Visit, Visits, new_visit
from sdvar_core import SDVARError

DOWNLOAD = """(file) => {
  if (file) {
    const link = document.createElement("a");
    link.href = file.url;
    link.download = file.orig_name;
    document.body.append(link);
    link.click();
    link.remove();
  }
  return NAME;
}"""
OPEN_NOTE = "A trace file from here or from another computer, shown like a run."
FILES = {"concurrency_id": "files", "concurrency_limit": 1}  # drawing figures, one at a time
PRIVATE = {"show_progress": "hidden", "api_visibility": "private"}


def share_css(exports: dict[str, Export] = EXPORTS, prefix: str = "") -> str:
    """One rule a button: what it is for, shown while it is pointed at or in use."""
    notes = {kind: export.note for kind, export in exports.items()} | {"open": OPEN_NOTE}
    rules = (
        f'#{prefix}share-{kind}:is(:hover, :focus-visible)::after {{ content: "{note}"; }}'
        for kind, note in notes.items()
    )
    return "\n".join(rules)


class Share:
    """The section: its buttons, and the shelf on which the files lie.

    exports: the kinds of files. named: gives a run's file its name. prefix: of the elements' ids.
    """

    def __init__(
        self,
        exports: dict[str, Export] = EXPORTS,
        named: Callable[[Any, str], str] = file_name,
        prefix: str = "",
    ) -> None:
        """Lay out the section inside the current column."""
        self._exports = exports
        with gr.Accordion("Share", open=False, elem_id=f"{prefix}share", elem_classes="share"):
            with gr.Row(elem_id=f"{prefix}share-buttons", elem_classes="share-buttons"):
                self.buttons = {
                    kind: gr.Button(export.name, elem_id=f"{prefix}share-{kind}", min_width=60)
                    for kind, export in exports.items()
                }
                self.opening = gr.UploadButton(
                    "Open trace", file_types=[".json"], elem_id=f"{prefix}share-open", min_width=60, type="filepath"
                )
            self._file = gr.File(
                visible="hidden", label="Shared file", elem_id=f"{prefix}share-file", interactive=False
            )
        self._shelf = Shelf(Path(self._file.GRADIO_CACHE), exports, named)

    def wire(self, visits: Visits, visit: gr.State, stage: gr.HTML, models: dict) -> None:
        """Say what the buttons do to the run on the stage. models: how events that call models take turns."""
        for kind, button in self.buttons.items():
            name = self._exports[kind].name
            button.click(None, None, button, js=f"() => {json.dumps(name + ' …')}", api_visibility="private")
            made = button.click(self._maker(visits, kind), visit, [self._file, stage], **FILES, **PRIVATE)
            done = DOWNLOAD.replace("NAME", json.dumps(name))
            made.then(None, self._file, button, js=done, api_visibility="private")

        def opened(visit: Visit | None, path: str | None) -> tuple[Payload, Visit]:
            return visits.open(visit or new_visit(), Path(path or ""))

        self.opening.upload(opened, [visit, self.opening], [stage, visit], **models, **PRIVATE)

    def clear(self, visit: Visit) -> None:
        """Throw away the files of a visitor who left."""
        self._shelf.clear(visit.handle)

    def _maker(self, visits: Visits, kind: str) -> Callable[[Visit | None], tuple[str | None, Payload]]:
        def make(visit: Visit | None) -> tuple[str | None, Payload]:
            visit = visit or new_visit()
            try:
                path = self._shelf.put(visit.handle, kind, visits.shown(visit, self._exports[kind].painted))
            except SDVARError as error:
                return None, visits.payload(visit, notice=str(error))
            return str(path), gr.skip()

        return make
