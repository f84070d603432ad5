"""Random files of exactly the official keys, shapes and buffers: for tests at a small depth, and once at full size.

``python -m tests.official 16 FOLDER`` writes ``var_d16.pth`` and the tokenizer's file.
"""

import sys
from pathlib import Path

import torch

from sdvar_core.models.var import VARConfig
from sdvar_core.models.vqvae import VQVAEConfig
from sdvar_core.official.layout import dropped_values, var_config, var_layout, vqvae_config, vqvae_layout
from sdvar_core.presets import TOKENIZER_FILE
from sdvar_core.scales import OFFICIAL_256, OFFICIAL_512


def small_var(depth: int = 2, large: bool = False) -> VARConfig:
    """An official transformer but for its depth: 64 channels a head, as many heads as blocks."""
    sides = (OFFICIAL_512 if large else OFFICIAL_256).sides
    sizes = {"classes": 1000, "codes": 4096, "latent_channels": 32, "sides": sides}
    return VARConfig(depth=depth, width=64 * depth, heads=depth, shared_ada_ln=large, **sizes)


def small_vqvae(large: bool = False) -> VQVAEConfig:
    """The official tokenizer with a fifth of its channels."""
    sides = (OFFICIAL_512 if large else OFFICIAL_256).sides
    return VQVAEConfig(channels=32, image_size=16 * sides[-1], sides=sides)


def var_file(config: VARConfig, seed: int = 0) -> dict[str, torch.Tensor]:
    """The content of a transformer's file, weights random and lively enough to prefer some codes."""
    fixed = dropped_values(config)
    generator = torch.Generator().manual_seed(seed)
    tensors = {}
    for entry in var_layout(config):
        if entry.name is None:
            tensors[entry.key] = fixed[entry.key.rpartition(".")[2]].clone()
        else:
            deviation = 0.5 if entry.key.startswith("head.") else 0.02
            tensors[entry.key] = torch.randn(entry.shape, generator=generator) * deviation
        if entry.key.endswith("scale_mul_1H11"):
            tensors[entry.key] += torch.tensor(4.0).log()
    return tensors


def vqvae_file(config: VQVAEConfig, seed: int = 0) -> dict[str, torch.Tensor]:
    """The content of a tokenizer's file."""
    generator = torch.Generator().manual_seed(seed)
    tensors = {}
    for entry in vqvae_layout(config):
        inputs = max(1, torch.Size(entry.shape[1:]).numel())
        tensors[entry.key] = torch.randn(entry.shape, generator=generator) / inputs**0.5
        if entry.name is None:
            tensors[entry.key].abs_()
    return tensors


def write_files(depth: int, folder: Path) -> None:
    """Full-size files under the published names."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(var_file(var_config(depth)), folder / f"var_d{depth}.pth")
    torch.save(vqvae_file(vqvae_config(depth)), folder / TOKENIZER_FILE)


if __name__ == "__main__":
    write_files(int(sys.argv[1]), Path(sys.argv[2]))
