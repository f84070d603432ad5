"""The colours of the page's light theme (app/stage/tokens.css) and its letters, for pictures made by Python."""

from functools import cache
from pathlib import Path

import numpy as np
from matplotlib import get_data_path
from PIL import ImageFont

from app.figures.progress import BONUS, CORRECTED, KEPT, PENDING, THROWN, TOLERATED, UNVERIFIED, Scale
from sdvar_core import Trace

COLOURS = {
    "ground": "#f5f7fa",
    "card": "#ffffff",
    "well": "#eef1f6",
    "line": "#dfe5ed",
    "ink": "#16212f",
    "muted": "#586577",
    "accent": "#2563a8",
    "accent-soft": "#a9c4e2",
    "kept": "#2563a8",
    "corrected": "#e07b1a",
    "bonus": "#7d58c9",
    "bonus-soft": "#cdbcf0",
    "pending": "#93a1b5",
    "thrown": "#d6dce5",
}
VERDICTS = {KEPT: "kept", CORRECTED: "corrected", BONUS: "bonus-soft", PENDING: "pending", THROWN: "thrown",
            TOLERATED: "accent-soft", UNVERIFIED: "pending"}  # fmt: skip
LEGEND = {KEPT: "kept", CORRECTED: "corrected", TOLERATED: "stands anyway", BONUS: "bonus", PENDING: "guessed",
          THROWN: "thrown away", UNVERIFIED: "unverified"}  # fmt: skip
LONGEST_TEXT = 160
_KNOWN = "γ·×–—…“”’≥₊"


def verdict_map(scale: Scale | None, side: int) -> np.ndarray:
    """The verdicts of a scale as colours, uint8 (side, side, 3); an empty well where nothing stands."""
    table = np.array([rgb(COLOURS[VERDICTS.get(code, "well")]) for code in range(8)], np.uint8)
    codes = np.zeros(side * side, np.int8) if scale is None else scale.verdicts
    return table[codes].reshape(side, side, 3)


def rgb(colour: str) -> tuple[int, int, int]:
    """``#rrggbb`` as three numbers."""
    return tuple(bytes.fromhex(colour.removeprefix("#")))


def plain(text: str, longest: int = LONGEST_TEXT) -> str:
    """Text that the bundled letters can draw, on one line and not too long: a trace may come from a stranger."""
    known = "".join(char if char.isprintable() and (ord(char) < 0x180 or char in _KNOWN) else "?" for char in text)
    return known if len(known) <= longest else known[: longest - 1] + "…"


def settings_line(trace: Trace, label: str) -> str:
    """World, seed, rule and γ of a run, as on the page."""
    request = trace.request
    forked = " · forked" if request.forks else ""
    return plain(f"{plain(label, 40)} · seed {request.seed} · {plain(request.rule, 40)} · γ {request.gamma}{forked}")


@cache
def letters(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which comes with matplotlib, so that every computer draws the same."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(get_data_path()) / "fonts" / "ttf" / name), size)
