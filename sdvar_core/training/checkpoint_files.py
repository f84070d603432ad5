"""Checkpoint folders between trainings: model.safetensors and config.json, as checkpoints.py reads them too."""

import dataclasses
import json
from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import nn

from sdvar_core.models.var import VAR, VARConfig
from sdvar_core.models.vqvae import VQVAE, VQVAEConfig


def export(model: nn.Module, kind: str, folder: Path) -> None:
    """Write weights and configuration of a model whose ``config`` is a dataclass."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    config = {"kind": kind, **dataclasses.asdict(model.config)}
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def load_tokenizer(folder: Path) -> VQVAE:
    """The tokenizer of a checkpoint folder, frozen."""
    return _load(VQVAE, VQVAEConfig, folder)


def load_var(folder: Path) -> VAR:
    """The transformer of a checkpoint folder, frozen."""
    return _load(VAR, VARConfig, folder)


def _load(model_type: type[nn.Module], config_type: type, folder: Path) -> nn.Module:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config.pop("kind", None)
    model = model_type(config_type(**config))
    model.load_state_dict(load_file(folder / "model.safetensors"))
    return model.requires_grad_(False).eval()
