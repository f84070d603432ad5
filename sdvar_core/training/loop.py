"""The resumable training loop that every training command shares.

A task brings the model, its optimizers and one step's loss; the loop brings time, learning rate, gradient clipping,
averaged weights, history and checkpoints. Progress is accumulated training time divided by the budget, so the same
command with a larger ``--minutes`` goes on where the learning rate had not yet decayed.
"""

import argparse
import copy
import json
import math
import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TextIO

import torch
from torch import Tensor, nn

Clock = Callable[[], float]


class Task(Protocol):
    """What is being trained."""

    model: nn.Module
    optimizers: Sequence[torch.optim.Optimizer]

    def loss(self, progress: float, step: int) -> tuple[Tensor, dict[str, float]]:
        """The loss of one fresh batch, under autocast, and numbers for the history. ``progress`` runs from 0 to 1."""

    def after_step(self, progress: float, step: int) -> None:
        """Whatever follows the optimizers: codebook statistics, restarts, fresh data."""

    def state_dict(self) -> dict[str, Any]:
        """What else must survive a restart: generators, statistics. Tensors and plain values only."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes up what ``state_dict`` gave."""


@dataclass(frozen=True)
class LoopSettings:
    """Budget and habits of a training run; times in minutes or seconds as named."""

    run_directory: Path
    minutes: float
    warmup_steps: int = 80
    decay_share: float = 0.3
    average_decay: float = 0.995
    gradient_clip: float = 1.0
    checkpoint_seconds: float = 120.0
    history_seconds: float = 10.0
    report_seconds: float = 30.0

    @property
    def checkpoint(self) -> Path:
        """The newest checkpoint."""
        return self.run_directory / "checkpoint.pt"

    @property
    def before_decay(self) -> Path:
        """The checkpoint taken when the learning rate began to decay."""
        return self.run_directory / "before_decay.pt"

    @property
    def history(self) -> Path:
        """Averages of the losses, one JSON object a line."""
        return self.run_directory / "history.jsonl"


def add_loop_arguments(parser: argparse.ArgumentParser, minutes: float) -> None:
    """Adds ``--minutes``, ``--run-dir`` and ``--threads`` to a training command."""
    parser.add_argument("--minutes", type=float, default=minutes, help="budget of training time, accumulated over runs")
    parser.add_argument("--run-dir", type=Path, required=True, help="checkpoints and history; resumed if it has any")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads (0: as torch finds them)")


def default_device() -> torch.device:
    """The CUDA device where there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def has_bfloat16(device: torch.device) -> bool:
    """Whether bfloat16 products are fast here: on CUDA, and on processors with avx512_bf16 or amx_bf16."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    capabilities = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def precision(device: torch.device) -> AbstractContextManager:
    """Autocast to bfloat16 where that is fast, else plain float32."""
    return torch.autocast(device.type, dtype=torch.bfloat16) if has_bfloat16(device) else nullcontext()


def rate_factor(step: int, progress: float, settings: LoopSettings) -> float:
    """Factor on every learning rate: linear warm-up over steps, constant, linear decay to 0 over the last share."""
    warmup = min(1.0, (step + 1) / max(settings.warmup_steps, 1))
    decay = 1.0 if settings.decay_share <= 0 else min(1.0, max(0.0, 1.0 - progress) / settings.decay_share)
    return warmup * decay


def save_atomically(state: dict[str, Any], path: Path) -> None:
    """Writes a checkpoint beside its place and moves it there, so that a kill never leaves half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".partial")
    torch.save(state, temporary)
    os.replace(temporary, path)


class Training:
    """One run of a task: ``run()`` trains until the budget is spent and leaves ``average``, the averaged model.

    ``clock`` gives seconds and is read once a step; ``report`` receives the progress line.
    """

    def __init__(
        self,
        task: Task,
        settings: LoopSettings,
        clock: Clock = time.monotonic,
        report: TextIO = sys.stderr,
        device: torch.device | None = None,
    ):
        self.task, self.settings, self.clock, self.report = task, settings, clock, report
        self.device = default_device() if device is None else device
        self.average = copy.deepcopy(task.model).requires_grad_(False).eval()
        self.step, self.elapsed = 0, 0.0
        self.peaks = [[group["lr"] for group in optimizer.param_groups] for optimizer in task.optimizers]
        self._since_history: dict[str, list[float]] = {}
        self._next_history = self._next_report = 0.0
        self._next_checkpoint = settings.checkpoint_seconds
        self._started_at_step, self._started_at_elapsed = 0, 0.0

    @property
    def progress(self) -> float:
        """Share of the budget spent, 0 to 1."""
        return min(1.0, self.elapsed / (60.0 * self.settings.minutes)) if self.settings.minutes > 0 else 1.0

    @property
    def decaying(self) -> bool:
        """Whether the learning rate is already falling."""
        return self.progress >= 1.0 - self.settings.decay_share

    def run(self) -> nn.Module:
        """Resumes if there is a checkpoint, trains until the budget is spent, returns the averaged model."""
        self.settings.run_directory.mkdir(parents=True, exist_ok=True)
        self.resume()
        last = self.clock()
        while self.progress < 1.0:
            was_decaying = self.decaying
            self._train_step()
            now = self.clock()
            self.elapsed, last = self.elapsed + (now - last), now
            self._record()
            if self.decaying and not was_decaying:
                save_atomically(self.state_dict(), self.settings.before_decay)
            if self.elapsed >= self._next_checkpoint or self.progress >= 1.0:
                self.save()
        return self.average

    def _train_step(self) -> None:
        progress = self.progress
        factor = rate_factor(self.step, progress, self.settings)
        self.task.model.train()
        with precision(self.device):
            loss, numbers = self.task.loss(progress, self.step)
        for optimizer, peaks in zip(self.task.optimizers, self.peaks):
            optimizer.zero_grad(set_to_none=True)
            for group, peak in zip(optimizer.param_groups, peaks):
                group["lr"] = peak * factor
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.task.model.parameters(), self.settings.gradient_clip)
        finite = bool(torch.isfinite(norm))
        if finite:  # a step that overflowed is left out, and counted
            for optimizer in self.task.optimizers:
                optimizer.step()
        self.task.after_step(progress, self.step)
        self._update_average()
        self.step += 1
        self._collect({"loss": float(loss.detach()), "skipped": float(not finite), **numbers})

    @torch.no_grad()
    def _update_average(self) -> None:
        """Exponential average of weights; short at first, so that the untrained ones are soon forgotten."""
        decay = min(self.settings.average_decay, (1 + self.step) / (10 + self.step))
        current = self.task.model.state_dict()
        for name, value in self.average.state_dict().items():
            if value.is_floating_point():
                value.lerp_(current[name].to(value), 1 - decay)
            else:
                value.copy_(current[name])

    def _collect(self, numbers: dict[str, float]) -> None:
        for name, value in numbers.items():
            if math.isfinite(value):
                self._since_history.setdefault(name, []).append(value)

    def _record(self) -> None:
        """Appends to the history and shows progress when their time has come."""
        if (self.elapsed >= self._next_history or self.progress >= 1.0) and self._since_history:
            means = {name: round(sum(values) / len(values), 6) for name, values in self._since_history.items()}
            row = {"step": self.step, "minutes": round(self.elapsed / 60, 4), "progress": round(self.progress, 5)}
            with self.settings.history.open("a", encoding="utf-8") as file:
                file.write(json.dumps({**row, **means}) + "\n")
            self._next_history = self.elapsed + self.settings.history_seconds
            if self.elapsed >= self._next_report or self.progress >= 1.0 or self.report.isatty():
                self._show(means)
                self._next_report = self.elapsed + self.settings.report_seconds
            self._since_history = {}

    def _show(self, means: dict[str, float]) -> None:
        filled = int(24 * self.progress)
        speed = (self.step - self._started_at_step) / max(self.elapsed - self._started_at_elapsed, 1e-9)
        numbers = "  ".join(f"{name} {value:.4g}" for name, value in means.items() if name != "skipped" or value)
        budget = f"{self.elapsed / 60:.1f}/{self.settings.minutes:g} min"
        line = f"[{'█' * filled}{'·' * (24 - filled)}] {budget}  step {self.step}  {speed:.2f}/s  {numbers}"
        terminal = self.report.isatty()
        self.report.write(f"\r\x1b[K{line}" if terminal and self.progress < 1.0 else f"{line}\n")
        self.report.flush()

    def state_dict(self) -> dict[str, Any]:
        """Everything that a restart needs."""
        return {
            "model": self.task.model.state_dict(),
            "average": self.average.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.task.optimizers],
            "task": self.task.state_dict(),
            "step": self.step,
            "elapsed": self.elapsed,
            "minutes": self.settings.minutes,
        }

    def save(self) -> None:
        """Writes the newest checkpoint."""
        save_atomically(self.state_dict(), self.settings.checkpoint)
        self._next_checkpoint = self.elapsed + self.settings.checkpoint_seconds

    def resume(self) -> None:
        """Takes up the newest checkpoint; if the budget was raised after the decay began, the one before the decay."""
        if not self.settings.checkpoint.exists():
            self.settings.history.unlink(missing_ok=True)
            return
        state = torch.load(self.settings.checkpoint, map_location=self.device, weights_only=True)
        began_decay = state["elapsed"] >= 60 * state["minutes"] * (1 - self.settings.decay_share)
        raised = self.settings.minutes > state["minutes"]
        if raised and began_decay and self.settings.before_decay.exists():
            state = torch.load(self.settings.before_decay, map_location=self.device, weights_only=True)
        self.task.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        for optimizer, saved in zip(self.task.optimizers, state["optimizers"]):
            optimizer.load_state_dict(saved)
        self.task.load_state_dict(state["task"])
        self.step, self.elapsed = state["step"], state["elapsed"]
        self._started_at_step, self._started_at_elapsed = self.step, self.elapsed
        self._next_history = self._next_report = self.elapsed
        self._next_checkpoint = self.elapsed + self.settings.checkpoint_seconds
        self._cut_history()

    def _cut_history(self) -> None:
        """Forgets what the history tells of steps after the checkpoint: they are trained again."""
        kept = [row for row in read_history(self.settings.history) if row["step"] <= self.step]
        text = "".join(json.dumps(row) + "\n" for row in kept)
        self.settings.history.write_text(text, encoding="utf-8")


def read_history(path: Path) -> list[dict[str, float]]:
    """The rows of a history file, oldest first; empty where there is none. A torn last line is left out."""
    rows = []
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                rows.append(json.loads(line))
            except json.JSONDecodeError:
                break
    return rows
