"""What was measured, as markdown for people and as plain values for JSON."""

from collections.abc import Sequence

from sdvar_core.measure.memory import Memory
from sdvar_core.measure.precision import Flips
from sdvar_core.measure.replay import Replay
from sdvar_core.measure.timing import Verification
from sdvar_core.measure.work import work
from sdvar_core.speculative.pair import Pair
from sdvar_core.tables import table


def milliseconds(seconds: float) -> str:
    """Seconds as milliseconds, three digits where there are decimals."""
    value = 1000 * float(seconds)
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}"


def cost_table(pair: Pair, draft: Sequence[float], target: Sequence[float]) -> str:
    """Milliseconds of one call by scale, and over a whole picture."""
    rows = [
        [f"{scale} ({side}×{side})", milliseconds(one), milliseconds(two), f"{two / one:.1f}"]
        for scale, (side, one, two) in enumerate(zip(pair.schedule.sides, draft, target), 1)
    ]
    whole = [milliseconds(sum(draft)), milliseconds(sum(target)), f"{sum(target) / sum(draft):.1f}"]
    return table(["scale", "draft, ms", "target, ms", "target / draft"], [*rows, ["whole picture", *whole]])


def rate_table(pair: Pair, rows: int, target: Sequence[float]) -> str:
    """What the target reaches at each scale: whichever is near the device's limit bounds it; if none, the launching."""
    size = 4 if pair.precision == "float32" else 2
    lines = []
    for scale, seconds in enumerate(target):
        done = work(pair.target.config, scale, 1, rows, size)
        operations, read = done.rates(seconds)
        sizes = [f"{done.operations / 1e9:.1f}", f"{done.bytes / 1e6:.0f}"]
        lines.append([scale + 1, *sizes, f"{operations:.3f}", f"{read:.1f}"])
    return table(["scale", "GFLOP", "MB read", "TFLOP/s", "GB/s"], lines)


def verification_table(entries: Sequence[Verification], gammas: Sequence[int]) -> str:
    """Merged and separate milliseconds, a row for each start and a column for each gamma."""
    cells = {
        (entry.start, entry.gamma): f"{milliseconds(entry.merged)} / {milliseconds(entry.separate)}"
        for entry in entries
    }
    starts = sorted({start for start, _ in cells})
    rows = [[start + 1, *(cells.get((start, gamma), "") for gamma in gammas)] for start in starts]
    return table(["first scale", *(f"γ={gamma}" for gamma in gammas)], rows)


def replay_table(entries: Sequence[Replay]) -> str:
    """Milliseconds and speedup by number of target calls."""
    rows = []
    for entry in entries:
        times = map(milliseconds, (entry.seconds, entry.baseline))
        rows.append([entry.calls, "+".join(map(str, entry.windows)), *times, f"{entry.speedup:.2f}"])
    return table(["target calls", "scales of each", "ms", "target-only, ms", "speedup"], rows)


def memory_table(found: Memory) -> str:
    """Megabytes by part, and the two shares."""
    parts = {
        "weights of the target": found.target_weights,
        "weights of the draft": found.draft_weights,
        "weights of the tokenizer": found.tokenizer_weights,
        "cache and conditioning of the target": found.target_state,
        "cache and conditioning of the draft": found.draft_state,
        "peak besides weights, target-only": found.alone_peak,
        "peak besides weights, speculating": found.speculating_peak,
    }
    rows = [[name, f"{size / 1e6:.1f}"] for name, size in parts.items()]
    rows.append(["added by speculation besides the draft's weights, counted", f"{100 * found.counted_share:.1f} %"])
    rows.append(["the same, measured", f"{100 * found.measured_share:.1f} %"])
    return table(["memory", "MB"], rows)


def flip_table(entries: Sequence[Flips]) -> str:
    """Shares of flipped tokens, a row for each precision and window."""
    rows = []
    for entry in entries:
        how = "scale by scale" if entry.window == 1 else f"{entry.window} scales a call"
        rows.append([entry.precision, how, f"{100 * entry.share:.3f} %", f"{entry.largest_change:.1e}"])
    return table(["precision", "read", "flipped tokens", "largest change of a probability"], rows)
