"""Trains the tokenizer on tiny worlds: ``python -m sdvar_core.training.vqvae --run-dir runs/tokenizer --output …``."""

import argparse
import dataclasses
import json
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from sdvar_core.checkpoints import save_model
from sdvar_core.models.vqvae import VQVAE, VQVAEConfig
from sdvar_core.nn.initial_weights import initialise
from sdvar_core.nn.quantizer import Quantized, Rate
from sdvar_core.training import worlds
from sdvar_core.training.codebook import Codebook
from sdvar_core.training.loop import LoopSettings, Training, add_loop_arguments, default_device
from sdvar_core.training.report import write_report
from sdvar_core.training.sheets import contact_sheet

TINY_WORLDS = VQVAEConfig(
    image_size=128,
    channels=96,
    multipliers=(1, 1),
    residual_blocks=1,
    latent_channels=8,
    codes=256,
    norm_groups=16,
    attention=False,
    patch=4,
    rate_price=0.05,
)
LEARNING_RATE = 2e-3
BATCH = 32
TRUNCATED_SHARE = 0.15  # of a batch is decoded from its first scales only, so that every partial canvas paints well
RAMP = (0.1, 0.4)  # progress between which the price of codes rises from 0
RESTART_STEPS = 40


def pixels_to_values(pictures: np.ndarray | Tensor) -> Tensor:
    """uint8 pictures (batch, height, width, 3) to float32 (batch, 3, height, width) in [−1, 1], channels last."""
    return torch.as_tensor(pictures).permute(0, 3, 1, 2).float().div(127.5).sub(1)


def values_to_pixels(values: Tensor) -> np.ndarray:
    """The inverse of ``pixels_to_values``, rounded to the nearest."""
    return values.float().add(1).mul(127.5).round().clamp(0, 255).byte().permute(0, 2, 3, 1).contiguous().numpy()


def _render_part(seed: tuple[int, ...], count: int, size: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    return worlds.render(random.integers(0, len(worlds.WORLDS), count), random, size)


def render_bank(count: int, seed: int, size: int, processes: int = 2) -> np.ndarray:
    """``count`` pictures of random worlds, uint8 (count, size, size, 3), rendered in parts by a few processes."""
    parts = [(start, min(500, count - start)) for start in range(0, count, 500)]
    bank = np.empty((count, size, size, 3), np.uint8)
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        futures = [(start, pool.submit(_render_part, (seed, start), length, size)) for start, length in parts]
        for start, future in futures:
            part = future.result()
            bank[start : start + len(part)] = part
    return bank


def price_at(progress: float, price: float) -> float:
    """The price of codes: 0, then a linear ramp, then ``price``."""
    start, stop = RAMP
    return price * min(1.0, max(0.0, (progress - start) / (stop - start)))


def reconstruction_loss(painted: Tensor, pictures: Tensor) -> Tensor:
    """L1 + squared error + L1 of the differences of neighbours, the last at three resolutions; inputs (b, 3, h, w)."""
    error = painted.float() - pictures
    loss = error.abs().mean() + error.square().mean()
    for level in range(3):
        if level:
            error = functional.avg_pool2d(error, 2)
        loss = loss + (error[..., 1:, :] - error[..., :-1, :]).abs().mean()
        loss = loss + (error[..., 1:] - error[..., :-1]).abs().mean()
    return loss


class TokenizerTask:
    """The tokenizer's step for the shared loop; ``bank`` uint8 (count, size, size, 3) is refreshed as it trains."""

    def __init__(self, config: VQVAEConfig, bank: np.ndarray, seed: int, device: torch.device):
        self.config, self.bank, self.device = config, bank, device
        model = initialise(VQVAE(config), torch.Generator().manual_seed(seed))
        self.model = model.to(device, memory_format=torch.channels_last)
        self.model.quantizer.embedding.weight.requires_grad_(False)  # moved by averages instead
        learned = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        self.optimizers = [torch.optim.AdamW(learned, lr=LEARNING_RATE, betas=(0.9, 0.99), weight_decay=1e-4)]
        self.codebook = Codebook(self.model.quantizer)
        self.generator = torch.Generator().manual_seed(seed)
        self.random = np.random.default_rng((seed, 1))
        self.quantized: Quantized | None = None

    def loss(self, progress: float, step: int) -> tuple[Tensor, dict[str, float]]:
        """Reconstruction and quantizer loss of a batch, part of it cut to its first scales."""
        rows = torch.randint(len(self.bank), (BATCH,), generator=self.generator)
        pictures = pixels_to_values(self.bank[rows.numpy()]).to(self.device)
        scales = len(self.config.sides)
        kept = torch.full((BATCH,), scales)
        truncated = torch.rand(BATCH, generator=self.generator) < TRUNCATED_SHARE
        kept[truncated] = torch.randint(1, scales, (int(truncated.sum()),), generator=self.generator)
        rate = Rate(price_at(progress, self.config.rate_price), self.model.quantizer.frequencies)
        painted, self.quantized = self.model(pictures, rate, kept.to(self.device))
        reconstruction = reconstruction_loss(painted, pictures)
        with torch.no_grad():
            error = (painted.float().clamp(-1, 1) - pictures).square().mean(dim=(1, 2, 3))[~truncated]
            psnr = 10 * torch.log10(4 / error).mean()
        numbers = {"reconstruction": float(reconstruction.detach()), "quantizer": float(self.quantized.loss.detach())}
        return reconstruction + self.quantized.loss, {**numbers, "psnr": float(psnr), "price": rate.price}

    def after_step(self, progress: float, step: int) -> None:
        """Codebook statistics, restarts, and a few fresh pictures."""
        self.codebook.update(self.quantized)
        if step % RESTART_STEPS == 0:
            self.codebook.restart_dead(self.quantized, self.generator)
            rows = self.random.choice(len(self.bank), min(32, len(self.bank)), replace=False)
            labels = self.random.integers(0, len(worlds.WORLDS), len(rows))
            self.bank[rows] = worlds.render(labels, self.random, self.config.image_size)

    def state_dict(self) -> dict[str, Any]:
        """Statistics of the codebook and both generators."""
        return {
            "counts": self.codebook.counts,
            "sums": self.codebook.sums,
            "generator": self.generator.get_state(),
            "random": json.dumps(self.random.bit_generator.state),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes up what ``state_dict`` gave."""
        self.codebook.counts.copy_(state["counts"])
        self.codebook.sums.copy_(state["sums"])
        self.generator.set_state(state["generator"].cpu())
        self.random.bit_generator.state = json.loads(state["random"])


def _entropy(tokens: Tensor, codes: int) -> float:
    """Entropy of the codes used, nats."""
    shares = torch.bincount(tokens.flatten(), minlength=codes).double() / tokens.numel()
    return float(torch.special.entr(shares).sum())


@torch.no_grad()
def evaluate(model: VQVAE, pictures: np.ndarray, labels: np.ndarray, device: torch.device) -> dict[str, Any]:
    """PSNR in dB, overall, by world and with the first s scales only, and entropies in nats, on unseen pictures."""
    model = model.eval()
    scales = len(model.config.sides)
    errors = torch.zeros(scales, len(pictures))
    tokens: list[list[Tensor]] = [[] for _ in range(scales)]
    for start in range(0, len(pictures), 32):
        values = pixels_to_values(pictures[start : start + 32]).to(device)
        batch_tokens = model.tokens(values)
        canvas = model.quantizer.empty_canvas(len(values))
        for scale in range(scales):
            tokens[scale].append(batch_tokens[scale].cpu())
            canvas = model.quantizer.advance(canvas, batch_tokens[scale], scale)
            squared = (model.decode(canvas) - values).square().mean(dim=(1, 2, 3))
            errors[scale, start : start + 32] = squared.cpu()
    psnr = 10 * torch.log10(4 / errors)  # (scales, pictures)
    joined = [torch.cat(parts) for parts in tokens]
    everything = torch.cat([part.flatten() for part in joined])
    entropies = [round(_entropy(part, model.config.codes), 3) for part in joined]
    return {
        "psnr": round(float(psnr[-1].mean()), 3),
        "psnr_by_world": {
            name: round(float(psnr[-1][torch.as_tensor(labels) == label].mean()), 2)
            for label, name in enumerate(worlds.WORLDS)
        },
        "psnr_first_scales": [round(float(value), 2) for value in psnr.mean(dim=1)],
        "entropy_by_scale": entropies,
        "nats_a_picture": round(sum(e * n * n for e, n in zip(entropies, model.config.sides)), 1),
        "perplexity": round(float(np.exp(_entropy(everything, model.config.codes))), 2),
        "codes_used": len(everything.unique()),
        "pictures": len(pictures),
    }


@torch.no_grad()
def reconstruction_sheet(model: VQVAE, size: int, seed: int, path: Path, device: torch.device) -> None:
    """Ten worlds, a row each: three unseen pictures beside what is left of them, then one after 2, 4, 6, 8 scales."""
    random = np.random.default_rng(seed)
    pictures = worlds.render(np.repeat(np.arange(len(worlds.WORLDS)), 3), random, size)
    values = pixels_to_values(pictures).to(device)
    tokens = model.eval().tokens(values)
    painted = values_to_pixels(model.decode(model.quantizer.canvas_of(tokens)).cpu())
    partial = [
        values_to_pixels(model.decode(model.quantizer.canvas_of([part[::3] for part in tokens[:scales]])).cpu())
        for scales in range(2, len(tokens), 2)
    ]
    rows: list[np.ndarray] = []
    for world in range(len(worlds.WORLDS)):
        for index in range(3 * world, 3 * world + 3):
            rows += [pictures[index], painted[index]]
        rows += [stage[world] for stage in partial]
    contact_sheet(np.stack(rows), len(rows) // len(worlds.WORLDS), path, worlds.WORLDS)


def report(model: VQVAE, settings: LoopSettings, output: Path, device: torch.device) -> dict[str, Any]:
    """Writes evaluation.json, curves.png and reconstructions.png beside the weights; returns the evaluation."""
    size = model.config.image_size
    labels = np.repeat(np.arange(len(worlds.WORLDS)), 32)
    unseen = worlds.render(labels, np.random.default_rng((2, 2)), size)
    evaluation = evaluate(model, unseen, labels, device) | {"batch": BATCH}
    reconstruction_sheet(model, size, 3, output / "reconstructions.png", device)
    panels = [["loss", "reconstruction"], ["quantizer", "price"], ["psnr"]]
    return write_report(evaluation, settings, panels, "Tokenizer", output)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split(":")[0])
    add_loop_arguments(parser, minutes=20.0)
    parser.add_argument("--output", type=Path, required=True, help="folder of the finished checkpoint")
    parser.add_argument("--pictures", type=int, default=16_000, help="training pictures kept in memory")
    parser.add_argument("--price", type=float, default=TINY_WORLDS.rate_price, help="λ, the price of a nat of code")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Trains, or goes on training, then writes the checkpoint with its evaluation and pictures."""
    options = _parse(arguments)
    if options.threads:
        torch.set_num_threads(options.threads)
    device = default_device()
    config = dataclasses.replace(TINY_WORLDS, rate_price=options.price)
    bank = render_bank(options.pictures, options.seed, config.image_size)
    task = TokenizerTask(config, bank, options.seed, device)
    settings = LoopSettings(options.run_dir, options.minutes)
    model = Training(task, settings, device=device).run()
    save_model(model, options.output)
    print(json.dumps(report(model, settings, options.output, device), indent=2))


if __name__ == "__main__":
    main()
