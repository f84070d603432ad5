"""Training of the language models: the text, one task's steps on a toy, and the whole command with its resume."""

import json
import math

import numpy as np
import pytest
import torch

import sdvar_core as sd
from sdvar_core.checkpoints import load_model, save_model
from sdvar_core.models.deltanet import DeltaNet, DeltaNetConfig, initialise
from sdvar_core.presets import TEXT_PAIRS, TextPairPreset
from sdvar_core.training import deltanet as training
from sdvar_core.training.muon import optimizer_for
from sdvar_core.training.python_source import PythonSource, is_held_out, standard_library

CONFIG = DeltaNetConfig(depth=1, width=16, key_heads=1, value_heads=1, key_dim=8, value_dim=8)


def new_model(seed: int = 0) -> DeltaNet:
    return initialise(DeltaNet(CONFIG), torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> PythonSource:
    """Forty little modules, and what must be left out."""
    root = tmp_path_factory.mktemp("library")
    for number in range(40):
        folder = root / ("package" if number % 3 else ".")
        folder.mkdir(exist_ok=True)
        (folder / f"module_{number}.py").write_text(f"def function_{number}(x):\n    return x + {number}\n" * 4)
    for name in (
        "test/test_x.py",
        "package/tests/x.py",
        "encodings/ascii.py",
        "site-packages/x.py",
        "_sysconfigdata.py",
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("left out")
    (root / "notes.txt").write_text("left out")
    return PythonSource(root)


def new_task(source: PythonSource, teacher: DeltaNet | None = None) -> training.LanguageTask:
    return training.LanguageTask(
        new_model(), source.tokens(False), source.tokens(True), seed=0, batch=4, sequence=48, teacher=teacher
    )


def test_the_text_is_every_kept_file_once(source):
    assert len(source.names) == 40
    assert source.names == tuple(sorted(source.names))
    training_part, held_out = source.part(False), source.part(True)
    assert set(training_part) | set(held_out) == set(source.names)
    assert not set(training_part) & set(held_out)
    assert 0 < len(held_out) < 12
    assert all(is_held_out(name) for name in held_out)
    text = source.text(False)
    assert b"left out" not in text + source.text(True)
    assert text.count(b"\0") == len(training_part)
    assert bytes(source.tokens(False).tolist()) == text


def test_the_record_tells_what_was_read(source):
    record = json.loads(json.dumps(source.record()))
    assert record["source"].startswith("standard library of CPython 3")
    assert "PSF-2.0" in record["licence"]
    for part, held_out in (("training", False), ("held_out", True)):
        assert record[part]["files"] == list(source.part(held_out))
        assert record[part]["count"] == len(source.part(held_out))
        assert record[part]["bytes"] == len(source.text(held_out))
        assert len(record[part]["sha256"]) == 64
    assert str(source.root) not in json.dumps(record)


def test_the_standard_library_is_there_and_clean():
    library = PythonSource(standard_library())
    assert len(library.names) > 300
    assert "argparse.py" in library.names
    assert not any({"test", "tests", "site-packages"} & set(name.split("/")) for name in library.names)
    assert 0.03 < len(library.part(True)) / len(library.names) < 0.08


def test_muon_has_the_matrices_of_the_blocks_and_no_convolution():
    model = new_model()
    optimizer = optimizer_for(model)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    parts = {
        part: {names[id(parameter)] for group in one.param_groups for parameter in group["params"]}
        for part, one in optimizer.parts.items()
    }
    assert parts["muon"] | parts["adamw"] == set(names.values())
    assert not parts["muon"] & parts["adamw"]
    assert "blocks.0.mixing.query.weight" in parts["muon"]
    assert "blocks.0.contract.weight" in parts["muon"]
    for name in ("embedding.weight", "head.weight", "blocks.0.mixing.decay_rate"):
        assert name in parts["adamw"]
    assert not any("convolution" in name for name in parts["muon"])


@pytest.mark.parametrize("distilled", [False, True])
def test_a_task_learns_and_its_figures_are_finite(source, distilled):
    teacher = None
    if distilled:
        teacher = new_model(1).requires_grad_(False).eval()
        teacher.head.weight.mul_(30)
    task = new_task(source, teacher)
    before = task.measure(windows=8)
    for step in range(40):
        loss, _ = task.loss(0.5, step)
        task.optimizers[0].zero_grad()
        loss.backward()
        task.optimizers[0].step()
        task.after_step(0.5, step)
    after = task.measure(windows=8)
    assert np.isfinite(list(after.values())).all()
    goal = "divergence" if distilled else "held_out"
    assert after[goal] < 0.7 * before[goal]
    if distilled:
        assert list(after) == ["held_out", "divergence", "same_likeliest", "among_four", "overlap"]
        assert after["same_likeliest"] <= after["among_four"] <= 1.0
        assert after["overlap"] > before["overlap"]
    else:
        assert before["held_out"] == pytest.approx(math.log(256), abs=0.3)


def test_a_draft_that_is_its_teacher_agrees_with_it(source):
    task = new_task(source, teacher=new_model())
    figures = task.measure(windows=4)
    assert figures["divergence"] == pytest.approx(0.0, abs=1e-5)
    assert (figures["same_likeliest"], figures["among_four"]) == (1.0, 1.0)
    assert figures["overlap"] == pytest.approx(1.0, abs=1e-5)


def test_the_loss_is_that_of_the_next_byte(source):
    """By the chunk form, against the recurrence and a cross-entropy written out."""
    task = new_task(source)
    starts = torch.tensor([0, 7])
    windows = task._windows(task.text, starts)
    assert bytes(windows[1].tolist()) == source.text(False)[7 : 7 + 49]
    logits = task._logits(task.model, windows)
    recurrent, _ = task.model(windows[:, :-1], form="recurrent")
    assert (logits - recurrent).abs().max() < 1e-4
    task.generator.manual_seed(3)
    found, _ = task.loss(0.0, 0)
    task.generator.manual_seed(3)
    starts = torch.randint(len(task.text) - 48, (4,), generator=task.generator)
    windows = task._windows(task.text, starts)
    chances = task.model(windows[:, :-1], form="recurrent")[0].softmax(-1).gather(-1, windows[:, 1:, None])
    assert float(found.detach()) == pytest.approx(float(-chances.log().mean().detach()), rel=1e-4)


def test_a_resumed_task_draws_the_same_batches(source):
    task, resumed = new_task(source), new_task(source)
    task.loss(0.0, 0)
    resumed.load_state_dict(task.state_dict())
    assert torch.equal(task.loss(0.0, 1)[0].detach(), resumed.loss(0.0, 1)[0].detach())


def test_the_command_makes_a_pair_that_decodes(source, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sdvar_core.training.report.loss_curves", lambda *given: None)
    sizes = {"depth": 1, "width": 16, "heads": 1, "head-dim": 8, "batch": 4, "sequence": 32, "minutes": 0.01}
    common = [part for name, size in sizes.items() for part in (f"--{name}", str(size))]
    common += ["--source", str(source.root)]

    def command(role: str, *more: str) -> dict:
        folders = ["--run-dir", str(tmp_path / f"{role}-run"), "--output", str(tmp_path / role)]
        training.main([role, *common, *folders, *more])
        return json.loads((tmp_path / role / "evaluation.json").read_text())

    first, second = command("target"), command("target", "--minutes", "0.02")
    assert second["steps"] > first["steps"] > 0
    assert command("draft", "--teacher", str(tmp_path / "target"))["loss"] == "KL to the target"
    assert json.loads((tmp_path / "draft" / "text.json").read_text()) == source.record()
    assert load_model(tmp_path / "target", "deltanet").config == CONFIG
    preset = TextPairPreset("tiny", "", tmp_path / "draft", tmp_path / "target", "")
    monkeypatch.setitem(TEXT_PAIRS, "tiny", preset)
    pair = sd.load_pair("tiny")
    run = sd.generate_text(pair, prompt="def main(", length=40)
    assert len(run.written) == 40
    assert run.text.startswith("def main(")
    capsys.readouterr()


def test_a_pair_that_is_not_there_yet(tmp_path, monkeypatch):
    preset = TextPairPreset("tiny", "", tmp_path / "draft", tmp_path / "target", "python -m recipe")
    monkeypatch.setitem(TEXT_PAIRS, "tiny", preset)
    with pytest.raises(sd.CheckpointError, match=r"'tiny' has no draft: .*draft is missing. Train it with python -m"):
        sd.load_pair("tiny")
    save_model(new_model(), preset.draft)
    with pytest.raises(sd.CheckpointError, match="has no target"):
        sd.load_pair("tiny")
    with pytest.raises(sd.CheckpointError, match="python-bytes, tiny"):
        sd.load_pair("huge")


def test_a_pair_that_speaks_different_tokens(tmp_path, monkeypatch):
    preset = TextPairPreset("tiny", "", tmp_path / "draft", tmp_path / "target", "")
    monkeypatch.setitem(TEXT_PAIRS, "tiny", preset)
    save_model(new_model(), preset.draft)
    other = DeltaNetConfig(**(vars(CONFIG) | {"vocabulary": 255}))
    save_model(initialise(DeltaNet(other), torch.Generator().manual_seed(0)), preset.target)
    with pytest.raises(sd.CheckpointError, match="The draft speaks 256 tokens and the target 255"):
        sd.load_pair("tiny")
