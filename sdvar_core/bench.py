"""Calls and time: ``python -m sdvar_core.bench`` prints what speculation saves and what it costs, as markdown.

Times are medians, in milliseconds; runs that are compared take turns in one process.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from sdvar_core.carry_over import CARRY_OVERS
from sdvar_core.command_line import add_common_arguments, count, pair_of, sampling_of
from sdvar_core.errors import SDVARError
from sdvar_core.measure.memory import memory
from sdvar_core.measure.passes import pass_table, passes
from sdvar_core.measure.precision import flips
from sdvar_core.measure.race import (
    Contestant,
    Result,
    all_rules,
    exact_contestants,
    fewest_calls,
    fidelity_table,
    race,
    race_table,
)
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
from sdvar_core.measure.timing import costs_of, decoder_seconds, prefix_of, scale_seconds, verifications
from sdvar_core.request import Request
from sdvar_core.speculative.pair import Pair
from sdvar_core.speculative.reader import Prefix


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
        for name in options.only or [name for name in USUAL if name != "flips" or not pair.target.packed]:
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
        results = self._race("race", exact_contestants(self.options.gammas))
        yield f"### Calls and time by exact rule\n\n{self._row_of('race')}\n"
        yield race_table(results) + "\n"

    def rules(self) -> Iterator[str]:
        """What every rule saves and what it costs in fidelity."""
        yield f"### Every rule\n\n{self._row_of('rules')}\n"
        yield from fidelity_table(self._race("rules", all_rules(len(self.pair.schedule)), judged=True))
        yield FIDELITY_NOTE

    def calls(self) -> Iterator[str]:
        """How few target calls can do."""
        yield f"### Fewest target calls\n\n{self._row_of('calls')}\n"
        yield from fidelity_table(self._race("calls", fewest_calls(len(self.pair.schedule)), judged=True))
        yield FIDELITY_NOTE

    def passes(self) -> Iterator[str]:
        """Where the rule `scale` loses its calls."""
        pair, pictures, gamma = self.pair, self._pictures("passes"), len(self.pair.schedule) - 1
        entries = {way: Contestant("scale", gamma=gamma, carry_over=way) for way in CARRY_OVERS}
        found = {way: passes(pair, entry, pictures, **self.sampling) for way, entry in entries.items()}
        self.values["passes"] = {way: [asdict(scale) for scale in scales] for way, scales in found.items()}
        yield f"### Where calls are lost\n\n{self._row_of('passes')} Rule `scale`, γ = {gamma}, by carry-over.\n"
        yield pass_table(pair.schedule.sides, found) + "\n"

    def _race(self, section: str, entries: list[Contestant], judged: bool = False) -> list[Result]:
        results = race(self.pair, entries, self._pictures(section), judged=judged, **self.sampling)
        self.values[section] = [asdict(entry.contestant) | entry.summary for entry in results]
        return results

    def _row_of(self, section: str) -> str:
        one_by_one = self.conditions.replace(f"{self.options.batch} pictures", "one picture")
        return f"{self._pictures(section)} pictures a row, {one_by_one}."

    def _pictures(self, section: str) -> int:
        return self.options.pictures or PICTURES[section]

    def costs(self) -> Iterator[str]:
        """Seconds of a call by scale, and of the picture decoder."""
        pair, request, prefix, repeats = self.pair, self.request, self.prefix, self.options.repeats
        costs = scale_seconds(pair, request, prefix, repeats)
        decoder = decoder_seconds(pair, prefix, repeats)
        self.values |= {"draft_seconds": costs[0], "target_seconds": costs[1], "decoder_seconds": decoder}
        yield f"### Cost of one call by scale\n\nMedians of {repeats}, the models in turn, {self.conditions}.\n"
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
        entries = flips(self.pair, request, self._pictures("flips"), windows, ["float32", "bfloat16"])
        self.values["flips"] = [asdict(entry) for entry in entries]
        yield "### Tokens that arithmetic alone changes\n\n"
        yield f"{self._pictures('flips')} pictures against float32 read scale by scale, same luck, same inputs.\n"
        yield flip_table(entries) + "\n"


USUAL = ("race", "costs", "verification", "replay", "memory", "flips")
LONG = ("rules", "calls", "passes")
PICTURES = {"race": 20, "flips": 20, "rules": 64, "calls": 200, "passes": 50}
FIDELITY_NOTE = """
Equal tokens and PSNR are against the target-only picture of the same seed. `predicted` is the acceptance that p and q
foretell, with its standard error; no formula foretells `likelihood`. A likelihood gap of about 0 is
exact; `greedy` always takes the likeliest code, so that its gap is below 0.
"""


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split(":")[0])
    add_common_arguments(parser)
    default = ", ".join(f"{name} {number}" for name, number in PICTURES.items())
    parser.add_argument("--pictures", type=count, help=f"pictures a row (default: {default})")
    parser.add_argument("--repeats", type=count, default=9, help="runs behind every median of the other tables")
    parser.add_argument("--batch", type=count, default=1, help="pictures at a time where times are measured")
    parser.add_argument("--gammas", type=int, nargs="+", default=[1, 2, 3, 4])
    parser.add_argument("--only", nargs="+", choices=USUAL + LONG, help=f"sections to measure (default: {USUAL})")
    for name in LONG:
        method = getattr(Report, name).__doc__
        parser.add_argument(f"--{name}", dest="only", action="append_const", const=name, help=method)
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
