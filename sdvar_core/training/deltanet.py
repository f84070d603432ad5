"""Trains the byte-level language models: the target on Python's own source, the draft on the target's answers.

``python -m sdvar_core.training.deltanet target --minutes 60 --run-dir … --output assets/python-bytes/target``
``python -m sdvar_core.training.deltanet draft --teacher assets/python-bytes/target --minutes 20 --run-dir … …``
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from sdvar_core.checkpoints import load_model, save_model
from sdvar_core.models.deltanet import DeltaNet, DeltaNetConfig, initialise
from sdvar_core.training.loop import LoopSettings, Training, add_loop_arguments, default_device, precision
from sdvar_core.training.muon import optimizer_for
from sdvar_core.training.python_source import PythonSource, standard_library
from sdvar_core.training.report import write_report
from sdvar_core.training.var import divergence

SIZES = {"target": (4, 256, 4), "draft": (2, 128, 2)}  # depth, width, heads
HEAD_DIM = 64
HELD_OUT_STEPS = 300
HELD_OUT_BATCH = 16


class LanguageTask:
    """One step of a language model for the shared loop: plain training, or distillation where there is a ``teacher``.

    A batch is ``batch`` windows of ``sequence`` bytes from anywhere in the text, each read from an empty state by the
    chunk form. text, held_out: uint8 (byte,). ``average`` is the model that the held-out figures are of.
    """

    def __init__(
        self,
        model: DeltaNet,
        text: Tensor,
        held_out: Tensor,
        seed: int,
        batch: int = 16,
        sequence: int = 256,
        teacher: DeltaNet | None = None,
    ) -> None:
        self.model, self.average, self.teacher = model, model, teacher
        self.text, self.held_out, self.batch, self.sequence = text, held_out, batch, sequence
        self.device = model.head.weight.device
        self.optimizers = [optimizer_for(model)]
        self.generator = torch.Generator().manual_seed(seed)
        self.figures: dict[str, float] = {}

    def loss(self, progress: float, step: int) -> tuple[Tensor, dict[str, float]]:
        """Mean over bytes of the cross-entropy, or of KL(teacher ‖ model); nats a byte."""
        starts = torch.randint(len(self.text) - self.sequence, (self.batch,), generator=self.generator)
        windows = self._windows(self.text, starts)
        logits = self._logits(self.model, windows)
        if self.teacher is None:
            return F.cross_entropy(logits.flatten(0, 1), windows[:, 1:].flatten()), dict(self.figures)
        with torch.no_grad():
            answers = self._logits(self.teacher, windows)
        return divergence(answers, logits).mean(), dict(self.figures)

    def _windows(self, text: Tensor, starts: Tensor) -> Tensor:
        """int64 (start, sequence + 1)."""
        return text[starts[:, None] + torch.arange(self.sequence + 1)].long().to(self.device)

    @staticmethod
    def _logits(model: DeltaNet, windows: Tensor) -> Tensor:
        """Logits (window, sequence, vocabulary) for every byte of the windows but the first, float32."""
        return model(windows[:, :-1], form="chunk")[0].float()

    def after_step(self, progress: float, step: int) -> None:
        """Now and then the held-out figures, kept in every row of the history."""
        if step % HELD_OUT_STEPS == HELD_OUT_STEPS - 1:
            self.figures = self.measure(windows=4 * HELD_OUT_BATCH)

    @torch.no_grad()
    def measure(self, windows: int) -> dict[str, float]:
        """Figures of the averaged weights on evenly spaced held-out windows.

        held_out: cross-entropy, nats a byte. With a teacher also its KL, how often both find the same byte likeliest,
        how often the teacher's likeliest is among the model's four likeliest, and 1 − TV, all of them means.
        """
        totals: dict[str, list[Tensor]] = {}
        for batch in self._held_out_batches(windows):
            with precision(self.device):
                logits = self._logits(self.average, batch)
                answers = None if self.teacher is None else self._logits(self.teacher, batch)
            figures = {"held_out": F.cross_entropy(logits.transpose(1, 2), batch[:, 1:], reduction="none")}
            for name, values in (figures | _agreement(answers, logits)).items():
                totals.setdefault(name, []).append(values.float())
        return {name: float(torch.cat(values).mean()) for name, values in totals.items()}

    def _held_out_batches(self, windows: int) -> Iterator[Tensor]:
        starts = torch.linspace(0, len(self.held_out) - self.sequence - 1, windows).long()
        for group in starts.split(HELD_OUT_BATCH):
            yield self._windows(self.held_out, group)

    def state_dict(self) -> dict[str, Any]:
        """The generator of batches and the last held-out figures."""
        return {"generator": self.generator.get_state(), "figures": self.figures}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up what ``state_dict`` gave."""
        self.generator.set_state(state["generator"].cpu())
        self.figures = state["figures"]


def _agreement(answers: Tensor | None, logits: Tensor) -> dict[str, Tensor]:
    """How a draft's logits compare with the target's, each (window, byte)."""
    if answers is None:
        return {}
    wanted = answers.argmax(dim=-1, keepdim=True)
    fourth = logits.topk(4, dim=-1).values[..., -1:]
    variation = 0.5 * (answers.softmax(-1) - logits.softmax(-1)).abs().sum(dim=-1)
    return {
        "divergence": divergence(answers, logits),
        "same_likeliest": logits.argmax(dim=-1) == wanted[..., 0],
        "among_four": (logits.gather(-1, wanted) >= fourth)[..., 0],
        "overlap": 1.0 - variation,
    }


def new_model(role: str, options: argparse.Namespace) -> DeltaNet:
    """An untrained model of the role's size."""
    depth, width, heads = (
        getattr(options, name) or size for name, size in zip(("depth", "width", "heads"), SIZES[role])
    )
    head = options.head_dim
    config = DeltaNetConfig(depth, width, key_heads=heads, value_heads=heads, key_dim=head, value_dim=head)
    return initialise(DeltaNet(config), torch.Generator().manual_seed(options.seed))


def report(task: LanguageTask, model: DeltaNet, settings: LoopSettings, output: Path) -> dict[str, Any]:
    """Write evaluation.json and curves.png beside the weights; returns the evaluation."""
    task.average = model
    windows = min(1024, max(1, len(task.held_out) // task.sequence))
    measured = {name: round(value, 4) for name, value in task.measure(windows).items()}
    kind = "cross-entropy" if task.teacher is None else "KL to the target"
    evaluation = {"loss": kind, "unit": "nats a byte", **measured, "windows": windows, "sequence": task.sequence}
    evaluation["parameters"] = sum(parameter.numel() for parameter in model.parameters())
    panels = [["loss", "held_out"]]
    if task.teacher is not None:
        panels = [["loss", "divergence"], ["held_out"], ["same_likeliest", "among_four", "overlap"]]
    return write_report(evaluation, settings, panels, f"{kind}, nats a byte", output)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    roles = parser.add_subparsers(dest="role", required=True)
    for role, minutes in (("target", 60.0), ("draft", 20.0)):
        command = roles.add_parser(role)
        add_loop_arguments(command, minutes=minutes)
        command.add_argument("--output", type=Path, required=True, help="folder of the finished checkpoint")
        command.add_argument("--source", type=Path, default=standard_library(), help="folder of Python files")
        for size in ("depth", "width", "heads"):
            command.add_argument(f"--{size}", type=int, default=0, help=f"0: {SIZES[role]}")
        command.add_argument("--head-dim", type=int, default=HEAD_DIM)
        command.add_argument("--batch", type=int, default=16, help="windows of a step")
        command.add_argument("--sequence", type=int, default=256, help="bytes of a window")
        command.add_argument("--seed", type=int, default=0)
        command.add_argument("--teacher", type=Path, required=role == "draft", help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, or go on training, then write the checkpoint with its text record, evaluation and curves."""
    options = _parse(arguments)
    if options.threads:
        torch.set_num_threads(options.threads)
    device, source = default_device(), PythonSource(options.source)
    teacher = load_model(options.teacher, "deltanet").to(device) if options.teacher else None
    task = LanguageTask(
        new_model(options.role, options).to(device),
        source.tokens(held_out=False),
        source.tokens(held_out=True),
        options.seed,
        options.batch,
        options.sequence,
        teacher,
    )
    settings = LoopSettings(options.run_dir, options.minutes)
    training = Training(task, settings, device=device)
    task.average = training.average
    trained = training.run()
    save_model(trained, options.output, torch.float16)
    (options.output / "text.json").write_text(json.dumps(source.record(), indent=1) + "\n", encoding="utf-8")
    print(json.dumps(report(task, trained, settings, options.output), indent=2))


if __name__ == "__main__":
    main()
