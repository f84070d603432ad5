"""Trains the next-scale transformers on tiny worlds: the target on pictures, the draft on the target's answers.

``python -m sdvar_core.training.var target --minutes 120 --tokenizer … --run-dir … --output assets/tiny-worlds/target``
``python -m sdvar_core.training.var draft --minutes 15 --teacher assets/tiny-worlds/target --tokenizer … …``
"""

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from sdvar_core.checkpoints import load_model, save_model
from sdvar_core.errors import ConfigurationError
from sdvar_core.models.var import VAR, VARConfig, initialise
from sdvar_core.models.vqvae import VQVAE
from sdvar_core.nn.quantizer import MultiScaleQuantizer
from sdvar_core.probability import guidance_at, guide
from sdvar_core.training import worlds
from sdvar_core.training.loop import LoopSettings, Training, add_loop_arguments, default_device, precision
from sdvar_core.training.muon import optimizer_for
from sdvar_core.training.report import write_report
from sdvar_core.training.token_bank import HELD_OUT, TokenBank, read_chunk, start_making

BATCHES = ((8, 0), (24, 2))  # pictures of a step, and how many of the last scales it leaves out
HELD_OUT_STEPS = 300
HELD_OUT_BATCH = 16
REFRESH_STEPS = 50
SIZES = {"target": (6, 256, 4, 0.1), "draft": (2, 128, 2, 0.3)}  # depth, width, heads, share of labels dropped


def teacher_forcing(quantizer: MultiScaleQuantizer, tokens: Sequence[Tensor]) -> list[Tensor | None]:
    """The inputs of all scales of ``tokens``, one (batch, n²) a scale: None, then (batch, n², channels), float32."""
    features: list[Tensor | None] = [None]
    canvas = quantizer.empty_canvas(len(tokens[0]))
    with torch.no_grad(), torch.autocast(canvas.device.type, enabled=False):
        for scale, scale_tokens in enumerate(tokens[:-1]):
            canvas = quantizer.advance(canvas, scale_tokens, scale)
            features.append(quantizer.features(canvas, scale + 1))
    return features


def divergence(teacher: Tensor, student: Tensor) -> Tensor:
    """KL(teacher ‖ student) of logits (…, codes), nats a token, (…)."""
    wanted = F.log_softmax(teacher, dim=-1)
    return (wanted.exp() * (wanted - F.log_softmax(student, dim=-1))).sum(dim=-1)


class TransformerTask:
    """One step of a transformer for the shared loop: plain training, or distillation where there is a ``teacher``.

    Steps alternate between all scales and the scales but the last two with three times the pictures, which the
    block-causal mask allows. A dropped label becomes "no class", for the teacher too. With ``guidance`` the draft
    learns what will be sampled: half of the loss is between guided distributions, a quarter each between those with
    and without the label, for half as many pictures a step. ``average`` is the model that the held-out figures are of.
    """

    def __init__(
        self,
        model: VAR,
        quantizer: MultiScaleQuantizer,
        bank: TokenBank,
        drop: float,
        seed: int,
        teacher: VAR | None,
        guidance: float = 0.0,
    ) -> None:
        self.model, self.average, self.teacher, self.guidance = model, model, teacher, guidance
        self.quantizer, self.bank, self.drop = quantizer, bank, drop
        self.device = model.head.weight.device
        self.optimizers = [optimizer_for(model)]
        self.generator = torch.Generator().manual_seed(seed)
        self.held_out = tuple(part.long() for part in read_chunk(bank.directory, HELD_OUT))
        self.figures: dict[str, float] = {}

    def loss(self, progress: float, step: int) -> tuple[Tensor, dict[str, float]]:
        """Mean over tokens of the cross-entropy, or of KL(teacher ‖ model); nats a token."""
        pictures, without = BATCHES[step % len(BATCHES)]
        scales = max(1, len(self.model.schedule) - without)
        tokens, labels = self.bank.draw(pictures // 2 if self.guidance else pictures, self.generator)
        dropped = torch.rand(len(labels), generator=self.generator) < self.drop
        labels = labels.masked_fill(dropped, self.model.config.classes).to(self.device)
        tokens = tokens[:, : self.model.schedule.offsets[scales]].to(self.device)
        if not self.guidance:
            return self._token_losses(self.model, tokens, labels, scales).mean(), dict(self.figures)
        guided, *plain = self._guided_losses(self.model, tokens, labels, scales)
        return 0.5 * guided.mean() + 0.25 * sum(part.mean() for part in plain), dict(self.figures)

    def _guided_losses(self, model: VAR, tokens: Tensor, labels: Tensor, scales: int) -> list[Tensor]:
        """KL(teacher ‖ model), (batch, positions): of guided distributions, of those with the label, and without."""
        schedule = model.schedule
        features = teacher_forcing(self.quantizer, tokens.split(schedule.lengths[:scales], dim=1))
        twice = [None if feature is None else torch.cat([feature, feature]) for feature in features]
        both = torch.cat([labels, torch.full_like(labels, model.config.classes)])
        with torch.no_grad():
            answers = self.teacher.teacher_forced(twice, both).chunk(2)
        logits = model.teacher_forced(twice, both).chunk(2)
        strengths = [guidance_at(self.guidance, scale, len(schedule)) for scale in range(scales)]
        lengths = torch.tensor(schedule.lengths[:scales], device=tokens.device)
        strength = torch.tensor(strengths, device=tokens.device).repeat_interleave(lengths)[:, None]
        guided = divergence(guide(*answers, strength), guide(*logits, strength))
        return [guided, *(divergence(*pair) for pair in zip(answers, logits))]

    def _token_losses(self, model: VAR, tokens: Tensor, labels: Tensor, scales: int) -> Tensor:
        """Losses (batch, positions) of the first ``scales`` scales."""
        if self.guidance:
            return self._guided_losses(model, tokens, labels, scales)[0]
        parts = tokens.split(model.schedule.lengths[:scales], dim=1)
        features = teacher_forcing(self.quantizer, parts)
        logits = model.teacher_forced(features, labels)
        if self.teacher is None:
            return F.cross_entropy(logits.transpose(1, 2), tokens, reduction="none")
        with torch.no_grad():
            answers = self.teacher.teacher_forced(features, labels)
        return divergence(answers, logits)

    def after_step(self, progress: float, step: int) -> None:
        """New chunks of pictures, and now and then the held-out figures, kept in every row of the history."""
        if self.bank.missing and step % REFRESH_STEPS == 0:
            self.bank.refresh()
        if step % HELD_OUT_STEPS == HELD_OUT_STEPS - 1:
            self.figures = self.measure(pictures=160)

    @torch.no_grad()
    def measure(self, pictures: int) -> dict[str, float]:
        """Held-out loss of the averaged weights in nats a token: of all, and by scale from 1 on."""
        schedule, losses = self.model.schedule, []
        tokens, labels = (part[:pictures].to(self.device) for part in self.held_out)
        for start in range(0, len(labels), HELD_OUT_BATCH):
            rows = slice(start, start + HELD_OUT_BATCH)
            with precision(self.device):
                losses.append(self._token_losses(self.average, tokens[rows], labels[rows], len(schedule)))
        mean = torch.cat(losses).mean(dim=0)  # (positions,)
        by_scale = [float(mean[schedule.positions(scale)].mean()) for scale in range(len(schedule))]
        return {"held_out": float(mean.mean()), **{f"scale_{i + 1}": value for i, value in enumerate(by_scale)}}

    def state_dict(self) -> dict[str, Any]:
        """The generator of batches and the last held-out figures."""
        return {"generator": self.generator.get_state(), "figures": self.figures}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up what ``state_dict`` gave."""
        self.generator.set_state(state["generator"].cpu())
        self.figures = state["figures"]


def wait_for_pictures(tokenizer: Path, directory: Path, pictures: int) -> TokenBank:
    """Start making the tokens where they are missing, and return once a first chunk and the held-out one are there."""
    makers = start_making(tokenizer, directory, pictures)
    while not (directory / f"{HELD_OUT}.npz").exists() or not len(bank := TokenBank(directory, pictures)):
        if makers and all(maker.poll() is not None for maker in makers):
            codes = [maker.returncode for maker in makers]
            raise ConfigurationError(f"No pictures could be encoded with {tokenizer}: see above; exit codes {codes}.")
        time.sleep(1)
    return bank


def new_model(role: str, tokenizer: VQVAE, options: argparse.Namespace) -> VAR:
    """An untrained model of the role's size for the tokenizer's codes."""
    depth, width, heads, _ = SIZES[role]
    config = VARConfig(
        depth=options.depth or depth,
        width=options.width or width,
        heads=options.heads or heads,
        classes=len(worlds.WORLDS),
        codes=tokenizer.config.codes,
        latent_channels=tokenizer.config.latent_channels,
        sides=tokenizer.config.sides,
    )
    return initialise(VAR(config), torch.Generator().manual_seed(options.seed))


def report(task: TransformerTask, model: VAR, settings: LoopSettings, output: Path) -> dict[str, Any]:
    """Write evaluation.json and curves.png beside the weights; returns the evaluation."""
    task.average = model
    measured = {name: round(value, 4) for name, value in task.measure(pictures=len(task.held_out[1])).items()}
    kind = "cross-entropy" if task.teacher is None else "KL to the target"
    kind += f" at guidance {task.guidance:g}" if task.guidance else ""
    evaluation = {"loss": kind, "unit": "nats a token", **measured, "pictures": len(task.bank)}
    evaluation["parameters"] = sum(parameter.numel() for parameter in model.parameters())
    scales = [f"scale_{scale + 1}" for scale in range(len(model.schedule))]
    return write_report(evaluation, settings, [["loss", "held_out"], scales], kind, output)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    roles = parser.add_subparsers(dest="role", required=True)
    for role, minutes in (("target", 120.0), ("draft", 15.0)):
        command = roles.add_parser(role)
        add_loop_arguments(command, minutes=minutes)
        command.add_argument("--tokenizer", type=Path, required=True, help="checkpoint folder of the tokenizer")
        command.add_argument("--output", type=Path, required=True, help="folder of the finished checkpoint")
        command.add_argument("--bank", type=Path, help="folder of the encoded pictures (default: in the run dir)")
        command.add_argument("--pictures", type=int, default=60_000, help="pictures rendered and encoded")
        for size in ("depth", "width", "heads"):
            command.add_argument(f"--{size}", type=int, default=0, help=f"0: {SIZES[role]}")
        command.add_argument("--seed", type=int, default=0)
        command.add_argument("--teacher", type=Path, required=role == "draft", help=argparse.SUPPRESS)
        command.add_argument("--guidance", type=float, default=0.0, help="of the draft: learn what this will sample")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, or go on training, then write the checkpoint with its evaluation and curves."""
    options = _parse(arguments)
    if options.threads:
        torch.set_num_threads(options.threads)
    device = default_device()
    tokenizer = load_model(options.tokenizer, "vqvae")
    bank = wait_for_pictures(options.tokenizer, options.bank or options.run_dir / "tokens", options.pictures)
    teacher = load_model(options.teacher, "var").to(device) if options.teacher else None
    model = new_model(options.role, tokenizer, options).to(device)
    quantizer, guidance = tokenizer.quantizer.to(device), options.guidance if teacher else 0.0
    drop = 0.0 if guidance else SIZES[options.role][-1]  # guidance trains without the label anyway
    task = TransformerTask(model, quantizer, bank, drop, options.seed, teacher, guidance)
    settings = LoopSettings(options.run_dir, options.minutes)
    training = Training(task, settings, device=device)
    task.average = training.average
    save_model(training.run(), options.output, torch.float16)
    trained = load_model(options.output, "var").to(device)  # what is measured is what was written
    print(json.dumps(report(task, trained, settings, options.output), indent=2))


if __name__ == "__main__":
    main()
