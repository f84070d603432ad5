"""What the measuring commands have in common: which pair, which sampling settings, which device."""

import argparse
import sys
from pathlib import Path
from typing import Any

import torch

from sdvar_core.official.hub import gigabytes
from sdvar_core.pairs import load_pair
from sdvar_core.placement import PRECISIONS
from sdvar_core.presets import PAIRS
from sdvar_core.speculative.pair import Pair

SAMPLING = {"guidance": 1.5, "temperature": 1.0, "top_k": 0, "top_p": 1.0}


def count(text: str) -> int:
    """An argument that is a whole number of at least 1."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, found {number}")
    return number


def add_common_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds ``--pair`` and the folders that replace its parts, the sampling settings, the device and its use."""
    parser.add_argument("--pair", choices=sorted(PAIRS), default=next(iter(PAIRS)))
    for part in ("draft", "target", "tokenizer"):
        parser.add_argument(f"--{part}-dir", type=Path, help=f"folder or official file, instead of the pair's {part}")
    for name, value in SAMPLING.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value)
    parser.add_argument("--device", default="cpu", help="auto, cpu, cuda, cuda:1, mps")
    parser.add_argument("--precision", default="auto", choices=["auto", *PRECISIONS])
    parser.add_argument("--compile", action="store_true", help="torch.compile around attention; slow the first time")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads (0: as torch finds them)")


def sampling_of(options: argparse.Namespace) -> dict[str, Any]:
    """The sampling settings as fields of a Request."""
    return {name: getattr(options, name) for name in SAMPLING}


def pair_of(options: argparse.Namespace, packed: bool | None = None) -> Pair:
    """The pair that the options name, with its parts replaced; CheckpointError if they do not fit together.

    packed: see ``load_pair``.
    """
    if options.threads:
        torch.set_num_threads(options.threads)
    parts = {part: getattr(options, f"{part}_dir") for part in ("draft", "target", "tokenizer")}
    return load_pair(
        options.pair, options.device, options.precision, progress=tell, packed=packed, compiled=options.compile, **parts
    )


def tell(name: str, here: int, size: int) -> None:
    """One line on the terminal that a download writes over."""
    percent = f"{100 * here // size} % of {gigabytes(size)}" if size else gigabytes(here)
    sys.stderr.write(f"\r{name}: {percent}" + (", now checked and converted\n" if size and here >= size else ""))
