"""Checkpoints: lossless, and every way a folder can be wrong gives one clear sentence."""

import json
import pickle
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load, save_file

import sdvar_core as sd
from sdvar_core.checkpoints import load_model, save_model
from sdvar_core.pairs import load_pair
from sdvar_core.presets import PAIRS
from tests.tiny import TOKENIZER, save_tiny_models, tiny_classifier, tiny_deltanet, tiny_tokenizer, tiny_var

MODELS = {"var": tiny_var, "vqvae": tiny_tokenizer, "classifier": tiny_classifier, "deltanet": tiny_deltanet}


@pytest.fixture
def folder(tmp_path) -> Path:
    """A good checkpoint of a transformer, to be damaged."""
    save_model(tiny_var(1), tmp_path / "part" / "model")
    return tmp_path / "part" / "model"


def weights_of(folder: Path) -> dict[str, torch.Tensor]:
    """The weights, read and not mapped, so that their file may be written over."""
    return load((folder / "model.safetensors").read_bytes())


def weights_changed(folder: Path, change) -> None:
    weights = weights_of(folder)
    change(weights)
    save_file(weights, folder / "model.safetensors")


def config_changed(folder: Path, **entries) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | entries))


def the_error(folder: Path, kind: str = "var") -> str:
    """The one sentence, or few, that loading gives; quickly, and without telling about the machine."""
    began = time.perf_counter()
    with pytest.raises(sd.CheckpointError) as caught:
        load_model(folder, kind)
    sentence = str(caught.value)
    assert time.perf_counter() - began < 5.0
    assert "\n" not in sentence
    assert len(sentence) < 500
    assert sentence.endswith((".", "?"))
    assert str(folder.parents[1]) not in sentence
    return sentence


@pytest.mark.parametrize("kind", MODELS)
def test_save_and_load_are_lossless(kind, tmp_path):
    model = MODELS[kind](seed=4)
    save_model(model, tmp_path / "new" / "folder")
    loaded = load_model(tmp_path / "new" / "folder", kind)
    assert loaded.config == model.config
    assert not loaded.training
    assert not any(parameter.requires_grad for parameter in loaded.parameters())
    expected = model.state_dict()
    assert list(loaded.state_dict()) == list(expected)
    for name, value in loaded.state_dict().items():
        assert value.dtype == expected[name].dtype
        assert torch.equal(value, expected[name])


def test_a_loaded_pair_draws_the_same_picture(tmp_path, monkeypatch):
    save_tiny_models(tmp_path)
    parts = {part: tmp_path / part for part in ("draft", "target", "tokenizer")}
    monkeypatch.setitem(PAIRS, "tiny", replace(PAIRS["tiny-worlds"], name="tiny", **parts))
    pair = load_pair("tiny")
    made = replace(pair, draft=tiny_var(1, depth=1), target=tiny_var(2), tokenizer=tiny_tokenizer())
    assert (pair.schedule, pair.codes) == (TOKENIZER.schedule, TOKENIZER.codes)
    one, two = (sd.generate(entry, label="volcano", seed=7, gamma=2) for entry in (pair, made))
    assert one.same_run(two)
    assert (one.pictures == two.pictures).all()


def test_half_precision_weights_become_float32(folder):
    def halve(weights):
        weights.update({name: value.half() for name, value in weights.items()})

    weights_changed(folder, halve)
    assert all(value.dtype == torch.float32 for value in load_model(folder, "var").state_dict().values())


def truncate(path: Path, share: float) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])


def as_pickle(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(pickle.dumps(weights_of(folder)))


def as_torch_file(folder: Path) -> None:
    torch.save(weights_of(folder), folder / "model.safetensors")


def as_folder(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors").mkdir()


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda folder: (folder / "model.safetensors").unlink(), "Cannot read model/model.safetensors"),
        (as_folder, "Cannot read model/model.safetensors"),
        (lambda folder: truncate(folder / "model.safetensors", 0.9), "truncated or foreign"),
        (lambda folder: truncate(folder / "model.safetensors", 0.01), "truncated or foreign"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b""), "truncated or foreign"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"\xff" * 64), "truncated or foreign"),
        (as_pickle, "truncated or foreign"),
        (as_torch_file, "truncated or foreign"),
    ],
)
def test_damaged_weights_files(folder, damage, sentence):
    damage(folder)
    assert sentence in the_error(folder)


def put(name, value):
    return lambda weights: weights.__setitem__(name, value)


@pytest.mark.parametrize(
    ("change", "sentences"),
    [
        (lambda weights: weights.pop("head.weight"), ["head.weight is missing"]),
        (put("surplus", torch.zeros(2)), ["surplus is unknown"]),
        (
            lambda weights: weights.update(tail=weights.pop("head.weight")),
            ["head.weight is missing", "tail is unknown"],
        ),
        (put("head.bias", torch.zeros(9)), ["head.bias has shape (9,), expected (8,)"]),
        (put("head.weight", torch.zeros(8, 8, 1)), ["head.weight has shape (8, 8, 1), expected (8, 8)"]),
        (put("head.bias", torch.zeros(8, dtype=torch.int64)), ["head.bias holds I64, expected real numbers"]),
        (put("head.bias", torch.zeros(8, dtype=torch.bool)), ["head.bias holds BOOL, expected real numbers"]),
        (put("head.bias", torch.full((8,), torch.nan)), ["head.bias holds numbers that are not finite"]),
        (put("head.bias", torch.full((8,), -torch.inf)), ["head.bias holds numbers that are not finite"]),
        (lambda weights: weights.clear(), ["is missing", "more differences"]),
    ],
)
def test_weights_that_do_not_fit(folder, change, sentences):
    weights_changed(folder, change)
    found = the_error(folder)
    assert all(sentence in found for sentence in sentences)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "not JSON"),
        (b"depth: 2", "not JSON"),
        (b"\x80\x04\x95", "not JSON"),
        (b"[" * 20_000, "not JSON"),
        (b'{"kind": "var", "note": "' + b"x" * 100_000 + b'"}', "not JSON"),
        (b'"var"', "does not describe a model of kind 'var'"),
        (b"{}", "does not describe a model of kind 'var'"),
        (b'{"kind": ["var"]}', "does not describe a model of kind 'var'"),
        (b'{"kind": "vqvae"}', "does not describe a model of kind 'var'"),
        (b'{"kind": "var"}', "a configuration that cannot be"),
    ],
)
def test_configurations_that_cannot_be_read(folder, content, sentence):
    (folder / "config.json").write_bytes(content)
    assert sentence in the_error(folder)


def test_a_missing_configuration_and_a_missing_folder(folder):
    (folder / "config.json").unlink()
    assert "Cannot read model/config.json" in the_error(folder)
    assert "Cannot read nowhere/config.json" in the_error(folder.parent / "nowhere")


def test_an_unknown_field(folder):
    config_changed(folder, colour="red")
    assert "colour" in the_error(folder)


NOT_A_COUNT = ["two", None, -1, 0, 1.5, 10**9, 10**30, 1e308, float("nan"), [], {}, True]


@pytest.mark.parametrize("value", NOT_A_COUNT, ids=repr)
@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("var", "depth"),
        ("var", "width"),
        ("var", "heads"),
        ("var", "codes"),
        ("var", "sides"),
        ("vqvae", "channels"),
        ("vqvae", "residual_blocks"),
        ("vqvae", "latent_channels"),
        ("vqvae", "shared_phis"),
        ("vqvae", "image_size"),
        ("vqvae", "multipliers"),
        ("classifier", "classes"),
        ("classifier", "width"),
        ("classifier", "levels"),
    ],
)
def test_impossible_counts(tmp_path, kind, name, value):
    save_model(MODELS[kind](seed=1), tmp_path / "part" / "model")
    config_changed(tmp_path / "part" / "model", **{name: value})
    assert "config.json" in the_error(tmp_path / "part" / "model", kind)


@pytest.mark.parametrize(
    ("kind", "entries"),
    [
        ("var", {"sides": [1, 2, 10**9]}),
        ("var", {"sides": [1, 2, "4"]}),
        ("var", {"sides": [4, 2, 1]}),
        ("var", {"mlp_ratio": 1e308}),
        ("var", {"mlp_ratio": "4"}),
        ("var", {"norm_eps": float("nan")}),
        ("var", {"attention_l2_norm": "yes"}),
        ("vqvae", {"rate_price": float("inf")}),
        ("vqvae", {"attention": 1}),
        ("vqvae", {"norm_groups": 3}),
    ],
)
def test_impossible_entries(tmp_path, kind, entries):
    save_model(MODELS[kind](seed=1), tmp_path / "part" / "model")
    config_changed(tmp_path / "part" / "model", **entries)
    assert "config.json" in the_error(tmp_path / "part" / "model", kind)


def test_a_possible_configuration_that_is_not_the_one_of_the_weights(folder):
    config_changed(folder, depth=3)
    assert "blocks.2.attention.query_bias is missing" in the_error(folder)


def test_an_unknown_pair_names_the_known_ones():
    with pytest.raises(sd.CheckpointError, match=r"Unknown pair 'huge': choose one of tiny-worlds"):
        load_pair("huge")


@pytest.mark.parametrize("part", ["draft", "target"])
def test_parts_that_speak_different_tokens(tmp_path, monkeypatch, part):
    save_tiny_models(tmp_path)
    other = tiny_var(3)
    save_model(type(other)(replace(other.config, codes=9)), tmp_path / "other")
    parts = {name: tmp_path / name for name in ("draft", "target", "tokenizer")} | {part: tmp_path / "other"}
    monkeypatch.setitem(PAIRS, "tiny", replace(PAIRS["tiny-worlds"], name="tiny", **parts))
    with pytest.raises(sd.CheckpointError, match=f"The {part} speaks 9 codes of 3 channels"):
        load_pair("tiny")
