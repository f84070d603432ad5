"""The tables of tree drafts: rows, totals and the whole command, on tiny models."""

import pytest

import sdvar_core as sd
from sdvar_core import bench_text
from sdvar_core.checkpoints import save_model
from sdvar_core.models.deltanet import DeltaNet
from sdvar_core.training.python_source import PythonSource
from tests.fakes import fake_text_pair, tick_clock
from tests.test_deltanet import new_model


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> PythonSource:
    root = tmp_path_factory.mktemp("library")
    for number in range(60):
        (root / f"module_{number}.py").write_text("x = 1\ny = 2\n" * 3)
    return PythonSource(root)


def test_the_rows_are_chain_linear_and_full_of_every_size():
    rows = bench_text.trees((4, 64))
    assert [(row.name, row.nodes) for row in rows] == [(n, s) for s in (4, 64) for n in ("chain", "linear", "full")]
    for row in rows:
        request = sd.TextRequest(topk=row.topk, steps=row.steps, nodes=row.nodes, expansion=row.expansion)
        assert request.slots <= row.nodes or row.name == "full"


def test_prompts_are_held_out_pieces_from_the_start_of_a_line(source):
    pieces = bench_text.prompts(source, 3, 6)
    text = source.text(held_out=True)
    assert len(pieces) == 3
    assert all(piece in text and len(piece) == 6 for piece in pieces)


def test_totals_weigh_every_byte_alike():
    runs = [sd.generate_text(fake_text_pair(), prompt=b"\1", length=length) for length in (5, 30)]
    found = bench_text.totals(runs)
    assert found["with_bonus"] == pytest.approx(35 / sum(run.target_calls for run in runs))
    assert found["accepted"] == pytest.approx(found["with_bonus"] - 1)
    assert found["per_node"] == pytest.approx(sum(r.accepted for r in runs) / sum(r.drafted for r in runs))
    assert found["per_node"] <= found["per_level"] <= 1.0
    alone = bench_text.totals([sd.generate_text(fake_text_pair(), prompt=b"\1", length=5, steps=0)])
    assert (alone["per_node"], alone["per_level"], alone["with_bonus"]) == (0.0, 0.0, 1.0)


def test_a_row_compares_with_plain_decoding():
    rows = [bench_text.Tree("chain", 3, 1, 3, "linear")]
    cells = next(bench_text.tree_rows(fake_text_pair(own_draft=True), rows, [b"\1"], tick_clock(), length=12))
    assert cells[:6] == ["chain 1×3", 3, "1.00", "1.00", "3.00", "4.00"]
    assert len(cells) == len(bench_text.HEADER)
    assert float(cells[-2]) > 1.0
    assert cells[-1] == "1 of 1"
    warm = next(bench_text.tree_rows(fake_text_pair(), rows, [b"\1"], tick_clock(), length=12, temperature=1.0))
    assert warm[-1] == "–"


def test_the_command_prints_its_tables(source, tmp_path, capsys):
    models = {"draft": new_model(1, vocabulary=256), "target": new_model(2, vocabulary=256)}
    for name, model in models.items():
        assert isinstance(model, DeltaNet)
        save_model(model.float(), tmp_path / name)
    folders = ["--draft-dir", str(tmp_path / "draft"), "--target-dir", str(tmp_path / "target")]
    small = ["--source", str(source.root), "--prompts", "1", "--prompt-length", "5", "--length", "6", "--nodes", "4"]
    bench_text.main([*folders, *small, "--repeats", "1"])
    printed = capsys.readouterr().out
    assert printed.count("### Temperature") == 3
    assert printed.count("| chain 1×4 |") == printed.count("| full 4×4 |") == 3
    assert "| 128 |" in printed


def test_a_missing_pair_is_one_sentence(tmp_path):
    with pytest.raises(SystemExit, match=r"nowhere is missing"):
        bench_text.main(["--draft-dir", str(tmp_path / "nowhere")])
