"""Trains the judge of samples: ``python -m sdvar_core.training.classifier --run-dir runs/classifier --output …``.

It learns from tiny worlds as they are painted and as models paint them: part of every batch is blurred, made noisy and
tinted, so that a soft picture is judged by what it shows.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from sdvar_core.checkpoints import save_model
from sdvar_core.models.classifier import Classifier, ClassifierConfig
from sdvar_core.nn.initial_weights import initialise
from sdvar_core.training import worlds
from sdvar_core.training.loop import LoopSettings, Training, add_loop_arguments, default_device
from sdvar_core.training.report import write_report
from sdvar_core.training.vqvae import pixels_to_values

CONFIG = ClassifierConfig(classes=len(worlds.WORLDS))
SIZE = 128  # pixels along a side
LEARNING_RATE = 3e-3
BATCH = 64
REFRESHED = 8  # pictures of the bank painted anew after each step
SOFT_SIDES = (24, 32, 48, 64, 96)  # sides that a picture is shrunk to and enlarged from
EVALUATED = 2_000


def soften(pictures: Tensor, side: int) -> Tensor:
    """Pictures (batch, 3, height, width) without the detail that ``side`` pixels a side cannot hold."""
    small = functional.interpolate(pictures, size=(side, side), mode="area")
    return functional.interpolate(small, size=pictures.shape[-2:], mode="bicubic").clamp(-1, 1)


def disturb(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """Half of the pictures (batch, 3, height, width) softened, then all mirrored at random, tinted and made noisy."""

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return torch.empty(shape).uniform_(low, high, generator=generator).to(pictures.device)

    batch, half = len(pictures), len(pictures) // 2
    side = SOFT_SIDES[int(torch.randint(len(SOFT_SIDES), (1,), generator=generator))]
    pictures = torch.cat([soften(pictures[:half], side), pictures[half:]])
    mirrored = uniform(0, 1, batch, 1, 1, 1) < 0.5
    pictures = torch.where(mirrored, pictures.flip(-1), pictures)
    pictures = pictures * uniform(0.8, 1.2, batch, 1, 1, 1) + uniform(-0.15, 0.15, batch, 3, 1, 1)
    noise = torch.randn(pictures.shape, generator=generator).to(pictures.device)
    return (pictures + noise * uniform(0, 0.08, batch, 1, 1, 1)).clamp(-1, 1)


class ClassifierTask:
    """The classifier's step for the shared loop; ``bank`` uint8 (count, size, size, 3) shows worlds in turn."""

    def __init__(self, config: ClassifierConfig, bank: np.ndarray, seed: int, device: torch.device):
        self.bank, self.device = bank, device
        self.labels = torch.arange(len(bank)) % config.classes
        model = initialise(Classifier(config), torch.Generator().manual_seed(seed))
        self.model = model.to(device, memory_format=torch.channels_last)
        self.optimizers = [torch.optim.AdamW(self.model.parameters(), lr=LEARNING_RATE, weight_decay=1e-2)]
        self.generator = torch.Generator().manual_seed(seed)
        self.random = np.random.default_rng((seed, 1))

    def loss(self, progress: float, step: int) -> tuple[Tensor, dict[str, float]]:
        """Cross-entropy of a disturbed batch in nats, with a little label smoothing, and its share of right names."""
        rows = torch.randint(len(self.bank), (BATCH,), generator=self.generator)
        pictures = disturb(pixels_to_values(self.bank[rows.numpy()]), self.generator).to(self.device)
        labels = self.labels[rows].to(self.device)
        logits = self.model(pictures)
        correct = float((logits.detach().argmax(dim=-1) == labels).float().mean())
        return functional.cross_entropy(logits.float(), labels, label_smoothing=0.02), {"correct": correct}

    def after_step(self, progress: float, step: int) -> None:
        """Paints a few pictures of the bank anew."""
        rows = self.random.choice(len(self.bank), min(REFRESHED, len(self.bank)), replace=False)
        self.bank[rows] = worlds.render(self.labels[rows].numpy(), self.random, self.bank.shape[1])

    def state_dict(self) -> dict[str, Any]:
        """Both generators."""
        return {"generator": self.generator.get_state(), "random": json.dumps(self.random.bit_generator.state)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes up what ``state_dict`` gave."""
        self.generator.set_state(state["generator"].cpu())
        self.random.bit_generator.state = json.loads(state["random"])


def in_turn(count: int) -> np.ndarray:
    """Labels (count,) that name the worlds one after the other."""
    return np.arange(count) % len(worlds.WORLDS)


@torch.no_grad()
def named(model: Classifier, pictures: np.ndarray, side: int | None = None) -> np.ndarray:
    """The label that the classifier gives to each uint8 picture (batch, height, width, 3), softened to ``side`` first
    if that is given: int64 (batch,)."""
    device = next(model.parameters()).device
    answers = []
    for start in range(0, len(pictures), 100):
        values = pixels_to_values(pictures[start : start + 100]).to(device)
        values = values if side is None else soften(values, side)
        answers.append(model(values).argmax(dim=-1).cpu())
    return torch.cat(answers).numpy()


def evaluate(model: Classifier, pictures: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """Shares of unseen pictures named correctly: all, by world, and softened to each of ``SOFT_SIDES`` pixels."""
    correct = named(model, pictures) == labels
    return {
        "accuracy": round(float(correct.mean()), 5),
        "accuracy_by_world": {
            name: round(float(correct[labels == label].mean()), 4) for label, name in enumerate(worlds.WORLDS)
        },
        "accuracy_softened": {
            str(side): round(float((named(model, pictures, side) == labels).mean()), 4) for side in SOFT_SIDES
        },
        "pictures": len(pictures),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "batch": BATCH,
    }


def report(model: Classifier, settings: LoopSettings, output: Path, count: int = EVALUATED) -> dict[str, Any]:
    """Writes evaluation.json and curves.png beside the weights; returns the evaluation on ``count`` new pictures."""
    labels = in_turn(count)
    evaluation = evaluate(model, worlds.render(labels, np.random.default_rng((4, 4)), SIZE), labels)
    return write_report(evaluation, settings, [["loss"], ["correct"]], "Classifier", output)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split(":")[0])
    add_loop_arguments(parser, minutes=3.0)
    parser.add_argument("--output", type=Path, required=True, help="folder of the finished checkpoint")
    parser.add_argument("--pictures", type=int, default=3_000, help="training pictures kept in memory")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Trains, or goes on training, then writes the checkpoint with its evaluation and curves."""
    options = _parse(arguments)
    if options.threads:
        torch.set_num_threads(options.threads)
    device = default_device()
    bank = worlds.render(in_turn(options.pictures), np.random.default_rng((options.seed, 0)), SIZE)
    task = ClassifierTask(CONFIG, bank, options.seed, device)
    settings = LoopSettings(options.run_dir, options.minutes)
    model = Training(task, settings, device=device).run()
    save_model(model, options.output)
    print(json.dumps(report(model, settings, options.output), indent=2))


if __name__ == "__main__":
    main()
