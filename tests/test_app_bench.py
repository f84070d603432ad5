"""The bench of the page: every event is a step, and models, decoder and the rest make up its time."""

import pytest

from app import bench
from app.session import Visits
from sdvar_core import Request, SDVARError, decode
from tests.tiny import save_tiny_models, tiny_pair

SETTINGS = {"label": 3, "seed": 5, "gamma": 1, "rule": "token"}


def test_there_is_a_step_for_every_event():
    pair = tiny_pair()
    events = list(decode(pair, Request(**SETTINGS)))
    entries = list(bench.steps(pair, SETTINGS))
    kinds = {"Drafted": "drafted", "TargetCall": "target_call", "Judged": "judged", "Bonus": "bonus"}
    assert [entry.kind for entry in entries] == [kinds.get(type(event).__name__, "round_end") for event in events]
    for entry in entries:
        assert (entry.models > 0) == (entry.kind in ("drafted", "target_call"))
        assert (entry.decoder > 0) == (entry.kind in ("drafted", "judged", "bonus"))
        assert entry.server > 0
        assert 0 < entry.frame_bytes < entry.value_bytes


def test_server_time_is_what_the_models_did_not_take():
    """With a clock that gives each step ten seconds, the rest is ten less what the models and the decoder took."""
    ticks = iter(range(0, 10_000, 10))
    for entry in bench.steps(tiny_pair(), SETTINGS, clock=lambda: float(next(ticks))):
        assert entry.server + entry.models + entry.decoder == pytest.approx(10.0)


def test_a_whole_run_ends_with_the_picture():
    ticks = iter(range(100))
    whole = bench.whole_run(tiny_pair(), SETTINGS, clock=lambda: float(next(ticks)))
    assert 0 < whole.first < whole.last


def test_settings_that_the_page_refuses_are_refused_here(monkeypatch):
    with pytest.raises(SDVARError, match="gamma must be a whole number"):
        list(bench.steps(tiny_pair(), SETTINGS | {"gamma": 9}))
    monkeypatch.setattr(Visits, "generate", lambda self, visit, settings: iter([({"notice": "No."}, visit)]))
    with pytest.raises(SDVARError, match="No"):
        bench.whole_run(tiny_pair(), SETTINGS)


def test_json_bytes_count_letters_as_they_are_sent():
    assert bench.json_bytes({"a": [1, 2], "γ": "é"}) == len('{"a":[1,2],"γ":"é"}'.encode())


def test_table_has_a_row_for_each_kind_and_one_for_all():
    entries = [bench.Step("bonus", 0.0, 0.002, 0.001, 100, 900), bench.Step("bonus", 0.0, 0.004, 0.003, 300, 1100)]
    lines = bench.step_table([*entries, bench.Step("round_end", 0.0, 0.0, 0.005, 200, 500)]).splitlines()
    assert lines[2] == "| bonus | 2 | 0.0 | 3.0 | 2.0 | 3.0 | 0.2 | 0.3 | 1.1 |"
    assert lines[-1].startswith("| **all** | 3 |")


def test_the_command_prints_its_table(tmp_path, capsys):
    bench.main([*save_tiny_models(tmp_path), "--pictures", "1", "--gamma", "1"])
    printed = capsys.readouterr().out
    assert "| drafted |" in printed
    assert "Generate: first value after" in printed
