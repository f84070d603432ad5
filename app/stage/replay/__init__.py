"""A recorded run as one HTML file: the stage itself, and the run inside. It opens from disk and asks nobody."""

import base64
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from app.stage.bundle import bundle, markup

HERE = Path(__file__).parent
STAGE = HERE.parent


@dataclass(frozen=True)
class Recording:
    """A stage that can play a recording. entry: its module. page, sheets: its HTML and CSS. idle: what its empty state
    takes from the header."""

    entry: str
    page: str
    sheets: tuple[str, ...]
    idle: tuple[str, ...]


SCALES = Recording("main.js", "stage.html", ("stage.css",), ("pair", "sides", "codes", "baseline_calls"))
TREE = Recording("tree/main.js", "tree/tree.html", ("stage.css", "tree/tree.css"), ("pair", "window", "baseline_calls"))


def replay_page(
    header: dict, frames: tuple[dict, ...], baseline: dict | None, finished: bool, stage: Recording = SCALES
) -> str:
    """The HTML of the page. The run's own name is left out: it opens the live run on the server. Nothing is painted
    later.

    header, frames, baseline: see ``app.frames`` and ``app.tree.frames``.
    """
    header = header | {"run": "replay"}
    frames = [{name: value for name, value in frame.items() if name != "unpainted"} for frame in frames]
    idle = {name: header[name] for name in stage.idle}
    value = {"sequence": 1, "busy": False, "stream": False, "notice": None, "keep": False, "header": header,
             "count": len(frames), "first": 0, "frames": frames, "finished": finished,
             "baseline": baseline}  # fmt: skip
    idle |= {"version": header["version"], "run": None, "order": []}
    recorded = {"title": header["label"], "idle": idle, "value": value}
    script = _script(stage)
    parts = {
        "STYLE": _style(stage),
        "STAGE": markup(STAGE, stage.page),
        "RECORDED": embedded(recorded),
        "HASH": base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii"),
        "SCRIPT": script,
    }
    # One pass over the template: what is put in is never looked through again.
    pieces = _read(HERE / "replay.html").split("@")
    return "".join(parts.get(piece, piece) for piece in pieces)


def embedded(record: object) -> str:
    """JSON that can stand inside a script element: no character in it ends the element or begins markup."""
    text = json.dumps(record, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _script(stage: Recording) -> str:
    host, played = _read(HERE / "host.js"), bundle(STAGE, stage.entry)
    return f'"use strict";\n(() => {{\n{host}\n(() => {{\n{played}\n}})();\n}})();\n'


def _style(stage: Recording) -> str:
    # Gradio nests the stage's rules in its component's id in the same way.
    rules = "\n".join(_read(STAGE / sheet) for sheet in stage.sheets)
    return f"{_read(STAGE / 'tokens.css')}\n#stage {{\n{rules}\n}}\n{_read(HERE / 'replay.css')}"


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")
