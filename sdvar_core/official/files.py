"""Reading the authors' files: tensors only, checked against the layout before anything is made of them.

A file is ``.pth`` (read with ``weights_only``, so that no code of it can run) or ``.safetensors``.
"""

import pickle
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from sdvar_core.errors import CheckpointError, ConfigurationError
from sdvar_core.models.var import VARConfig
from sdvar_core.models.vqvae import VQVAEConfig
from sdvar_core.official.layout import Entry, dropped_values, var_layout, vqvae_layout
from sdvar_core.scales import OFFICIAL_256, OFFICIAL_512

Config = VARConfig | VQVAEConfig
SUFFIXES = (".pth", ".pt", ".bin", ".safetensors")
SCHEDULES = {schedule.total: schedule for schedule in (OFFICIAL_256, OFFICIAL_512)}
DIFFERENCES_NAMED = 3
PICKLE_STARTS = (b"\x80", b"P")  # a bare pickle, and the archive that torch packs one into


def read_weights(
    path: Path, config: Config | None, kind: str, sides: Sequence[int] = OFFICIAL_256.sides
) -> tuple[Config, dict[str, Tensor]]:
    """The configuration and the weights under our names, float32, of an official file of ``kind`` "var" or "vqvae".

    config: what the file must be; None reads it from the shapes, and from ``sides`` what a tokenizer's do not tell.
    Raises CheckpointError, naming the first differences, if the file is missing, truncated, foreign, holds code, or
    does not fit.
    """
    tensors = read_tensors(path)
    if config is None:
        config = var_config_of(path, tensors) if kind == "var" else vqvae_config_of(path, tensors, sides)
    layout = var_layout(config) if isinstance(config, VARConfig) else vqvae_layout(config)
    _compare(path, tensors, layout)
    _check_values(path, tensors, config)
    weights = {entry.name: tensors[entry.key].float() for entry in layout if entry.name is not None}
    if isinstance(config, VQVAEConfig):
        weights["quantizer.frequencies"] = torch.full((len(config.sides), config.codes), 1.0 / config.codes)
    return config, weights


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The named tensors of a file; CheckpointError if it cannot be read or holds anything else."""
    if path.suffix not in SUFFIXES:
        raise CheckpointError(f"{path.name} is no weights file: expected one of {', '.join(SUFFIXES)}.")
    try:
        content = load_file(path) if path.suffix == ".safetensors" else _unpickled(path)
    except OSError as error:
        raise CheckpointError(f"Cannot read {path.name}: {error.strerror or 'is the file complete?'}.") from error
    except SafetensorError as error:
        raise CheckpointError(f"{path.name} is not a whole safetensors file: it is truncated or foreign.") from error
    except pickle.UnpicklingError as error:
        with path.open("rb") as file:
            if file.read(1) not in PICKLE_STARTS:
                raise CheckpointError(f"{path.name} is not a file of weights: it is truncated or foreign.") from error
        raise CheckpointError(
            f"{path.name} holds code or objects besides tensors; it was not run. Take the file from its publisher."
        ) from error
    except (RuntimeError, EOFError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise CheckpointError(f"{path.name} is not a whole file of weights: it is truncated or foreign.") from error
    if not isinstance(content, dict) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in content.items()
    ):
        raise CheckpointError(f"{path.name} holds something other than named tensors.")
    return content


def _unpickled(path: Path) -> object:
    """What a ``.pth`` file holds; mapped into memory where its format allows, so that large files cost no copy."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of unusual pickles, which are refused with a sentence of ours
        try:
            return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        except RuntimeError as error:
            if "mmap" not in str(error):
                raise
            return torch.load(path, map_location="cpu", weights_only=True)


# The configuration that shapes tell


def var_config_of(path: Path, tensors: Mapping[str, Tensor]) -> VARConfig:
    """The configuration of an official-style transformer, from its shapes; CheckpointError if they tell none."""
    try:
        codes, width = tensors["head.weight"].shape
        hidden = tensors["blocks.0.ffn.fc1.weight"].shape[0]
        depth = sum(name.endswith(".attn.mat_qkv.weight") for name in tensors)
        scales = tensors.get("blocks.0.attn.scale_mul_1H11")
        return VARConfig(
            depth=depth,
            width=width,
            heads=depth if scales is None else scales.shape[1],
            classes=tensors["class_emb.weight"].shape[0] - 1,
            codes=codes,
            latent_channels=tensors["word_embed.weight"].shape[1],
            sides=SCHEDULES[tensors["pos_1LC"].shape[1]].sides,
            mlp_ratio=hidden / width,
            shared_ada_ln="shared_ada_lin.1.weight" in tensors,
            attention_l2_norm=scales is not None,
        )
    except (KeyError, ValueError, IndexError, ConfigurationError) as error:
        raise CheckpointError(f"{path.name} is no official transformer: {_first_keys(tensors)}.") from error


def vqvae_config_of(path: Path, tensors: Mapping[str, Tensor], sides: Sequence[int]) -> VQVAEConfig:
    """The configuration of an official-style tokenizer for these sides, from its shapes; CheckpointError if none."""
    try:
        codes, latent_channels = tensors["quantize.embedding.weight"].shape
        return VQVAEConfig(
            image_size=16 * sides[-1],
            channels=tensors["encoder.conv_in.weight"].shape[0],
            latent_channels=latent_channels,
            codes=codes,
            sides=tuple(sides),
        )
    except (KeyError, ValueError, IndexError, ConfigurationError) as error:
        raise CheckpointError(f"{path.name} is no official tokenizer: {_first_keys(tensors)}.") from error


def _first_keys(tensors: Mapping[str, Tensor]) -> str:
    return f"it has {len(tensors)} tensors, the first being {', '.join(sorted(tensors)[:DIFFERENCES_NAMED]) or 'none'}"


# Comparing


def _compare(path: Path, tensors: Mapping[str, Tensor], layout: Sequence[Entry]) -> None:
    """Raises CheckpointError with the first differences in keys, shapes and kinds of number."""
    expected = {entry.key: entry for entry in layout}
    found = [f"{key} is missing" for key, entry in expected.items() if key not in tensors and entry.name is not None]
    found += [f"{key} is unknown" for key in tensors if key not in expected]
    for key, entry in expected.items():
        tensor = tensors.get(key)
        if tensor is None:
            continue
        whole = key == "lvl_1L"
        if tuple(tensor.shape) != entry.shape:
            found.append(f"{key} has shape {tuple(tensor.shape)}, expected {entry.shape}")
        elif tensor.is_floating_point() == whole or tensor.dtype == torch.bool or tensor.is_complex():
            kind = str(tensor.dtype).removeprefix("torch.")
            found.append(f"{key} holds {kind}, expected {'whole' if whole else 'real'} numbers")
    if found:
        more = len(found) - DIFFERENCES_NAMED
        tail = f" and {more} more differences" if more > 0 else ""
        raise CheckpointError(
            f"{path.name} does not fit its configuration: {'; '.join(found[:DIFFERENCES_NAMED])}{tail}."
        )


def _check_values(path: Path, tensors: Mapping[str, Tensor], config: Config) -> None:
    """Raises CheckpointError where a weight is not finite or a dropped buffer is not what our model takes for given."""
    fixed = dropped_values(config) if isinstance(config, VARConfig) else {}
    for key, tensor in tensors.items():
        constant = fixed.get(key.rpartition(".")[2])
        if constant is not None:
            if not torch.equal(tensor.to(constant.dtype), constant):
                raise CheckpointError(f"{path.name}: {key} is not the constant that the architecture asks for.")
        elif not torch.isfinite(tensor).all():
            raise CheckpointError(f"{path.name}: {key} holds numbers that are not finite.")
