"""Pairs by name: where their files come from, what they need, how long they stay. No test asks the network."""

import dataclasses
from collections import namedtuple
from pathlib import Path

import huggingface_hub
import pytest
import torch
from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError, OfflineModeIsEnabled

import sdvar_core as sd
from sdvar_core import fetch, pairs
from sdvar_core.official import hub
from sdvar_core.presets import IMAGENET_NAMES, PAIRS, TOKENIZER_FILE, HubFile
from tests.official import small_var, small_vqvae, var_file, vqvae_file

FILE = HubFile("FoundationVision/var", "var_d16.pth", 16)
Usage = namedtuple("Usage", ["total", "used", "free"])


class FakeHub:
    """Stands in for huggingface_hub: counts what is asked, and downloads by copying from a folder."""

    def __init__(self, published: Path, cache: Path) -> None:
        self.published, self.cache, self.downloads = published, cache, []
        cache.mkdir()

    def try_to_load_from_cache(self, repository: str, filename: str) -> str | None:
        return str(self.cache / filename) if (self.cache / filename).exists() else None

    def hf_hub_download(self, repository: str, filename: str, dry_run: bool = False, tqdm_class=None):
        size = (self.published / filename).stat().st_size
        if dry_run:
            return namedtuple("Info", ["file_size"])(size)
        with tqdm_class(total=size, unit="B", name="huggingface_hub.http_get") as bar:
            content = (self.published / filename).read_bytes()
            bar.update(len(content) // 2)
            bar.update(len(content) - len(content) // 2)
        (self.cache / filename).write_bytes(content)
        self.downloads.append(filename)
        return str(self.cache / filename)


@pytest.fixture
def fake_hub(tmp_path, monkeypatch) -> FakeHub:
    """A hub whose published files are small, with presets of the same small configurations."""
    published = tmp_path / "published"
    published.mkdir()
    monkeypatch.setattr(pairs, "var_config", lambda depth: small_var(1 if depth == 16 else 2))
    monkeypatch.setattr(pairs, "vqvae_config", lambda depth: small_vqvae())
    for depth in (1, 2):
        torch.save(var_file(small_var(depth), depth), published / f"var_d{ {1: 16, 2: 30}[depth] }.pth")
    torch.save(vqvae_file(small_vqvae()), published / TOKENIZER_FILE)
    fake = FakeHub(published, tmp_path / "cache")
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", fake.try_to_load_from_cache)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", fake.hf_hub_download)
    monkeypatch.setattr(hub, "cache_folder", lambda: tmp_path / "cache")
    return fake


def test_a_pair_is_downloaded_once_with_progress(fake_hub, tmp_path):
    heard = []
    pair = sd.load_pair("var-d16-d30", progress=lambda *news: heard.append(news))
    assert sorted(fake_hub.downloads) == sorted(["var_d16.pth", "var_d30.pth", TOKENIZER_FILE])
    size = (fake_hub.published / "var_d16.pth").stat().st_size
    told = [(here, whole) for name, here, whole in heard if name == "var_d16.pth"]
    assert told[0] == (0, size)  # the size before the first byte
    assert told[-1] == (size, size)
    assert (pair.draft.config.depth, pair.target.config.depth) == (1, 2)
    assert len(list((tmp_path / "sdvar").iterdir())) == 3
    again = sd.load_pair("var-d16-d30")
    assert len(fake_hub.downloads) == 3
    one, two = (sd.generate(entry, label="tench", seed=1, gamma=1) for entry in (pair, again))
    assert one.same_run(two)


def test_the_command_fetches_and_lists(fake_hub, capsys, monkeypatch):
    fetch.main(["var-d16-d30"])
    printed = capsys.readouterr()
    assert len(printed.out.splitlines()) == 4
    assert "var_d30.pth: 100 % of" in printed.err
    needed = sd.needs("var-d16-d30")
    assert needed.download == needed.still_to_write == 0 < needed.disk
    assert len(fake_hub.downloads) == 3
    fetch.main([])
    assert len(capsys.readouterr().out.splitlines()) == 2 + len(PAIRS)
    with pytest.raises(SystemExit, match="Unknown pair 'huge'"):
        fetch.main(["huge"])


def test_what_the_cache_has_needs_no_network(fake_hub, monkeypatch):
    sd.load_pair("var-d16-d30")

    def unreachable(*arguments, **settings):
        raise AssertionError("the network was asked")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", unreachable)
    assert sd.load_pair("var-d16-d30").name == "var-d16-d30"


@pytest.mark.parametrize(
    "error", [OfflineModeIsEnabled("off"), LocalEntryNotFoundError("none"), ConnectionError("no route")]
)
def test_without_cache_and_network_one_sentence(fake_hub, monkeypatch, error):
    def unreachable(*arguments, **settings):
        raise error

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", unreachable)
    with pytest.raises(sd.CheckpointError, match=r"var_d30\.pth of FoundationVision/var is not in the cache and the"):
        sd.load_pair("var-d16-d30")


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (OSError("disk gone"), r"could not be downloaded: disk gone\. Ask again: it goes on where it stopped"),
        (RuntimeError("peer closed\nconnection"), r"could not be downloaded: peer closed\. Ask again"),
        (EntryNotFoundError("404: no such file"), r"The hub refuses var_d16\.pth of FoundationVision/var: 404"),
        (RuntimeError(), r"could not be downloaded: RuntimeError\. Ask again"),
    ],
)
def test_whatever_happens_to_a_download_is_one_sentence(fake_hub, monkeypatch, error, sentence):
    def broken(*arguments, dry_run=False, **settings):
        if dry_run:
            return namedtuple("Info", ["file_size"])(None)
        raise error

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", broken)
    with pytest.raises(sd.CheckpointError, match=sentence) as caught:
        hub.fetch(FILE)
    assert "\n" not in str(caught.value)


def test_a_small_disk_is_refused_before_the_first_byte(fake_hub, monkeypatch):
    monkeypatch.setattr(hub.shutil, "disk_usage", lambda folder: Usage(2**40, 0, 5_000_000))
    with pytest.raises(sd.CheckpointError, match=r"needs .* of disk and 1\.0 GB to spare, but 5\.0 MB are free"):
        hub.fetch(FILE)
    assert not fake_hub.downloads


def test_every_pair_is_described_and_fits():
    names = set(PAIRS)
    assert {"tiny-worlds", "var-d16-d30", "var-d20-d24", "var-d36", "code-8"} <= names
    for name, preset in PAIRS.items():
        assert name == preset.name
        assert preset.sentence.endswith(".")
        if isinstance(preset.target, HubFile):
            draft, target = (pairs.config_of(part, "var") for part in (preset.draft, preset.target))
            tokenizer = pairs.config_of(preset.tokenizer, "vqvae")
            assert draft.sides == target.sides == tokenizer.sides
            assert len(preset.class_names) == draft.classes == target.classes
            assert draft.depth < target.depth or preset.draft == preset.target


def test_imagenet_names():
    assert len(set(IMAGENET_NAMES)) == len(IMAGENET_NAMES) == 1000
    known = {0: "tench", 207: "golden retriever", 250: "Siberian husky", 980: "volcano", 999: "toilet tissue"}
    assert {index: IMAGENET_NAMES[index] for index in known} == known


def test_needs_are_counted_from_the_shapes(monkeypatch):
    monkeypatch.setattr(hub, "cached", lambda file: None)
    whole, half = (sd.needs("var-d16-d30", precision) for precision in ("float32", "bfloat16"))
    assert whole.download == 1_243_054_656 + 8_042_166_864 + 435_957_260
    assert 2 * whole.download * 0.98 < whole.disk == whole.still_to_write < 2 * whole.download
    assert half.memory < whole.memory
    assert sd.needs("tiny-worlds") == sd.Needs(0, 0, 0, 0)
    monkeypatch.setattr(hub, "cached", lambda file: Path(__file__))
    assert sd.needs("var-d16-d30").download == 0
    alone = sd.needs("var-d36", batch=2).memory - sd.needs("var-d36", batch=1).memory
    assert alone == 2 * 2 * 36 * 2240 * 2304 * 4  # keys and values of a guided picture, one model


def test_what_cannot_fit_is_refused_in_one_sentence():
    with pytest.raises(sd.CheckpointError, match=r"var-d16-d30 in float32 needs .* GB of memory, but 4\.0 GB are free"):
        sd.check_memory("var-d16-d30", "float32", 4_000_000_000)
    sd.check_memory("tiny-worlds", "float32", 0)


def test_an_unknown_part_is_a_mistake_in_the_call():
    with pytest.raises(TypeError):
        sd.load_pair("tiny-worlds", vae="somewhere")


def test_a_draft_that_is_the_target_is_loaded_once(tmp_path, monkeypatch):
    for name, content in (("target", var_file(small_var(1))), ("tokenizer", vqvae_file(small_vqvae()))):
        torch.save(content, tmp_path / f"{name}.pth")
    monkeypatch.setattr(hub, "converted_folder", lambda: tmp_path / "converted")
    target = tmp_path / "target.pth"
    pair = sd.load_pair("var-d36", draft=target, target=target, tokenizer=tmp_path / "tokenizer.pth")
    assert pair.draft is pair.target


def test_a_shelf_keeps_what_was_used_last():
    loaded = []

    def load(name, device, precision):
        loaded.append(name)
        return dataclasses.replace(PAIRS["tiny-worlds"], name=name)

    shelf = sd.Shelf(2, load)
    first = shelf.take("one")
    shelf.take("two")
    assert shelf.take("one") is first
    shelf.take("three")
    assert loaded == ["one", "two", "three"]
    assert shelf.take("one") is first
    shelf.take("two")
    assert loaded == ["one", "two", "three", "two"]
    assert len(shelf.pairs) == 2
    shelf.take("two", "cpu", "bfloat16")
    assert loaded[-1] == "two"
