"""What the authors' files hold: every key with its shape, and what the tensor is called here.

Source: github.com/FoundationVision/VAR, ``models/{var,basic_var,basic_vae,quant,vqvae}.py``; design section 7.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import prod

import torch
from torch import Tensor

from sdvar_core.models.var import VARConfig
from sdvar_core.models.vqvae import VQVAEConfig
from sdvar_core.scales import OFFICIAL_256, OFFICIAL_512

CLASSES, CODES, LATENT_CHANNELS, HEAD_WIDTH = 1000, 4096, 32, 64
DEPTHS_256, DEPTH_512 = (16, 20, 24, 30), 36


@dataclass(frozen=True)
class Entry:
    """One tensor of a file: its key and shape there, and its name here; None for what is only checked and dropped."""

    key: str
    shape: tuple[int, ...]
    name: str | None


def var_config(depth: int) -> VARConfig:
    """The configuration of the published transformer of that depth; 36 is the one for 512 pixels."""
    large = depth == DEPTH_512
    return VARConfig(
        depth=depth,
        width=HEAD_WIDTH * depth,
        heads=depth,
        classes=CLASSES,
        codes=CODES,
        latent_channels=LATENT_CHANNELS,
        sides=(OFFICIAL_512 if large else OFFICIAL_256).sides,
        shared_ada_ln=large,
    )


def vqvae_config(depth: int = 16) -> VQVAEConfig:
    """The configuration of ``vae_ch160v4096z32`` beside a transformer of that depth: one file, two picture sizes."""
    sides = var_config(depth).sides
    return VQVAEConfig(image_size=16 * sides[-1], sides=sides)


def weight_bytes(entries: list[Entry], bytes_per_number: int = 4) -> int:
    """Bytes of the tensors that are kept."""
    return sum(prod(entry.shape) for entry in entries if entry.name is not None) * bytes_per_number


def file_bytes(entries: list[Entry]) -> int:
    """Bytes of a published file, float32 throughout but for the int64 level of every position; headers not counted."""
    return sum(prod(entry.shape) * (8 if entry.key == "lvl_1L" else 4) for entry in entries)


# Transformers


def var_layout(config: VARConfig) -> list[Entry]:
    """Every tensor of a transformer's file."""
    width, total = config.width, config.schedule.total
    entries = [
        Entry("pos_start", (1, config.schedule.lengths[0], width), "start_position"),
        Entry("pos_1LC", (1, total, width), "positions"),
        Entry("lvl_1L", (1, total), None),
        Entry("attn_bias_for_masking", (1, 1, total, total), None),
        *_linear("word_embed", "feature_embedding", width, config.latent_channels),
        Entry("class_emb.weight", (config.classes + 1, width), "class_embedding.weight"),
        Entry("lvl_embed.weight", (len(config.schedule), width), "level_embedding.weight"),
    ]
    if config.shared_ada_ln:
        entries += _linear("shared_ada_lin.1", "shared_modulation.linear", 6 * width, width)
    for index in range(config.depth):
        entries += _block(config, index)
    entries += _linear("head_nm.ada_lin.1", "head_modulation.linear", 2 * width, width)
    return [*entries, *_linear("head", "head", config.codes, width)]


def _block(config: VARConfig, index: int) -> Iterator[Entry]:
    width, block = config.width, f"blocks.{index}"
    theirs, ours = f"{block}.attn", f"{block}.attention"
    if config.shared_ada_ln:
        yield Entry(f"{block}.ada_gss", (1, 1, 6, width), f"{block}.modulation.offset")
    if config.attention_l2_norm:
        yield Entry(f"{theirs}.scale_mul_1H11", (1, config.heads, 1, 1), f"{ours}.scale_multiplier")
    yield Entry(f"{theirs}.q_bias", (width,), f"{ours}.query_bias")
    yield Entry(f"{theirs}.v_bias", (width,), f"{ours}.value_bias")
    yield Entry(f"{theirs}.zero_k_bias", (width,), None)
    yield Entry(f"{theirs}.mat_qkv.weight", (3 * width, width), f"{ours}.query_key_value.weight")
    yield from _linear(f"{theirs}.proj", f"{ours}.output", width, width)
    yield from _linear(f"{block}.ffn.fc1", f"{block}.expand", config.hidden, width)
    yield from _linear(f"{block}.ffn.fc2", f"{block}.contract", width, config.hidden)
    if not config.shared_ada_ln:
        yield from _linear(f"{block}.ada_lin.1", f"{block}.modulation.linear", 6 * width, width)


def _linear(key: str, name: str, outputs: int, inputs: int) -> list[Entry]:
    return [
        Entry(f"{key}.weight", (outputs, inputs), f"{name}.weight"),
        Entry(f"{key}.bias", (outputs,), f"{name}.bias"),
    ]


# Tokenizers


def vqvae_layout(config: VQVAEConfig) -> list[Entry]:
    """Every tensor of a tokenizer's file."""
    channels = config.latent_channels
    entries = [*_encoder(config), *_decoder(config)]
    hits = (len(config.sides), config.codes)
    entries.append(Entry("quantize.ema_vocab_hit_SV", hits, None))
    entries.append(Entry("quantize.embedding.weight", (config.codes, channels), "quantizer.embedding.weight"))
    for index in range(config.shared_phis):
        key = f"quantize.quant_resi.qresi_ls.{index}"
        entries += _convolution(key, f"quantizer.phis.{index}", channels, channels, 3)
    for name in ("quant_conv", "post_quant_conv"):
        entries += _convolution(name, name, channels, channels, 3)
    return entries


def _encoder(config: VQVAEConfig) -> Iterator[Entry]:
    width, lowest = config.channels, len(config.widths) - 1
    yield from _convolution("encoder.conv_in", "encoder.conv_in", width, 3, 3)
    for level, outputs in enumerate(config.widths):
        theirs, ours = f"encoder.down.{level}", f"encoder.levels.{level}"
        yield from _level(theirs, ours, [width, *[outputs] * config.residual_blocks], level == lowest)
        width = outputs
        if level != lowest:
            yield from _convolution(f"{theirs}.downsample.conv", f"{ours}.resample.conv", width, width, 3)
    yield from _ends("encoder", width, width, config.latent_channels)


def _decoder(config: VQVAEConfig) -> Iterator[Entry]:
    width, lowest = config.widths[-1], len(config.widths) - 1
    yield from _convolution("decoder.conv_in", "decoder.conv_in", width, config.latent_channels, 3)
    for level in range(lowest, -1, -1):  # theirs counts from pixels, ours in the order of running
        theirs, ours = f"decoder.up.{level}", f"decoder.levels.{lowest - level}"
        outputs = config.widths[level]
        yield from _level(theirs, ours, [width, *[outputs] * (config.residual_blocks + 1)], level == lowest)
        width = outputs
        if level != 0:
            yield from _convolution(f"{theirs}.upsample.conv", f"{ours}.resample.conv", width, width, 3)
    yield from _ends("decoder", config.widths[-1], width, 3)


def _level(theirs: str, ours: str, widths: list[int], attention: bool) -> Iterator[Entry]:
    for index, (inputs, outputs) in enumerate(pairwise(widths)):
        yield from _residual(f"{theirs}.block.{index}", f"{ours}.blocks.{index}", inputs, outputs)
        if attention:
            yield from _attention(f"{theirs}.attn.{index}", f"{ours}.attentions.{index}", outputs)


def _ends(part: str, middle: int, last: int, outputs: int) -> Iterator[Entry]:
    """The middle and the output of an encoder or a decoder."""
    yield from _residual(f"{part}.mid.block_1", f"{part}.middle.0", middle, middle)
    yield from _attention(f"{part}.mid.attn_1", f"{part}.middle.1", middle)
    yield from _residual(f"{part}.mid.block_2", f"{part}.middle.2", middle, middle)
    yield from _norm(f"{part}.norm_out", f"{part}.norm_out", last)
    yield from _convolution(f"{part}.conv_out", f"{part}.conv_out", outputs, last, 3)


def _residual(theirs: str, ours: str, inputs: int, outputs: int) -> Iterator[Entry]:
    yield from _norm(f"{theirs}.norm1", f"{ours}.norm1", inputs)
    yield from _convolution(f"{theirs}.conv1", f"{ours}.conv1", outputs, inputs, 3)
    yield from _norm(f"{theirs}.norm2", f"{ours}.norm2", outputs)
    yield from _convolution(f"{theirs}.conv2", f"{ours}.conv2", outputs, outputs, 3)
    if inputs != outputs:
        yield from _convolution(f"{theirs}.nin_shortcut", f"{ours}.shortcut", outputs, inputs, 1)


def _attention(theirs: str, ours: str, width: int) -> Iterator[Entry]:
    yield from _norm(f"{theirs}.norm", f"{ours}.norm", width)
    yield from _convolution(f"{theirs}.qkv", f"{ours}.qkv", 3 * width, width, 1)
    yield from _convolution(f"{theirs}.proj_out", f"{ours}.projection", width, width, 1)


def _norm(theirs: str, ours: str, width: int) -> list[Entry]:
    return [Entry(f"{theirs}.{part}", (width,), f"{ours}.{part}") for part in ("weight", "bias")]


def _convolution(theirs: str, ours: str, outputs: int, inputs: int, kernel: int) -> list[Entry]:
    shape = (outputs, inputs, kernel, kernel)
    return [Entry(f"{theirs}.weight", shape, f"{ours}.weight"), Entry(f"{theirs}.bias", (outputs,), f"{ours}.bias")]


# What is dropped


def dropped_values(config: VARConfig) -> dict[str, Tensor]:
    """What the buffers without a counterpart here must hold, by the last part of their key."""
    levels = torch.from_numpy(config.schedule.scale_of_position())
    visible = torch.from_numpy(config.schedule.block_mask())
    return {
        "lvl_1L": levels[None],
        "attn_bias_for_masking": torch.where(visible, 0.0, -torch.inf)[None, None],
        "zero_k_bias": torch.zeros(config.width),
    }
