"""Pictures as tokens, rendered and encoded once into files that a training run reads while more are being made.

``python -m sdvar_core.training.token_bank --tokenizer … --directory …`` makes them; a run starts it by itself.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from sdvar_core.checkpoints import load_model
from sdvar_core.models.vqvae import VQVAE
from sdvar_core.training import worlds
from sdvar_core.training.loop import precision

CHUNK = 2000
HELD_OUT = "held-out"
HELD_OUT_PICTURES = 500
ENCODED_TOGETHER = 50


def chunk_names(pictures: int) -> list[str]:
    """Names of the chunks that hold ``pictures`` training pictures, CHUNK a file."""
    return [f"chunk-{index:03d}" for index in range(-(-pictures // CHUNK))]


@torch.no_grad()
def make_chunk(model: VQVAE, name: str, directory: Path) -> None:
    """Render and encode one chunk and move it into place whole: ``tokens`` (count, total) and ``labels`` (count,)."""
    held_out = name == HELD_OUT
    random = np.random.default_rng((11, 0) if held_out else (7, int(name.removeprefix("chunk-"))))
    count = HELD_OUT_PICTURES if held_out else CHUNK
    labels = random.permutation(np.arange(count) % len(worlds.WORLDS))  # as many of every world
    tokens = []
    for start in range(0, count, ENCODED_TOGETHER):
        pictures = worlds.render(labels[start : start + ENCODED_TOGETHER], random, model.config.image_size)
        values = torch.from_numpy(pictures).permute(0, 3, 1, 2).float().div(127.5).sub(1)
        with precision(values.device):
            latents = model.encode_latents(values)
        tokens.append(torch.cat(model.quantizer.encode(latents.float(), model.rate()), dim=1).numpy())
    kind = np.uint8 if model.config.codes <= 256 else np.uint16
    temporary = directory / f"{name}.{os.getpid()}.partial"
    with temporary.open("wb") as file:
        np.savez(file, tokens=np.concatenate(tokens).astype(kind), labels=labels.astype(np.uint8))
    temporary.replace(directory / f"{name}.npz")


def start_making(tokenizer: Path, directory: Path, pictures: int, processes: int = 2) -> list[subprocess.Popen]:
    """Start low-priority processes that make the chunks still missing, each its share; none if all are there."""
    directory.mkdir(parents=True, exist_ok=True)
    if all((directory / f"{name}.npz").exists() for name in [HELD_OUT, *chunk_names(pictures)]):
        return []
    command = [sys.executable, "-m", "sdvar_core.training.token_bank", "--tokenizer", str(tokenizer)]
    command += ["--directory", str(directory), "--pictures", str(pictures), "--shares", str(processes)]
    return [subprocess.Popen([*command, "--share", str(share)]) for share in range(processes)]


class TokenBank:
    """The training chunks found so far: ``tokens`` (count, total) and ``labels`` (count,), in the order of names."""

    def __init__(self, directory: Path, pictures: int) -> None:
        self.directory = directory
        self.missing = chunk_names(pictures)
        self.tokens = torch.empty(0, 0, dtype=torch.uint8)
        self.labels = torch.empty(0, dtype=torch.uint8)
        self.refresh()

    def __len__(self) -> int:
        return len(self.labels)

    def refresh(self) -> None:
        """Take up the chunks that have appeared."""
        found = [name for name in self.missing if (self.directory / f"{name}.npz").exists()]
        for name in found:
            tokens, labels = read_chunk(self.directory, name)
            self.tokens = tokens if not len(self) else torch.cat([self.tokens, tokens])
            self.labels = torch.cat([self.labels, labels])
            self.missing.remove(name)

    def draw(self, count: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Random pictures: tokens int64 (count, total), labels int64 (count,)."""
        rows = torch.randint(len(self), (count,), generator=generator)
        return self.tokens[rows].long(), self.labels[rows].long()


def read_chunk(directory: Path, name: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Tokens (count, total) and labels (count,) of one chunk."""
    with np.load(directory / f"{name}.npz") as chunk:
        return torch.from_numpy(chunk["tokens"]), torch.from_numpy(chunk["labels"])


def main(arguments: Sequence[str] | None = None) -> None:
    """Make the missing chunks of one share, at low priority."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tokenizer", type=Path, required=True, help="checkpoint folder of the tokenizer")
    parser.add_argument("--directory", type=Path, required=True, help="where the chunks go")
    parser.add_argument("--pictures", type=int, default=60_000)
    parser.add_argument("--share", type=int, default=0, help="which share of the chunks this process makes")
    parser.add_argument("--shares", type=int, default=1)
    options = parser.parse_args(arguments)
    os.nice(10)
    torch.set_num_threads(1)
    options.directory.mkdir(parents=True, exist_ok=True)
    model = load_model(options.tokenizer, "vqvae")
    names = chunk_names(options.pictures)[options.share :: options.shares]
    for name in ([HELD_OUT] if options.share == 0 else []) + names:
        if not (options.directory / f"{name}.npz").exists():
            make_chunk(model, name, options.directory)


if __name__ == "__main__":
    main()
