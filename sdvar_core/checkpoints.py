"""Models to and from folders: ``config.json`` beside ``model.safetensors``, checked before a byte of weights is used.

Nothing is ever unpickled. Every key, shape and kind of number is compared with what the configuration asks for, and an
error names the first differences.
"""

import json
from dataclasses import MISSING, asdict, fields
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from sdvar_core.errors import CheckpointError, ConfigurationError
from sdvar_core.models.classifier import Classifier, ClassifierConfig
from sdvar_core.models.deltanet import DeltaNet, DeltaNetConfig
from sdvar_core.models.var import VAR, VARConfig
from sdvar_core.models.vqvae import VQVAE, VQVAEConfig

KINDS: dict[str, tuple[type, type[nn.Module]]] = {
    "classifier": (ClassifierConfig, Classifier),
    "deltanet": (DeltaNetConfig, DeltaNet),
    "var": (VARConfig, VAR),
    "vqvae": (VQVAEConfig, VQVAE),
}
WEIGHTS, CONFIG = "model.safetensors", "config.json"
LARGEST_CONFIG = 65_536  # bytes
# A number that no model has would cost minutes or all memory before the weights could contradict it.
LARGEST_NUMBER = 65_536
LARGEST_COUNTS = dict.fromkeys(("levels", "multipliers", "residual_blocks", "shared_phis"), 64) | dict.fromkeys(
    ("depth", "sides"), 256
)
_REAL_NUMBERS = {"F64", "F32", "F16", "BF16"}


def check_fit(draft: VAR, target: VAR, tokenizer: VQVAE, classes: int) -> None:
    """CheckpointError unless both transformers speak the tokenizer's tokens and know the same classes."""
    spoken = (tokenizer.config.sides, tokenizer.config.codes, tokenizer.config.latent_channels, classes)
    for role, model in (("draft", draft), ("target", target)):
        config = model.config
        if (config.sides, config.codes, config.latent_channels, config.classes) != spoken:
            raise CheckpointError(
                f"The {role} speaks {config.codes} codes of {config.latent_channels} channels on sides {config.sides} "
                f"for {config.classes} classes; expected {spoken[1]}, {spoken[2]}, {spoken[0]} and {spoken[3]}."
            )


def save_model(model: nn.Module, folder: Path, precision: torch.dtype | None = None) -> None:
    """Write the model's configuration and weights into ``folder``, the weights in ``precision`` (None: as they are)."""
    kind = next(name for name, (_, network) in KINDS.items() if type(model) is network)
    folder.mkdir(parents=True, exist_ok=True)
    config = json.dumps({"kind": kind} | asdict(model.config), indent=2)
    (folder / CONFIG).write_text(config + "\n", encoding="utf-8")
    weights = {name: value.detach().to("cpu", precision).contiguous() for name, value in model.state_dict().items()}
    save_file(weights, folder / WEIGHTS)
    (folder / WEIGHTS).chmod(0o644)  # safetensors writes for the owner alone


def load_model(folder: str | Path, kind: str) -> nn.Module:
    """The model in ``folder``, float32, in evaluation mode, without gradients; CheckpointError if anything differs."""
    folder, config = Path(folder), read_config(folder, kind)
    network = KINDS[kind][1]
    with torch.device("meta"):  # no memory, and no time for initial weights
        model = network(config)
    expected = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    model.load_state_dict(_read_weights(folder / WEIGHTS, expected), assign=True)
    return model.eval().requires_grad_(False)


def read_config(folder: str | Path, kind: str) -> Any:
    """The configuration of the model in ``folder``; CheckpointError if it is absent, damaged or of another kind."""
    path, config_type = Path(folder) / CONFIG, KINDS[kind][0]
    try:
        text = path.read_bytes()[: LARGEST_CONFIG + 1]
        entries = json.loads(text)
    except OSError as error:
        raise CheckpointError(f"Cannot read {_shown(path)}: {error.strerror}. Is the checkpoint complete?") from error
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{_shown(path)} is not JSON: the file is damaged or foreign.") from error
    if not isinstance(entries, dict) or entries.pop("kind", None) != kind:
        raise CheckpointError(f"{_shown(path)} does not describe a model of kind {kind!r}.")
    try:
        _check_entries(entries, config_type)
        return config_type(**entries)
    except ConfigurationError as error:
        raise CheckpointError(f"{_shown(path)} holds a configuration that cannot be: {error}") from error


def _check_entries(entries: dict[str, Any], config_type: type) -> None:
    """ConfigurationError unless every entry is a field of the right kind and of a size that a model can have."""
    known = {field.name: field for field in fields(config_type)}
    for name in known:
        if name not in entries and known[name].default is MISSING:
            raise ConfigurationError(f"{name} is missing.")
    for name, value in entries.items():
        if name not in known:
            raise ConfigurationError(f"{name[:40]!r} is unknown.")
        kind, most = known[name].type, LARGEST_COUNTS.get(name, LARGEST_NUMBER)
        if kind is bool:
            possible, expected = isinstance(value, bool), "true or false"
        elif kind is int:
            possible, expected = _is_whole(value, most), f"a whole number from 1 to {most}"
        elif kind is float:
            possible = type(value) in (int, float) and 0 <= value <= most
            expected = f"a number from 0 to {most}"
        else:
            possible = isinstance(value, list) and len(value) <= 64 and all(_is_whole(entry, most) for entry in value)
            expected = f"at most 64 whole numbers from 1 to {most}"
        if not possible:
            raise ConfigurationError(f"{name} is {value!r:.40}, expected {expected}.")


def _is_whole(value: object, most: int) -> bool:
    return type(value) is int and 1 <= value <= most


def _read_weights(path: Path, expected: dict[str, tuple[int, ...]]) -> dict[str, torch.Tensor]:
    try:
        with safe_open(path, framework="pt") as file:
            _compare(path, {name: file.get_slice(name) for name in file.keys()}, expected)  # noqa: SIM118
            weights = {name: file.get_tensor(name).to(torch.float32, copy=True) for name in expected}
    except OSError as error:
        raise CheckpointError(f"Cannot read {_shown(path)}: is the checkpoint complete?") from error
    except SafetensorError as error:
        raise CheckpointError(f"{_shown(path)} is not a whole safetensors file: it is truncated or foreign.") from error
    for name, value in weights.items():
        if not torch.isfinite(value).all():
            raise CheckpointError(f"{_shown(path)}: {name} holds numbers that are not finite.")
    return weights


def _compare(path: Path, found: dict[str, Any], expected: dict[str, tuple[int, ...]]) -> None:
    differences = [f"{name} is missing" for name in expected if name not in found]
    differences += [f"{name} is unknown" for name in found if name not in expected]
    for name, shape in expected.items():
        if name in found and tuple(found[name].get_shape()) != shape:
            differences.append(f"{name} has shape {tuple(found[name].get_shape())}, expected {shape}")
        elif name in found and found[name].get_dtype() not in _REAL_NUMBERS:
            differences.append(f"{name} holds {found[name].get_dtype()}, expected real numbers")
    if differences:
        more = f" and {len(differences) - 3} more differences" if len(differences) > 3 else ""
        raise CheckpointError(f"{_shown(path)} does not fit its configuration: {'; '.join(differences[:3])}{more}.")


def _shown(path: Path) -> str:
    """The last two parts of a path: enough to find the file, and nothing about the machine."""
    return "/".join(path.parts[-2:])
