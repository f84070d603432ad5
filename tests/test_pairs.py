"""Pairs by name: where their files come from, what they need, how long they stay. No test asks the network."""

import dataclasses
from collections import namedtuple
from pathlib import Path

import huggingface_hub
import pytest
import torch
from huggingface_hub import constants, file_download
from huggingface_hub.errors import LocalEntryNotFoundError, OfflineModeIsEnabled

import sdvar_core as sd
from sdvar_core import fetch, pairs
from sdvar_core.footprint import free_memory
from sdvar_core.official import hub
from sdvar_core.presets import IMAGENET_NAMES, PAIRS, TOKENIZER_FILE, HubFile
from tests.official import small_var, small_vqvae, var_file, vqvae_file
from tests.small_hub import publish, serving, small_configurations

TOKENIZER = HubFile("FoundationVision/var", TOKENIZER_FILE, 20)
Usage = namedtuple("Usage", ["total", "used", "free"])


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    folder = tmp_path_factory.mktemp("published")
    publish(folder)
    return folder


@pytest.fixture
def small_hub(published, tmp_path, monkeypatch):
    """A hub with small files, presets of the same configurations, and an empty cache."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    with small_configurations(), serving(published) as (address, found):
        monkeypatch.setattr(
            constants, "HUGGINGFACE_CO_URL_TEMPLATE", address + "/{repo_id}/resolve/{revision}/{filename}"
        )
        yield found


def test_a_pair_is_downloaded_once_with_progress(small_hub, tmp_path):
    heard = []
    pair = sd.load_pair("var-d16-d20", progress=lambda *news: heard.append(news))
    assert sorted(small_hub.sent) == [(TOKENIZER_FILE, 0), ("var_d16.pth", 0), ("var_d20.pth", 0)]
    size = (small_hub.folder / "var_d16.pth").stat().st_size
    told = [(here, whole) for name, here, whole in heard if name == "var_d16.pth"]
    assert told[0] == (0, size)  # the size before the first byte
    assert told[-1] == (size, size)
    assert (pair.draft.config.depth, pair.target.config.depth) == (1, 2)
    assert len(list((tmp_path / "sdvar").iterdir())) == 3
    again = sd.load_pair("var-d16-d20")
    assert len(small_hub.sent) == 3
    one, two = (sd.generate(entry, label="tench", seed=1, gamma=1) for entry in (pair, again))
    assert one.same_run(two)


def test_the_command_fetches_and_lists(small_hub, capsys):
    fetch.main(["var-d16-d20"])
    printed = capsys.readouterr()
    assert len(printed.out.splitlines()) == 4
    assert "var_d20.pth: 100 % of 7.4 MB, now checked and converted" in printed.err
    needed = sd.needs("var-d16-d20")
    assert needed.download == needed.still_to_write == 0 < needed.disk
    assert len(small_hub.sent) == 3
    fetch.main([])
    assert len(capsys.readouterr().out.splitlines()) == 2 + len(PAIRS)
    with pytest.raises(SystemExit, match="Unknown pair 'huge'"):
        fetch.main(["huge"])


def test_a_download_that_broke_off_goes_on_where_it_stopped(small_hub, monkeypatch):
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 500_000)
    monkeypatch.setattr(file_download.time, "sleep", lambda seconds: None)  # between the library's own tries
    small_hub.breaks = 1_100_000
    with pytest.raises(sd.CheckpointError, match="Ask again: it goes on where it stopped"):
        hub.fetch(TOKENIZER)
    small_hub.breaks, before = None, list(small_hub.sent)
    path = hub.fetch(TOKENIZER)
    assert path.read_bytes() == (small_hub.folder / TOKENIZER_FILE).read_bytes()
    assert small_hub.sent == [*before, (TOKENIZER_FILE, 1_000_000)]


def test_a_stopped_download_goes_on_where_it_stopped(small_hub, monkeypatch):
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 500_000)

    def stop(name, here, size):
        if here > 1_000_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        hub.fetch(TOKENIZER, stop)
    told = []
    hub.fetch(TOKENIZER, lambda *news: told.append(news))
    assert told[0][1] == small_hub.sent[-1][1] == 1_000_000


def test_a_file_with_another_checksum_is_thrown_away(small_hub):
    small_hub.tags[TOKENIZER_FILE] = "0" * 64
    with pytest.raises(
        sd.CheckpointError, match=r"vae_ch160v4096z32\.pth of FoundationVision/var is damaged: ask for it"
    ):
        hub.fetch(TOKENIZER)
    assert [path.suffix for path in hub.cache_folder().rglob("*") if path.is_file()] == [".lock"]
    small_hub.tags[TOKENIZER_FILE] = "no-checksum"  # as a hub tags what is small
    assert hub.fetch(TOKENIZER).stat().st_size == (small_hub.folder / TOKENIZER_FILE).stat().st_size


def test_one_program_at_a_time_downloads_a_file(small_hub):
    def meanwhile(name, here, size):
        if here:
            hub.fetch(TOKENIZER)

    with pytest.raises(sd.CheckpointError, match="is being downloaded by another program: wait for it"):
        hub.fetch(TOKENIZER, meanwhile)


def test_what_the_cache_has_needs_no_network(small_hub, monkeypatch):
    sd.load_pair("var-d16-d20")

    def unreachable(*arguments, **settings):
        raise AssertionError("the network was asked")

    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", unreachable)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", unreachable)
    assert sd.load_pair("var-d16-d20").name == "var-d16-d20"


@pytest.mark.parametrize(
    "error", [OfflineModeIsEnabled("off"), LocalEntryNotFoundError("none"), ConnectionError("no route")]
)
def test_without_cache_and_network_one_sentence(small_hub, monkeypatch, error):
    def unreachable(*arguments, **settings):
        raise error

    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", unreachable)
    with pytest.raises(sd.CheckpointError, match=r"var_d20\.pth of FoundationVision/var is not in the cache and the"):
        sd.load_pair("var-d16-d20")


def test_a_hub_that_is_not_there(small_hub, monkeypatch):
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", "http://127.0.0.1:9/{repo_id}/{revision}/{filename}")
    with pytest.raises(sd.CheckpointError, match="is not in the cache and the hub cannot be reached: connect once, or"):
        hub.fetch(TOKENIZER)


def test_a_file_that_the_hub_has_not(small_hub):
    with pytest.raises(
        sd.CheckpointError, match=r"The hub refuses var_d24\.pth of FoundationVision/var: .*404"
    ) as caught:
        hub.fetch(HubFile("FoundationVision/var", "var_d24.pth", 24))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (OSError("disk gone"), r"could not be downloaded: disk gone\. Ask again: it goes on where it stopped"),
        (RuntimeError("peer closed\nconnection"), r"could not be downloaded: peer closed\. Ask again"),
        (RuntimeError(), r"could not be downloaded: RuntimeError\. Ask again"),
    ],
)
def test_whatever_happens_to_a_download_is_one_sentence(small_hub, monkeypatch, error, sentence):
    def broken(*arguments, **settings):
        raise error

    monkeypatch.setattr(hub, "http_get", broken)
    with pytest.raises(sd.CheckpointError, match=sentence) as caught:
        hub.fetch(TOKENIZER)
    assert "\n" not in str(caught.value)


def test_a_small_disk_is_refused_before_the_first_byte(small_hub, monkeypatch):
    monkeypatch.setattr(hub.shutil, "disk_usage", lambda folder: Usage(2**40, 0, 5_000_000))
    with pytest.raises(sd.CheckpointError, match=r"needs .* of disk and 1\.0 GB to spare, but 5\.0 MB are free"):
        hub.fetch(TOKENIZER)
    assert not small_hub.sent


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
    assert sd.needs("tiny-worlds") == sd.Needs(0, 0, 0, 0, 0)
    monkeypatch.setattr(hub, "cached", lambda file: Path(__file__))
    assert sd.needs("var-d16-d30").download == 0
    alone = sd.needs("var-d36", batch=2).memory - sd.needs("var-d36", batch=1).memory
    assert alone == 2 * 2 * 36 * 2240 * 2304 * 4  # keys and values of a guided picture, one model


def test_what_cannot_fit_is_refused_in_one_sentence(monkeypatch):
    monkeypatch.setattr("sdvar_core.footprint.free_memory", lambda device="cpu": 4_000_000_000)
    with pytest.raises(
        sd.CheckpointError, match=r"var-d16-d30 in float32 needs .* GB of memory on cpu, but 4\.0 GB are free"
    ):
        sd.check_fits("var-d16-d30")
    with pytest.raises(
        sd.CheckpointError, match=r"in bfloat16 needs 5\.\d GB of memory on cuda:0, but 4\.0 GB are free"
    ):
        sd.check_fits("var-d16-d30", "cuda:0", "bfloat16")
    with pytest.raises(
        sd.CheckpointError, match=r"needs 9\.7 GB of memory on cpu while it is read, but 4\.0 GB are free"
    ):
        sd.check_fits("var-d16-d30", "cuda:0", "bfloat16", returned=2_000_000_000)
    sd.check_fits("var-d16-d30", returned=16_000_000_000)
    sd.check_fits("tiny-worlds")


def test_a_container_leaves_less_than_the_machine_has(tmp_path, monkeypatch):
    monkeypatch.setattr("sdvar_core.footprint.CONTAINER", tmp_path)
    whole = free_memory()
    for name, text in {"max": "max", "current": "7", "stat": "anon 1\ninactive_file 2\n"}.items():
        (tmp_path / f"memory.{name}").write_text(text)
    assert free_memory() > whole / 2, "max is no limit"
    (tmp_path / "memory.max").write_text("10")
    assert free_memory() == 10 - 7 + 2


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


def test_outlines_are_what_the_loaded_pairs_say(small_hub, pair):
    loaded = sd.load_pair("var-d16-d20")
    for known, found in ((pair, sd.outline("tiny-worlds")), (loaded, sd.outline("var-d16-d20"))):
        for name in ("name", "schedule", "codes", "class_names"):
            assert getattr(known, name) == getattr(found, name)


def test_outlines_need_no_files():
    assert sd.outline("var-d36").schedule.sides[-1] == 32
    with pytest.raises(sd.CheckpointError, match="Unknown pair 'huge'"):
        sd.outline("huge")


def test_a_shelf_keeps_what_was_used_last():
    loaded, gone = [], []

    def load(name, device, precision):
        loaded.append(name)
        return dataclasses.replace(PAIRS["tiny-worlds"], name=name)

    shelf = sd.Shelf(2, load, leaving=lambda pair: gone.append(pair.name))
    first = shelf.take("one")
    shelf.take("two")
    assert shelf.take("one") is first
    shelf.take("three")
    assert loaded == ["one", "two", "three"]
    assert shelf.take("one") is first
    shelf.take("two")
    assert loaded == ["one", "two", "three", "two"]
    assert gone == ["two", "three"]
    assert len(shelf.pairs) == 2
    shelf.take("two", "cpu", "bfloat16")
    assert loaded[-1] == "two"
