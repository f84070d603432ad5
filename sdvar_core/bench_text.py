"""Tree drafts in numbers: ``python -m sdvar_core.bench_text`` prints calls, acceptance and time, as markdown.

The prompts are pieces of held-out files of the standard library. Plain decoding (steps = 0) and every tree take turns,
piece by piece, in one process. Times are milliseconds.
"""

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from sdvar_core import tables
from sdvar_core.command_line import count
from sdvar_core.errors import SDVARError
from sdvar_core.pairs import load_text_pair
from sdvar_core.presets import TEXT_PAIRS
from sdvar_core.speculative.text_pair import TextModel, TextPair, as_tokens
from sdvar_core.speculative.tree_decode import Clock, generate_text
from sdvar_core.speculative.tree_growth import planned
from sdvar_core.text_trace import TextTrace
from sdvar_core.training.python_source import PythonSource, standard_library

NODES = (4, 8, 16, 32, 64)
PASS_NODES = (8, 20, 64, 128)
DEEPEST = 16  # levels of a full tree
WIDTH = 4  # topk of the trees


@dataclass(frozen=True)
class Tree:
    """A row of the table: the shape of a tree of at most ``nodes`` guesses."""

    name: str
    nodes: int
    topk: int
    steps: int
    expansion: str


def trees(nodes: Sequence[int]) -> list[Tree]:
    """A chain, a linear and a full tree of each size."""
    rows = []
    for size in nodes:
        rows.append(Tree("chain", size, 1, min(size, DEEPEST), "linear"))
        rows.append(Tree("linear", size, WIDTH, max(1, min(size // WIDTH, DEEPEST)), "linear"))
        rows.append(Tree("full", size, WIDTH, min(size, DEEPEST), "full"))
    return rows


def prompts(source: PythonSource, number: int, length: int) -> list[bytes]:
    """Pieces of ``length`` bytes, evenly spaced over the held-out text, each from the start of a line."""
    text = source.text(held_out=True)
    pieces = []
    for index in range(number):
        start = text.find(b"\n", (index * len(text)) // number) + 1
        pieces.append(text[start : start + length])
    return pieces


def totals(runs: Sequence[TextTrace]) -> dict[str, float]:
    """The numbers of several runs together."""
    names = ("target_calls", "accepted", "drafted", "levels", "baseline_calls")
    calls, accepted, drafted, levels, written = (sum(getattr(run, name) for run in runs) for name in names)
    return {
        "per_node": accepted / drafted if drafted else 0.0,
        "per_level": accepted / levels if levels else 0.0,
        "accepted": accepted / calls,
        "with_bonus": written / calls,
        "draft": 1000 * sum(run.draft_seconds for run in runs) / written,
        "verify": 1000 * sum(run.target_seconds for run in runs) / written,
        "commit": 1000 * sum(run.commit_seconds for run in runs) / written,
    }


def timed(pair: TextPair, clock: Clock, **settings) -> tuple[TextTrace, float]:
    """A run and the seconds it took."""
    began = clock()
    run = generate_text(pair, clock=clock, **settings)
    return run, clock() - began


def tree_rows(
    pair: TextPair, rows: Sequence[Tree], pieces: Sequence[bytes], clock: Clock = time.perf_counter, **settings
) -> Iterator[list[str]]:
    """The cells of each row. Every piece is written by plain decoding and then by each tree in turn.

    Greedy texts are compared with those of plain decoding; at other temperatures the two draw from one law with
    different luck.
    """
    plain, drafted = [], {row: [] for row in rows}
    for piece in pieces:
        plain.append(timed(pair, clock, prompt=piece, steps=0, **settings))
        for row, runs in drafted.items():
            shape = {"topk": row.topk, "steps": row.steps, "nodes": row.nodes, "expansion": row.expansion}
            runs.append(timed(pair, clock, prompt=piece, **shape, **settings))
    for row, runs in drafted.items():
        numbers = totals([run for run, _ in runs])
        speedup = float(np.median([alone / spent for (_, alone), (_, spent) in zip(plain, runs)]))
        same = sum(run.written == baseline.written for (run, _), (baseline, _) in zip(runs, plain))
        shares = (f"{numbers[name]:.2f}" for name in ("per_node", "per_level", "accepted", "with_bonus"))
        times = (f"{numbers[name]:.1f}" for name in ("draft", "verify", "commit"))
        texts = "–" if settings.get("temperature") else f"{same} of {len(runs)}"
        yield [f"{row.name} {row.topk}×{row.steps}", row.nodes, *shares, *times, f"{speedup:.2f}", texts]


HEADER = [
    "tree",
    "nodes",
    "accepted a node",
    "accepted a level",
    "accepted a call",
    "bytes a call = call reduction",
    "draft, ms a byte",
    "verify",
    "commit",
    "speedup",
    "same text",
]


def pass_rows(model: TextModel, piece: bytes, sizes: Sequence[int], repeats: int) -> Iterator[list[str]]:
    """Milliseconds of one pass over a tree and of the same tree node by node."""
    with torch.inference_mode():
        _, state = model(as_tokens(piece), model.new_state(1))
        for size in sizes:
            tree = planned(WIDTH, DEEPEST, "full", size - 1)
            tokens = as_tokens([piece[node % len(piece)] for node in range(size)])
            spent: dict[str, list[float]] = {"tree": [], "nodes": []}
            for _ in range(repeats + 1):
                for form, seconds in spent.items():
                    began = time.perf_counter()
                    model.tree(tokens, tree.parents, state, form)
                    seconds.append(time.perf_counter() - began)
            one, other = (1000 * float(np.median(seconds[1:])) for seconds in spent.values())
            yield [size, f"{one:.1f}", f"{other:.1f}", f"{other / one:.1f}"]


def report(pair: TextPair, options: argparse.Namespace) -> Iterator[str]:
    """The tables, row by row."""
    pieces = prompts(PythonSource(options.source), options.prompts, options.prompt_length)
    for temperature in options.temperatures:
        ways = ("likeliest",) if temperature == 0.0 else ("likeliest", "sampled")
        for children in ways:
            yield f"\n### Temperature {temperature:g}, {children} children\n"
            yield f"{len(pieces)} held-out prompts × {options.length} bytes, {torch.get_num_threads()} threads.\n"
            yield tables.head(HEADER)
            settings = {"temperature": temperature, "children": children, "length": options.length}
            for cells in tree_rows(pair, trees(options.nodes), pieces, **settings):
                yield tables.row(cells)
    yield "\n### One pass over a tree against node by node\n"
    yield tables.head(["nodes", "tree pass, ms", "node by node, ms", "ratio"])
    for cells in pass_rows(pair.target, pieces[0], PASS_NODES, options.repeats):
        yield tables.row(cells)


def pair_of(options: argparse.Namespace) -> TextPair:
    """The pair that the options name; CheckpointError if it is not there."""
    preset = TEXT_PAIRS[options.pair]
    given = {"draft": options.draft_dir, "target": options.target_dir}
    return load_text_pair(replace(preset, **{role: folder for role, folder in given.items() if folder is not None}))


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pair", choices=sorted(TEXT_PAIRS), default=next(iter(TEXT_PAIRS)))
    for part in ("draft", "target"):
        parser.add_argument(f"--{part}-dir", type=Path, help=f"a checkpoint folder instead of the pair's {part}")
    parser.add_argument("--source", type=Path, default=standard_library(), help="folder of Python files")
    parser.add_argument("--prompts", type=count, default=10)
    parser.add_argument("--prompt-length", type=count, default=200, help="bytes")
    parser.add_argument("--length", type=count, default=200, help="bytes written after each prompt")
    parser.add_argument("--nodes", type=count, nargs="+", default=NODES)
    parser.add_argument("--temperatures", type=float, nargs="+", default=[0.0, 1.0])
    parser.add_argument("--repeats", type=count, default=10)
    parser.add_argument("--threads", type=int, default=0, help="CPU threads (0: as torch finds them)")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables."""
    options = _parse(arguments)
    if options.threads:
        torch.set_num_threads(options.threads)
    try:
        for line in report(pair_of(options), options):
            print(line, flush=True)
    except SDVARError as error:
        raise SystemExit(str(error)) from error


if __name__ == "__main__":
    main()
