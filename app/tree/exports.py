"""A shown text run as files to keep: its trace, the text itself, and a stand-alone replay page."""

import re
from pathlib import Path

from app.exports import LONGEST_PART, Export
from app.stage.replay import TREE, replay_page
from app.tree.run import ShownText


def _trace(shown: ShownText, path: Path) -> None:
    shown.trace.save(path)


def _text(shown: ShownText, path: Path) -> None:
    path.write_bytes((shown.trace.prompt if shown.trace.request.prompt else b"") + shown.trace.written)


def _replay(shown: ShownText, path: Path) -> None:
    page = replay_page(shown.header, shown.frames, shown.baseline, shown.trace.finished, TREE)
    path.write_text(page, encoding="utf-8", newline="\n")


TREE_EXPORTS: dict[str, Export] = {
    "trace": Export("Trace", "Every event and number of the run, as JSON; it opens again here.", ".json", _trace),
    "replay": Export("Replay", "One HTML file that plays the run offline, without a server.", ".html", _replay),
    "text": Export("Text", "The bytes that were written, prompt first.", ".txt", _text),
}


def text_file_name(shown: ShownText, ending: str) -> str:
    """Says prompt, seed and shape of the run: ``sdvar-def-main-seed0-topk4-steps3.json``."""
    request = shown.trace.request
    parts = ["sdvar", shown.header["label"], f"seed{request.seed}", f"topk{request.topk}", f"steps{request.steps}"]
    words = [re.sub(r"[^a-z0-9]+", "-", part.lower()).strip("-")[:LONGEST_PART] for part in parts]
    return "-".join(word for word in words if word) + ("" if shown.trace.finished else "-unfinished") + ending
