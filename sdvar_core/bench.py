"""Calls and time: ``python -m sdvar_core.bench`` prints what exact speculation saves and what it costs, as markdown.

Times are medians, in milliseconds; runs that are compared take turns in one process.
"""

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sdvar_core import tables
from sdvar_core.command_line import add_common_arguments, count, pair_of, sampling_of
from sdvar_core.errors import SDVARError
from sdvar_core.measure.memory import memory
from sdvar_core.measure.precision import flips
from sdvar_core.measure.replay import replays
from sdvar_core.measure.tables import (
    cost_table,
    flip_table,
    memory_table,
    milliseconds,
    rate_table,
    replay_table,
    verification_table,
)
from sdvar_core.measure.timing import costs_of, decoder_seconds, prefix_of, scale_seconds, timed_run, verifications
from sdvar_core.request import Request
from sdvar_core.speculative.clock import Clock
from sdvar_core.speculative.draft_length import DRAFT_LENGTHS
from sdvar_core.speculative.pair import Pair
from sdvar_core.speculative.reader import Prefix
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

    @property
    def summary(self) -> dict[str, float]:
        """The numbers of the row."""
        return {
            "target_calls": float(self.target_calls.mean()),
            "draft_calls": float(self.draft_calls.mean()),
            "acceptance_rate": self.acceptance_rate,
            "seconds": float(np.median(self.seconds)),
            "speedup": self.speedup,
        }


def contestants(gammas: Sequence[int]) -> list[Contestant]:
    """Target-only, then every exact rule with every draft length and gamma, and with carry-over where it can."""
    exact = [rule for rule in RULES.values() if rule.exact]
    entries = [Contestant(rule.name, "fixed", 0) for rule in exact]
    for rule in exact:
        entries += [Contestant(rule.name, length, gamma) for length in DRAFT_LENGTHS for gamma in gammas]
        entries += [Contestant(rule.name, "fixed", gamma, carry_over=True) for gamma in gammas if rule.sharing]
    return list(dict.fromkeys(entries))


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


@dataclass
class Report:
    """The parts of a bench, each printed as it is ready and kept as plain values for ``--json``."""

    pair: Pair
    options: argparse.Namespace
    values: dict[str, Any]

    def parts(self) -> Iterator[str]:
        """The sections asked for, in order."""
        options, pair = self.options, self.pair
        self.values |= {"pair": pair.name, "device": str(pair.device), "precision": pair.precision}
        self.values |= {"threads": torch.get_num_threads(), "sides": pair.schedule.sides, "sampling": self.sampling}
        for name in options.only or [name for name in SECTIONS if name != "flips" or not pair.target.packed]:
            yield from getattr(self, name)()

    @property
    def sampling(self) -> dict[str, Any]:
        """The sampling settings as fields of a Request."""
        return sampling_of(self.options)

    @property
    def request(self) -> Request:
        """Target-only decoding of as many pictures at once as asked for."""
        batch = self.options.batch
        label = 0 if batch == 1 else tuple(index % len(self.pair.class_names) for index in range(batch))
        return Request(label=label, gamma=0, **self.sampling)

    @property
    def conditions(self) -> str:
        """Under what the times were taken, for the heading of a table."""
        where = f"{torch.get_num_threads()} threads" if self.pair.device.type == "cpu" else str(self.pair.device)
        pictures = "one picture" if self.options.batch == 1 else f"{self.options.batch} pictures"
        return f"{where}, {self.pair.precision}, {pictures} at a time, guidance {self.options.guidance:g}"

    @cached_property
    def prefix(self) -> Prefix:
        """The inputs of every scale, from a target-only run."""
        return prefix_of(self.pair, self.request)

    def race(self) -> Iterator[str]:
        """Calls and time of every exact rule."""
        options = self.options
        results = race(self.pair, contestants(options.gammas), options.pictures, **self.sampling)
        self.values["race"] = [asdict(entry.contestant) | entry.summary for entry in results]
        one_by_one = self.conditions.replace(f"{options.batch} pictures", "one picture")
        yield f"### Calls and time by exact rule\n\n{options.pictures} pictures a row, {one_by_one}.\n"
        yield race_table(results) + "\n"

    def costs(self) -> Iterator[str]:
        """Seconds of a call by scale, and of the picture decoder."""
        pair, request, prefix, repeats = self.pair, self.request, self.prefix, self.options.repeats
        costs = [scale_seconds(pair, model, request, prefix, repeats) for model in (pair.draft, pair.target)]
        decoder = decoder_seconds(pair, prefix, repeats)
        self.values |= {"draft_seconds": costs[0], "target_seconds": costs[1], "decoder_seconds": decoder}
        yield f"### Cost of one call by scale\n\nMedian of {repeats}, {self.conditions}.\n"
        yield cost_table(pair, *costs) + "\n"
        yield f"Picture decoder: {milliseconds(decoder)} ms.\n"
        rows = request.batch * (2 if request.guidance > 0 else 1)
        yield "### What bounds the target\n\nOperations and bytes of one call, and what is reached of both.\n"
        yield rate_table(pair, rows, costs[1]) + "\n"

    def verification(self) -> Iterator[str]:
        """Merged against separate verification."""
        options = self.options
        entries = list(verifications(self.pair, self.request, self.prefix, options.gammas, options.repeats))
        self.values["verification"] = [asdict(entry) for entry in entries]
        if "target_seconds" in self.values:
            draft, target = self.values["draft_seconds"], self.values["target_seconds"]
            self.values["costs"] = asdict(costs_of(draft, target, entries))
        yield "### Merged against separate verification\n\nOne target call over γ + 1 scales / one call each, ms.\n"
        yield verification_table(entries, options.gammas) + "\n"

    def replay(self) -> Iterator[str]:
        """Runs whose rounds pass as prescribed."""
        calls = [number for number in (2, 3, 4, 5) if number < len(self.pair.schedule)]
        entries = replays(self.pair, self.request, calls, self.options.repeats)
        self.values["replay"] = [asdict(entry) | {"speedup": entry.speedup} for entry in entries]
        yield f"### Call-count replay\n\nEvery guess is kept, medians of {self.options.repeats}, {self.conditions}.\n"
        yield replay_table(entries) + "\n"

    def memory(self) -> Iterator[str]:
        """What speculation adds."""
        found = memory(self.pair, replace(self.request, gamma=max(self.options.gammas)))
        shares = {"counted_share": found.counted_share, "measured_share": found.measured_share}
        self.values["memory"] = asdict(found) | shares
        yield f"### Memory\n\nUnder coupled, γ={max(self.options.gammas)}; {self.conditions}.\n"
        yield memory_table(found) + "\n"

    def flips(self) -> Iterator[str]:
        """Tokens that change with the precision and with the number of scales in a call."""
        windows = sorted({1, *(gamma + 1 for gamma in self.options.gammas)})
        request = Request(gamma=0, **self.sampling)
        entries = flips(self.pair, request, self.options.pictures, windows, ["float32", "bfloat16"])
        self.values["flips"] = [asdict(entry) for entry in entries]
        yield "### Tokens that arithmetic alone changes\n\n"
        yield f"{self.options.pictures} pictures against float32 read scale by scale, same luck, same inputs.\n"
        yield flip_table(entries) + "\n"


SECTIONS = ("race", "costs", "verification", "replay", "memory", "flips")


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split(":")[0])
    add_common_arguments(parser)
    parser.add_argument("--pictures", type=count, default=20, help="pictures a row of the race and of the flips")
    parser.add_argument("--repeats", type=count, default=9, help="runs behind every median of the other tables")
    parser.add_argument("--batch", type=count, default=1, help="pictures at a time in all but the race and the flips")
    parser.add_argument("--gammas", type=int, nargs="+", default=[1, 2, 3, 4])
    parser.add_argument("--only", nargs="+", choices=SECTIONS, help="the sections to measure (default: all)")
    parser.add_argument("--json", type=Path, help="write everything measured here too")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints the tables."""
    options = _parse(arguments)
    try:
        # Packed weights cannot be turned into another precision, which flips are about.
        report = Report(pair_of(options, packed=False if "flips" in (options.only or ()) else None), options, {})
        for part in report.parts():
            print(part, flush=True)
        if options.json:
            options.json.write_text(json.dumps(report.values, indent=1) + "\n", encoding="utf-8")
    except SDVARError as error:
        raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main()
