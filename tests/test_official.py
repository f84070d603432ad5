"""The authors' files: pinned keys and shapes, and every way a file can be wrong gives one clear error."""

import hashlib
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import sdvar_core as sd
from sdvar_core.checkpoints import load_model
from sdvar_core.models.var import VAR
from sdvar_core.models.vqvae import VQVAE
from sdvar_core.official import hub
from sdvar_core.official.files import read_weights
from sdvar_core.official.layout import file_bytes, var_config, var_layout, vqvae_config, vqvae_layout
from sdvar_core.pairs import converted, load_part
from tests.official import small_var, small_vqvae, var_file, vqvae_file

SMALL = small_var(depth=1)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    """Converted files go to a folder of the test."""
    monkeypatch.setattr(hub, "converted_folder", lambda: tmp_path / "converted")
    return tmp_path / "converted"


@pytest.fixture
def weights(tmp_path) -> Path:
    """A good transformer's file, to be damaged."""
    torch.save(var_file(SMALL), tmp_path / "var_d1.pth")
    return tmp_path / "var_d1.pth"


def digest(layout) -> str:
    """A fingerprint of all keys and shapes."""
    lines = sorted(f"{entry.key} {entry.shape}" for entry in layout)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


# What each of the published files holds: tensors, bytes, and the fingerprint of every key and shape.
PINNED = {
    16: (220, 1_243_054_656, "7a3b357664abc73d"),
    20: (272, 2_405_625_984, "374a8886d740e753"),
    24: (324, 4_135_599_936, "744de1d4139a54dd"),
    30: (402, 8_042_166_864, "eec8ec8b2825222a"),
    36: (446, 9_435_995_712, "b3a85bf8848ba42f"),
}


def block_keys(width: int, heads: int) -> dict[str, tuple[int, ...]]:
    """One block as the authors' code makes it, written down by hand."""
    return {
        "attn.scale_mul_1H11": (1, heads, 1, 1),
        "attn.q_bias": (width,),
        "attn.v_bias": (width,),
        "attn.zero_k_bias": (width,),
        "attn.mat_qkv.weight": (3 * width, width),
        "attn.proj.weight": (width, width),
        "attn.proj.bias": (width,),
        "ffn.fc1.weight": (4 * width, width),
        "ffn.fc1.bias": (4 * width,),
        "ffn.fc2.weight": (width, 4 * width),
        "ffn.fc2.bias": (width,),
    }


def transformer_keys(depth: int) -> dict[str, tuple[int, ...]]:
    """The complete list for one depth, written down by hand."""
    width, total = 64 * depth, 2240 if depth == 36 else 680
    keys = {
        "pos_start": (1, 1, width),
        "pos_1LC": (1, total, width),
        "lvl_1L": (1, total),
        "attn_bias_for_masking": (1, 1, total, total),
        "word_embed.weight": (width, 32),
        "word_embed.bias": (width,),
        "class_emb.weight": (1001, width),
        "lvl_embed.weight": (10, width),
        "head_nm.ada_lin.1.weight": (2 * width, width),
        "head_nm.ada_lin.1.bias": (2 * width,),
        "head.weight": (4096, width),
        "head.bias": (4096,),
    }
    modulation = {"ada_lin.1.weight": (6 * width, width), "ada_lin.1.bias": (6 * width,)}
    if depth == 36:
        keys |= {f"shared_{name}": shape for name, shape in modulation.items()}
        modulation = {"ada_gss": (1, 1, 6, width)}
    for index in range(depth):
        block = block_keys(width, depth) | modulation
        keys |= {f"blocks.{index}.{name}": shape for name, shape in block.items()}
    return keys


@pytest.mark.parametrize("depth", PINNED)
def test_every_key_and_shape_of_the_transformers(depth):
    layout = var_layout(var_config(depth))
    assert {entry.key: entry.shape for entry in layout} == transformer_keys(depth)
    assert (len(layout), file_bytes(layout), digest(layout)) == PINNED[depth]


@pytest.mark.parametrize("depth", PINNED)
def test_the_layout_fills_our_transformer_and_nothing_else(depth):
    with torch.device("meta"):
        model = VAR(var_config(depth))
    ours = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    assert {entry.name: entry.shape for entry in var_layout(var_config(depth)) if entry.name} == ours


def test_every_key_and_shape_of_the_tokenizer():
    layout = vqvae_layout(vqvae_config())
    assert (len(layout), file_bytes(layout), digest(layout)) == (324, 435_957_260, "1e1c4d6e7063dec0")
    shapes = {entry.key: entry.shape for entry in layout}
    assert shapes["encoder.down.2.block.0.nin_shortcut.weight"] == (320, 160, 1, 1)
    assert shapes["encoder.down.3.downsample.conv.weight"] == (320, 320, 3, 3)
    assert shapes["encoder.mid.attn_1.qkv.weight"] == (1920, 640, 1, 1)
    assert shapes["decoder.up.4.attn.2.proj_out.weight"] == (640, 640, 1, 1)
    assert shapes["decoder.up.4.upsample.conv.weight"] == (640, 640, 3, 3)
    assert shapes["decoder.up.3.block.0.conv1.weight"] == (320, 640, 3, 3)
    assert shapes["decoder.up.0.block.2.conv2.bias"] == (160,)
    assert shapes["quantize.quant_resi.qresi_ls.3.weight"] == (32, 32, 3, 3)
    assert shapes["quantize.ema_vocab_hit_SV"] == (10, 4096)
    assert "decoder.up.0.upsample.conv.weight" not in shapes
    with torch.device("meta"):
        ours = VQVAE(vqvae_config()).state_dict()
    named = {entry.name: entry.shape for entry in layout if entry.name}
    assert named == {name: tuple(value.shape) for name, value in ours.items() if name != "quantizer.frequencies"}


def test_the_two_picture_sizes_share_one_file():
    assert digest(vqvae_layout(vqvae_config(36))) == digest(vqvae_layout(vqvae_config(16)))
    assert vqvae_config(36).image_size == 512


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("kind", ["var", "vqvae"])
def test_loaded_converted_and_loaded_again_bit_identically(kind, suffix, tmp_path, cache):
    config = SMALL if kind == "var" else small_vqvae()
    content = var_file(config) if kind == "var" else vqvae_file(config)
    path = tmp_path / f"file{suffix}"
    (torch.save if suffix == ".pth" else save_file)(content, path)
    _, expected = read_weights(path, config, kind)
    first = load_part(path, kind)
    assert first.config == config
    (folder,) = cache.iterdir()
    written = (folder / "model.safetensors").stat().st_mtime_ns
    for model in (first, load_part(path, kind), load_model(folder, kind)):
        found = model.state_dict()
        assert set(found) == set(expected)
        for name, value in found.items():
            assert value.dtype == torch.float32
            assert torch.equal(value, expected[name])
    assert (folder / "model.safetensors").stat().st_mtime_ns == written
    layout = var_layout(config) if kind == "var" else vqvae_layout(config)
    for entry in layout:
        assert entry.name is None or torch.equal(expected[entry.name], content[entry.key])


def test_another_file_under_the_same_name_is_converted_anew(weights, cache):
    load_part(weights, "var")
    torch.save(var_file(SMALL, seed=1), weights)
    assert torch.equal(load_part(weights, "var").head.weight, var_file(SMALL, seed=1)["head.weight"])
    assert len(list(cache.iterdir())) == 2


def test_buffers_may_be_absent(weights, tmp_path):
    content = var_file(SMALL)
    for entry in var_layout(SMALL):
        if entry.name is None:
            del content[entry.key]
    save_file(content, tmp_path / "lean.safetensors")
    assert torch.equal(load_part(tmp_path / "lean.safetensors", "var").positions, content["pos_1LC"])


class Code:
    """Would run a command if it were unpickled."""

    def __reduce__(self):
        return (Path.touch, (Path("/tmp/sdvar-was-run"),))


def changed(**entries):
    def damage(path: Path) -> None:
        content = var_file(SMALL)
        for key, change in entries.items():
            key = key.replace("__", ".")
            content[key] = change(content[key])
        torch.save(content, path)

    return damage


def renamed(path: Path) -> None:
    content = var_file(SMALL)
    content["blocks.0.attn.qkv.weight"] = content.pop("blocks.0.attn.mat_qkv.weight")
    torch.save(content, path)


def without(key: str):
    def damage(path: Path) -> None:
        content = var_file(SMALL)
        del content[key]
        torch.save(content, path)

    return damage


def truncated(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def with_nan(tensor: torch.Tensor) -> torch.Tensor:
    tensor.view(-1)[3] = torch.nan
    return tensor


DAMAGES = {
    "absent": (Path.unlink, "Cannot read var_d1.pth"),
    "empty": (lambda path: path.write_bytes(b""), "truncated or foreign"),
    "truncated": (truncated, "truncated or foreign"),
    "text": (lambda path: path.write_text("weights"), "truncated or foreign"),
    "pickle with code": (lambda path: path.write_bytes(pickle.dumps({"a": Code()})), "it was not run"),
    "torch file with code": (lambda path: torch.save({"a": Code()}, path), "it was not run"),
    "a list": (lambda path: torch.save([torch.zeros(2)], path), "something other than named tensors"),
    "numbers": (lambda path: torch.save({"head.weight": 3}, path), "something other than named tensors"),
    "missing": (without("head.weight"), "head.weight is missing"),
    "renamed": (renamed, "blocks.0.attn.mat_qkv.weight is missing; blocks.0.attn.qkv.weight is unknown"),
    "shape": (
        changed(head__bias=lambda tensor: tensor[:-1]),
        "head.bias has shape (4095,), expected (4096,)",
    ),
    "whole numbers": (changed(head__bias=torch.Tensor.long), "head.bias holds int64, expected real numbers"),
    "levels as floats": (changed(lvl_1L=torch.Tensor.float), "lvl_1L holds float32, expected whole numbers"),
    "nan": (changed(head__weight=with_nan), "head.weight holds numbers that are not finite"),
    "infinite": (changed(pos_start=lambda tensor: tensor / 0), "pos_start holds numbers that are not finite"),
    "key bias": (changed(blocks__0__attn__zero_k_bias=lambda tensor: tensor + 1), "not the constant"),
    "mask": (changed(attn_bias_for_masking=torch.zeros_like), "attn_bias_for_masking is not the constant"),
    "levels": (changed(lvl_1L=torch.zeros_like), "lvl_1L is not the constant"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_gives_one_sentence_and_leaves_nothing(damage, weights, cache):
    change, sentence = DAMAGES[damage]
    change(weights)
    before = weights.read_bytes() if weights.exists() else None
    with pytest.raises(sd.CheckpointError) as caught:
        converted(weights, "var", SMALL)
    text = str(caught.value)
    assert sentence in text
    assert "\n" not in text
    assert len(text) < 400
    assert not cache.exists()
    assert not Path("/tmp/sdvar-was-run").exists()
    assert (weights.read_bytes() if weights.exists() else None) == before


def test_differences_beyond_three_are_counted(weights):
    torch.save({}, weights)
    with pytest.raises(sd.CheckpointError, match=r"pos_start is missing; .* and \d+ more differences"):
        converted(weights, "var", SMALL)


def test_a_local_file_of_another_kind_is_refused(weights, tmp_path):
    torch.save(vqvae_file(small_vqvae()), tmp_path / "vae.pth")
    with pytest.raises(sd.CheckpointError, match=r"vae\.pth is no official transformer: it has 324 tensors"):
        load_part(tmp_path / "vae.pth", "var")
    with pytest.raises(sd.CheckpointError, match="is no official tokenizer"):
        load_part(weights, "vqvae")
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(sd.CheckpointError, match="is no weights file"):
        load_part(tmp_path / "notes.txt", "var")


def test_a_file_of_another_depth_is_named_by_its_differences(tmp_path):
    torch.save(var_file(small_var(depth=2)), tmp_path / "var_d1.pth")
    with pytest.raises(sd.CheckpointError, match=r"does not fit its configuration: .* more differences"):
        converted(tmp_path / "var_d1.pth", "var", SMALL)


def tokens_alone(pair: sd.Pair, request: sd.Request) -> list[np.ndarray]:
    """The tokens of a run, its picture left unpainted."""
    events = tuple(sd.decode(pair, request, watch="none"))
    return sd.Trace(pair.name, request, pair.schedule, pair.codes, events).tokens


@pytest.mark.parametrize("large", [False, True])
def test_pictures_by_the_public_call_from_files(large, tmp_path):
    """d36's shared modulation and the schedule for 512 pixels, and the others', at a reduced depth."""
    parts = {"draft": small_var(1, large), "target": small_var(2, large)}
    for seed, (name, config) in enumerate(parts.items()):
        torch.save(var_file(config, seed), tmp_path / f"{name}.pth")
    torch.save(vqvae_file(small_vqvae()), tmp_path / "tokenizer.pth")
    files = {part: tmp_path / f"{part}.pth" for part in (*parts, "tokenizer")}
    pair = sd.load_pair("var-d36" if large else "var-d16-d30", **files)
    assert pair.schedule.total == (2240 if large else 680)
    assert (pair.target.shared_modulation is not None) == large
    trace = sd.generate(pair, label="volcano", seed=3, gamma=2, guidance=4.0)
    side = 512 if large else 256
    assert trace.pictures.shape == (1, side, side, 3)
    alone = tokens_alone(pair, sd.Request(label=980, seed=3, gamma=0, guidance=4.0))
    assert all(np.array_equal(one, two) for one, two in zip(trace.tokens, alone, strict=True))
