"""A run as one figure for a slide: the picture, its numbers, the calls in time, and the pyramid of verdicts."""

import io
from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from app.figures.palette import COLOURS, LEGEND, VERDICTS, plain, settings_line, verdict_map
from app.figures.progress import CORRECTED, Moment, moments
from sdvar_core import Drafted, TargetCall, Trace, is_exact

SIZE, DOTS = (13.333, 7.5), 144  # inches, dots an inch: 1920 × 1080
LEFT, RIGHT = 0.04, 0.96
BAR_TEXT = 9
LONGEST_LINE = 115  # characters
LETTERS = {"font.family": "DejaVu Sans", "text.parse_math": False, "pdf.fonttype": 42}


def slide(
    trace: Trace, pictures: Mapping[int, np.ndarray], label: str, form: str, alone: Sequence[float] = (), said: str = ""
) -> bytes:
    """The figure as a file of ``form`` "png" or "pdf", of a run with at least one event.

    pictures: uint8 (height, width, 3) by the number of their event. alone: milliseconds of each call of the target
    alone, if they were measured. said: how the run compares with the target alone.
    """
    last = list(moments(trace))[-1]
    with mpl.rc_context(LETTERS):
        figure = Figure(figsize=SIZE, dpi=DOTS, facecolor=COLOURS["card"])
        _title(figure, trace, label)
        _picture(_box(figure, (LEFT, 0.455, 0.225, 0.4)), pictures.get(last.picture))
        _numbers(figure, trace, said)
        _timeline(_box(figure, (0.385, 0.455, RIGHT - 0.385, 0.175)), trace, alone)
        _pyramid(figure, trace, last, pictures)
        buffer = io.BytesIO()
        dates = {"CreationDate": None} if form == "pdf" else {}
        figure.savefig(buffer, format=form, metadata={"Title": settings_line(trace, label)} | dates)
    return buffer.getvalue()


def _box(figure: Figure, place: tuple[float, float, float, float]) -> Axes:
    axes = figure.add_axes(place)
    axes.set_axis_off()
    return axes


def _title(figure: Figure, trace: Trace, label: str) -> None:
    request, exact = trace.request, " (exact)" if is_exact(trace.request) else ""
    by_hand = any(fork.token is not None for fork in request.forks)
    forked = " · forked" + (", a verdict overturned by hand" if by_hand else "") if request.forks else ""
    figure.text(LEFT, 0.93, plain(label, 40), size=24, weight="bold", color=COLOURS["ink"])
    about = (
        f"seed {request.seed} · rule {plain(request.rule, 24)}{exact} · γ {request.gamma}{forked} · guidance "
        f"{request.guidance:g} · temperature {request.temperature:g} · {plain(trace.pair, 24)}"
    )
    figure.text(LEFT, 0.885, plain(about, LONGEST_LINE), size=12, color=COLOURS["muted"])


def _picture(axes: Axes, picture: np.ndarray | None) -> None:
    shown = np.full((1, 1, 3), 238, np.uint8) if picture is None else picture
    axes.imshow(shown, interpolation="bicubic")


def _numbers(figure: Figure, trace: Trace, said: str) -> None:
    slow = trace.draft_seconds + trace.target_seconds >= 1
    factor, unit, digits = (1, "s", ".2f") if slow else (1000, "ms", ".0f")
    draft, target = factor * trace.draft_seconds, factor * trace.target_seconds
    numbers = [
        (str(trace.target_calls), f"target calls of {trace.baseline_calls}"),
        (f"{trace.call_reduction:.2f}×", "call reduction"),
        (
            f"{100 * trace.acceptance_rate:.0f} %" if trace.judged else "–",
            f"tokens kept, {trace.kept} of {trace.judged}",
        ),
        (f"{draft + target:{digits}} {unit}", f"draft {draft:{digits}}, target {target:{digits}}"),
    ]
    for place, (number, about) in enumerate(numbers):
        x = 0.305 + place * 0.165
        figure.text(x, 0.765, number, size=34, weight="bold", color=COLOURS["ink"])
        figure.text(x, 0.725, about, size=11.5, color=COLOURS["muted"])
    figure.text(0.305, 0.665, plain(said), size=11.5, color=COLOURS["accent"])


def _timeline(axes: Axes, trace: Trace, alone: Sequence[float]) -> None:
    lanes, now = {"draft": [], "target": [], "target alone": []}, 0.0
    for event in trace.of(Drafted | TargetCall):
        if isinstance(event, Drafted):
            lanes["draft"].append((now, 1000 * event.seconds, str(event.scale + 1), "pending"))
        else:
            scales = str(event.stop) if event.stop == event.start + 1 else f"{event.start + 1}–{event.stop}"
            lanes["target"].append((now, 1000 * event.seconds, scales, "kept"))
        now += 1000 * event.seconds
    for number, milliseconds in enumerate(alone):
        lanes["target alone"].append((sum(alone[:number]), milliseconds, str(number + 1), "accent-soft"))
    whole = max(now, sum(alone), 1e-6)
    axes.set_xlim(0, whole)
    axes.set_ylim(2.6, -0.6)
    for row, (name, bars) in enumerate(lanes.items()):
        axes.text(-0.012 * whole, row, name, size=11, color=COLOURS["muted"], ha="right", va="center")
        if not bars and row == 2:
            axes.text(0, row, "not measured", size=10, color=COLOURS["muted"], va="center")
        for bar in bars:
            _bar(axes, row, bar, whole)


def _bar(axes: Axes, row: int, bar: tuple[float, float, str, str], whole: float) -> None:
    begin, long, text, colour = bar
    axes.barh(row, long, left=begin, height=0.72, color=COLOURS[colour], edgecolor=COLOURS["card"], linewidth=1)
    if long / whole > 0.012 * (1 + len(text)):
        ink = COLOURS["card" if colour == "kept" else "ink"]
        axes.text(begin + long / 2, row, text, size=BAR_TEXT, color=ink, ha="center", va="center")


def _pyramid(figure: Figure, trace: Trace, last: Moment, pictures: Mapping[int, np.ndarray]) -> None:
    count = len(trace.schedule)
    wide = min(0.083, (RIGHT - LEFT) / count - 0.008)
    step = (RIGHT - LEFT - wide) / max(count - 1, 9)
    tall, seen = wide * SIZE[0] / SIZE[1], set()
    for number, (scale, side) in enumerate(zip(last.scales, trace.schedule.sides, strict=True)):
        x = LEFT + number * step
        figure.text(x, 0.4, str(number + 1), size=11, weight="bold", color=COLOURS["ink"])
        if count <= 12:
            figure.text(x + wide, 0.4, f"{side}×{side}", size=9.5, color=COLOURS["muted"], ha="right")
        _picture(_box(figure, (x, 0.39 - tall, wide, tall)), None if scale is None else pictures.get(scale.event))
        axes = _box(figure, (x, 0.378 - 2 * tall, wide, tall))
        axes.imshow(verdict_map(scale, side), interpolation="nearest")
        axes.hlines(np.arange(side + 1) - 0.5, -0.5, side - 0.5, COLOURS["card"], linewidth=min(1.2, 8 / side))
        axes.vlines(np.arange(side + 1) - 0.5, -0.5, side - 0.5, COLOURS["card"], linewidth=min(1.2, 8 / side))
        if scale is not None:
            _hatch(axes, scale.verdicts, side)
            seen |= {int(code) for code in np.unique(scale.verdicts)}
    _legend(figure, seen)


def _legend(figure: Figure, seen: set[int]) -> None:
    handles = [Patch(color=COLOURS[VERDICTS[code]], label=LEGEND[code]) for code in LEGEND if code in seen]
    look = {"frameon": False, "fontsize": 10.5, "labelcolor": COLOURS["muted"], "handlelength": 1, "handleheight": 1}
    figure.legend(handles=handles, loc="lower left", bbox_to_anchor=(LEFT - 0.008, 0.012), ncols=len(LEGEND), **look)


def _hatch(axes: Axes, verdicts: np.ndarray, side: int) -> None:
    """A diagonal through every corrected token, so that colour is not the only sign."""
    cells = [divmod(int(place), side) for place in np.flatnonzero(verdicts == CORRECTED)]
    lines = [[(column - 0.4, row + 0.4), (column + 0.4, row - 0.4)] for row, column in cells]
    axes.add_collection(LineCollection(lines, colors=COLOURS["card"], linewidths=min(1.6, 14 / side)))
