"""What the page costs besides the models: ``python -m app.bench`` steps through a run as a visitor would.

It goes through ``session`` and ``frames``, without a browser and without Gradio's own transport.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from app.session import Payload, Visits, new_visit
from sdvar_core import Pair, SDVARError
from sdvar_core.command_line import add_common_arguments, count, pair_of, sampling_of
from sdvar_core.tables import table

Clock = Callable[[], float]


@dataclass(frozen=True)
class Step:
    """One event on its way to the page: seconds in draft and target, in the picture decoder, and in everything else;
    bytes of the frame, and of the whole value that carries it, as JSON."""

    kind: str
    models: float
    decoder: float
    server: float
    frame_bytes: int
    value_bytes: int


@dataclass(frozen=True)
class Whole:
    """A whole run by Generate: seconds to the first value and to the value that ends the run."""

    first: float
    last: float


def steps(pair: Pair, settings: dict, clock: Clock = time.perf_counter) -> Iterator[Step]:
    """Step through one run."""
    visits, visit, decoder, finished = Visits(lambda: pair), new_visit(), 0.0, False
    while not finished:
        began = clock()
        payload, visit = next(visits.step(visit, settings))
        seconds = clock() - began
        _refuse_notice(payload)
        frame, finished = payload["frames"][-1], payload["finished"]
        decoder_so_far = frame["counters"]["decoder_ms"] / 1000.0
        spent = frame.get("milliseconds", 0.0) / 1000.0, decoder_so_far - decoder
        decoder = decoder_so_far
        yield Step(frame["kind"], *spent, seconds - sum(spent), json_bytes(frame), json_bytes(payload))


def whole_run(pair: Pair, settings: dict, clock: Clock = time.perf_counter) -> Whole:
    """Generate one picture; what comes after its end, the comparison with the target alone, is left out."""
    visits, first = Visits(lambda: pair), None
    began = clock()
    for payload, _ in visits.generate(new_visit(), settings):
        _refuse_notice(payload)
        first = clock() - began if first is None else first
        if payload["finished"]:
            break
    return Whole(first, clock() - began)


def _refuse_notice(payload: Payload) -> None:
    if payload["notice"]:
        raise SDVARError(payload["notice"])


def json_bytes(value: object) -> int:
    """Length of a value as compact JSON."""
    return len(json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8"))


def step_table(entries: Sequence[Step]) -> str:
    """One row for each kind of event, and one for all."""
    kinds = list(dict.fromkeys(entry.kind for entry in entries))
    groups = {kind: [entry for entry in entries if entry.kind == kind] for kind in kinds} | {"**all**": list(entries)}
    header = ["event", "events", "models, ms", "picture decoder, ms", "server besides, ms", "most, ms", "frame, KB",
              "largest frame, KB", "largest value, KB"]  # fmt: skip
    rows = []
    for name, group in groups.items():
        medians = [np.median([getattr(entry, part) for entry in group]) for part in ("models", "decoder", "server")]
        times = [f"{1000 * seconds:.1f}" for seconds in (*medians, max(entry.server for entry in group))]
        frames = [entry.frame_bytes for entry in group]
        sizes = [np.median(frames), max(frames), max(entry.value_bytes for entry in group)]
        rows.append([name, len(group), *times, *(f"{size / 1000:.1f}" for size in sizes)])
    return table(header, rows)


def report(pair: Pair, options: argparse.Namespace) -> Iterator[str]:
    """The table of steps, then how long Generate takes."""
    common = {"rule": options.rule, "gamma": options.gamma, **sampling_of(options)}
    requests = [{"label": seed % len(pair.class_names), "seed": seed, **common} for seed in range(options.pictures)]
    list(steps(pair, requests[0]))  # warm
    yield f"### A page step\n\n{options.pictures} runs, rule {options.rule}, γ={options.gamma}; medians.\n"
    yield step_table([step for request in requests for step in steps(pair, request)]) + "\n"
    runs = [whole_run(pair, request) for request in requests]
    first, last = (1000 * np.median([getattr(run, part) for run in runs]) for part in ("first", "last"))
    yield f"Generate: first value after {first:.0f} ms, picture finished after {last:.0f} ms (medians)."


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split(":")[0])
    add_common_arguments(parser)
    parser.add_argument("--pictures", type=count, default=10, help="runs that are measured")
    parser.add_argument("--rule", default="coupled")
    parser.add_argument("--gamma", type=int, default=3)
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints the table."""
    options = _parse(arguments)
    try:
        for part in report(pair_of(options), options):
            sys.stdout.write(part + "\n")
    except SDVARError as error:
        raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main()
