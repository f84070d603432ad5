"""Calls and time: ``python -m sdvar_core.bench`` prints what exact speculation saves and what it costs, as markdown.

Times are medians, in milliseconds; runs that are compared take turns in one process.
"""

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch

from sdvar_core import tables
from sdvar_core.command_line import add_common_arguments, count, pair_of, sampling_of
from sdvar_core.errors import SDVARError
from sdvar_core.request import Request
from sdvar_core.speculative.draft_length import DRAFT_LENGTHS
from sdvar_core.speculative.next_scale import Clock, decode
from sdvar_core.speculative.pair import Pair, ScaleModel
from sdvar_core.speculative.reader import Prefix, Reader
from sdvar_core.speculative.rules import RULES
from sdvar_core.trace import Trace


@dataclass(frozen=True)
class Contestant:
    """One row of the race: an exact rule with its draft length, gamma and carry-over."""

    rule: str
    draft_length: str
    gamma: int
    carry_over: bool = False

    @property
    def shown_gamma(self) -> str:
        """Gamma as a person reads it."""
        fixed = f"{self.gamma}" if self.draft_length == "fixed" else f"{self.draft_length} from {self.gamma}"
        return f"{fixed}, carry-over" if self.carry_over else fixed


@dataclass(frozen=True, eq=False)
class Result:
    """What a contestant did; arrays are (picture,). seconds is the wall-clock of decoding without the picture decoder,
    baseline that of gamma = 0 under the same rule and seed, run in the same turn."""

    contestant: Contestant
    target_calls: np.ndarray
    draft_calls: np.ndarray
    kept: int
    judged: int
    seconds: np.ndarray
    baseline: np.ndarray

    @property
    def acceptance_rate(self) -> float:
        """Kept over judged tokens of all pictures; 0 where nothing was judged."""
        return self.kept / self.judged if self.judged else 0.0

    @property
    def speedup(self) -> float:
        """Median over pictures of how many times faster than gamma = 0 this was."""
        return float(np.median(self.baseline / self.seconds))


def contestants(gammas: Sequence[int]) -> list[Contestant]:
    """Target-only, then every exact rule with every draft length and gamma, and with carry-over where it can."""
    exact = [rule for rule in RULES.values() if rule.exact]
    entries = [Contestant(rule.name, "fixed", 0) for rule in exact]
    for rule in exact:
        entries += [Contestant(rule.name, length, gamma) for length in DRAFT_LENGTHS for gamma in gammas]
        entries += [Contestant(rule.name, "fixed", gamma, carry_over=True) for gamma in gammas if rule.sharing]
    return list(dict.fromkeys(entries))


def timed_run(pair: Pair, request: Request, clock: Clock) -> tuple[Trace, float]:
    """A run without its picture, and the seconds it took."""
    began = clock()
    events = tuple(decode(pair, request, clock))
    seconds = clock() - began
    return Trace(pair.name, request, pair.schedule, pair.codes, events).check(), seconds


def race(
    pair: Pair, entries: Sequence[Contestant], pictures: int, clock: Clock = time.perf_counter, **sampling: Any
) -> list[Result]:
    """Every contestant draws the same pictures, one after the other for each picture, after one that does not count."""
    runs: dict[Contestant, list[tuple[Trace, float]]] = {entry: [] for entry in entries}
    for seed in [0, *range(pictures)]:
        for entry in entries:
            label = seed % len(pair.class_names)
            request = Request(label=label, seed=seed, **asdict(entry), **sampling)
            runs[entry].append(timed_run(pair, request, clock))
    return [_result(entry, runs[entry][1:], runs[Contestant(entry.rule, "fixed", 0)][1:]) for entry in runs]


def _result(entry: Contestant, runs: list[tuple[Trace, float]], baseline: list[tuple[Trace, float]]) -> Result:
    traces = [trace for trace, _ in runs]
    return Result(
        contestant=entry,
        target_calls=np.array([trace.target_calls for trace in traces]),
        draft_calls=np.array([trace.draft_calls for trace in traces]),
        kept=sum(trace.kept for trace in traces),
        judged=sum(trace.judged for trace in traces),
        seconds=np.array([seconds for _, seconds in runs]),
        baseline=np.array([seconds for _, seconds in baseline]),
    )


def median_seconds(action: Callable[[], object], repeats: int, clock: Clock = time.perf_counter) -> float:
    """Median seconds of an action, after one run that does not count."""
    action()
    spent = []
    for _ in range(repeats):
        began = clock()
        action()
        spent.append(clock() - began)
    return float(np.median(spent))


def prefix_of(pair: Pair, request: Request) -> Prefix:
    """All tokens of a target-only run, and so the inputs of every scale."""
    trace, _ = timed_run(pair, replace(request, gamma=0), time.perf_counter)
    prefix = Prefix.empty(pair.tokenizer.quantizer, request.batch)
    for scale, entries in enumerate(trace.tokens):
        tokens = torch.as_tensor(entries, dtype=torch.int64, device=prefix.canvas.device)
        prefix = prefix.extended(tokens, last=scale + 1 == len(pair.schedule))
    return prefix


def reading(reader: Reader, prefix: Prefix, start: int, calls: Sequence[int]) -> Callable[[], None]:
    """An action that reads from scale ``start`` on, one call up to each of ``calls``, and rolls back."""

    def action() -> None:
        for stop in calls:
            reader.read(prefix.inputs, stop)
        reader.cache.rollback(start)

    return action


def scale_seconds(pair: Pair, model: ScaleModel, request: Request, prefix: Prefix, repeats: int) -> list[float]:
    """Seconds of one call for each scale on a cache of the coarser ones: forward, guidance and softmax."""
    reader = Reader(pair, model, request)
    spent = []
    for scale in range(len(pair.schedule)):
        spent.append(median_seconds(reading(reader, prefix, scale, [scale + 1]), repeats))
        reader.read(prefix.inputs, scale + 1)
    return spent


def decoder_seconds(pair: Pair, prefix: Prefix, repeats: int) -> float:
    """Seconds of the picture decoder."""
    with torch.inference_mode():
        return median_seconds(lambda: pair.tokenizer.decode(prefix.canvas), repeats)


@dataclass(frozen=True)
class Verification:
    """Seconds to read the scales ``start`` … ``start + gamma`` in one call, and in one call each."""

    start: int
    gamma: int
    merged: float
    separate: float


def verifications(
    pair: Pair, request: Request, prefix: Prefix, gammas: Sequence[int], repeats: int
) -> Iterator[Verification]:
    """Merged against separate verification by the target, for every start and gamma that fit the pyramid."""
    reader, scales = Reader(pair, pair.target, request), len(pair.schedule)
    for start in range(scales):
        for gamma in gammas:
            if start + gamma < scales:
                stop = start + gamma + 1
                merged = median_seconds(reading(reader, prefix, start, [stop]), repeats)
                separate = median_seconds(reading(reader, prefix, start, range(start + 1, stop + 1)), repeats)
                yield Verification(start, gamma, merged, separate)
        reader.read(prefix.inputs, start + 1)


# Tables


def race_table(results: Sequence[Result]) -> str:
    """Calls, acceptance and wall-clock of every contestant."""
    header = ["rule", "γ", "target calls", "draft calls", "tokens kept", "ms", "speedup against γ=0"]
    rows = []
    for result in results:
        entry = result.contestant
        kept = f"{result.acceptance_rate:.3f}" if result.judged else "–"
        calls = [f"{result.target_calls.mean():.2f}", f"{result.draft_calls.mean():.2f}"]
        time_spent = [milliseconds(np.median(result.seconds)), f"{result.speedup:.2f}"]
        rows.append([entry.rule, entry.shown_gamma, *calls, kept, *time_spent])
    return tables.table(header, rows)


def cost_table(pair: Pair, draft: Sequence[float], target: Sequence[float]) -> str:
    """Milliseconds of one call by scale, and over a whole picture."""
    rows = [
        [f"{scale} ({side}×{side})", milliseconds(one), milliseconds(two), f"{two / one:.1f}"]
        for scale, (side, one, two) in enumerate(zip(pair.schedule.sides, draft, target), 1)
    ]
    whole = [milliseconds(sum(draft)), milliseconds(sum(target)), f"{sum(target) / sum(draft):.1f}"]
    return tables.table(["scale", "draft, ms", "target, ms", "target / draft"], [*rows, ["whole picture", *whole]])


def verification_table(entries: Sequence[Verification], gammas: Sequence[int]) -> str:
    """Merged and separate milliseconds, a row for each start and a column for each gamma."""
    cells = {
        (entry.start, entry.gamma): f"{milliseconds(entry.merged)} / {milliseconds(entry.separate)}"
        for entry in entries
    }
    starts = sorted({start for start, _ in cells})
    rows = [[start + 1, *(cells.get((start, gamma), "") for gamma in gammas)] for start in starts]
    return tables.table(["first scale", *(f"γ={gamma}" for gamma in gammas)], rows)


def milliseconds(seconds: float) -> str:
    """Seconds as milliseconds, three digits where there are decimals."""
    value = 1000 * float(seconds)
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}"


def report(pair: Pair, options: argparse.Namespace) -> Iterator[str]:
    """The three tables, one after the other."""
    sampling = sampling_of(options)
    threads = f"{torch.get_num_threads()} threads, float32, one picture at a time, guidance {options.guidance:g}"
    yield f"### Calls and time by exact rule\n\n{options.pictures} pictures a row, {threads}.\n"
    yield race_table(race(pair, contestants(options.gammas), options.pictures, **sampling)) + "\n"

    request = Request(gamma=0, **sampling)
    prefix = prefix_of(pair, request)
    costs = [scale_seconds(pair, model, request, prefix, options.repeats) for model in (pair.draft, pair.target)]
    yield f"### Cost of one call by scale\n\nMedian of {options.repeats}, {threads}.\n"
    yield cost_table(pair, *costs) + "\n"
    yield f"Picture decoder: {milliseconds(decoder_seconds(pair, prefix, options.repeats))} ms.\n"

    yield "### Merged against separate verification\n\nOne target call over γ + 1 scales / one call each, ms.\n"
    entries = list(verifications(pair, request, prefix, options.gammas, options.repeats))
    yield verification_table(entries, options.gammas)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split(":")[0])
    add_common_arguments(parser)
    parser.add_argument("--pictures", type=count, default=20, help="pictures a row of the first table")
    parser.add_argument("--repeats", type=count, default=9, help="runs behind every median of the other tables")
    parser.add_argument("--gammas", type=int, nargs="+", default=[1, 2, 3, 4])
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints the tables."""
    options = _parse(arguments)
    try:
        for part in report(pair_of(options), options):
            print(part, flush=True)
    except SDVARError as error:
        raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main()
