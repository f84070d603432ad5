"""A recorded run as one HTML file: the stage itself, and the run inside. It opens from disk and asks nobody."""

import base64
import hashlib
import json
from pathlib import Path

from app.frames import VERSION, Baseline, Frame, Header
from app.stage.bundle import bundle

HERE = Path(__file__).parent
STAGE = HERE.parent


def replay_page(header: Header, frames: tuple[Frame, ...], baseline: Baseline | None, finished: bool) -> str:
    """The HTML of the page. The run's own name is left out: it opens the live run on the server."""
    header = header | {"run": "replay"}
    idle = {name: header[name] for name in ("pair", "sides", "codes", "baseline_calls")}
    value = {"sequence": 1, "busy": False, "stream": False, "notice": None, "keep": False, "header": header,
             "count": len(frames), "first": 0, "frames": frames, "finished": finished,
             "baseline": baseline}  # fmt: skip
    idle |= {"version": VERSION, "run": None, "order": []}
    recorded = {"title": header["label"], "idle": idle, "value": value}
    script = _script()
    parts = {
        "STYLE": _style(),
        "STAGE": _read(STAGE / "stage.html"),
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


def _script() -> str:
    host, stage = _read(HERE / "host.js"), bundle(STAGE, "main.js")
    return f'"use strict";\n(() => {{\n{host}\n(() => {{\n{stage}\n}})();\n}})();\n'


def _style() -> str:
    # Gradio nests the stage's rules in its component's id in the same way.
    return f"{_read(STAGE / 'tokens.css')}\n#stage {{\n{_read(STAGE / 'stage.css')}\n}}\n{_read(HERE / 'replay.css')}"


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")
