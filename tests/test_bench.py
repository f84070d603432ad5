"""The bench: calls counted from traces, times from an injected clock, tables in markdown."""

import json

import numpy as np
import pytest

import sdvar_core as sd
from sdvar_core import bench
from sdvar_core.measure import memory, precision, replay, tables, timing
from sdvar_core.measure.passes import passes
from sdvar_core.measure.race import Contestant
from sdvar_core.measure.work import Work, work
from sdvar_core.models.var import VARConfig
from sdvar_core.speculative.reader import Reader
from tests.fakes import fake_pair, tick_clock
from tests.tiny import save_tiny_models, tiny_pair


def test_median_leaves_the_first_round_out_and_actions_take_turns():
    now, order = [0.0], []

    def taking(name, *seconds):
        left = iter(seconds)

        def action():
            order.append(name)
            now[0] += next(left)

        return action

    actions = [taking("a", 100.0, 1.0, 2.0, 9.0), taking("b", 0.0, 4.0, 4.0, 5.0)]
    assert timing.median_seconds(actions, 3, clock=lambda: now[0]) == [2.0, 4.0]
    assert order == ["a", "b"] * 4


@pytest.mark.parametrize(("start", "calls", "forwards"), [(1, [4], 1), (1, [2, 3, 4], 3), (0, [1], 1)])
def test_reading_makes_the_calls_it_is_timed_for_and_rolls_back(start, calls, forwards):
    pair, request = fake_pair(), sd.Request(gamma=0)
    prefix = timing.prefix_of(pair, request)
    reader = Reader(pair, pair.target, request)
    if start:
        reader.read(prefix.inputs, start)
    before = pair.target.calls
    timing.reading(reader, prefix, start, calls)()
    assert pair.target.calls == before + forwards
    assert reader.cache.scales == start


def test_costs_cover_every_scale_and_every_window():
    pair, request = fake_pair(), sd.Request(gamma=0)
    prefix = timing.prefix_of(pair, request)
    assert [len(spent) for spent in timing.scale_seconds(pair, request, prefix, 1)] == [4, 4]
    windows = [(entry.start, entry.gamma) for entry in timing.verifications(pair, request, prefix, [1, 2], 1)]
    assert windows == [(0, 1), (0, 2), (1, 1), (1, 2), (2, 1)]


def test_verification_table_leaves_gaps_where_a_window_does_not_fit():
    entries = [timing.Verification(0, 1, 0.0011, 0.002), timing.Verification(0, 2, 0.2, 0.3)]
    text = tables.verification_table([*entries, timing.Verification(1, 1, 0.003, 0.004)], [1, 2])
    assert text.splitlines()[2:] == ["| 1 | 1.1 / 2.0 | 200 / 300 |", "| 2 | 3.0 / 4.0 |  |"]


def test_cost_table_ends_with_the_whole_picture():
    lines = tables.cost_table(fake_pair((1, 2)), [0.001, 0.003], [0.004, 0.012]).splitlines()
    assert lines[2] == "| 1 (1×1) | 1.0 | 4.0 | 4.0 |"
    assert lines[-1] == "| whole picture | 4.0 | 16.0 | 4.0 |"


def test_bench_command(tmp_path, capsys):
    bench.main([*save_tiny_models(tmp_path), "--pictures", "1", "--repeats", "1", "--gammas", "1", "2"])
    printed = capsys.readouterr().out
    for part in ("| coupled | 0 | 3.00 |", "| token | stepwise from 2 |", "| whole picture |", "Picture decoder"):
        assert part in printed


@pytest.mark.parametrize(("section", "rows"), [("rules", 11 * 4), ("calls", 6 + 8 + 1)])
def test_bench_of_fidelity(tmp_path, capsys, section, rows):
    figures = tmp_path / "kept.json"
    bench.main([*save_tiny_models(tmp_path), f"--{section}", "--pictures", "1", "--json", str(figures)])
    printed = capsys.readouterr().out
    assert "### Calls and time by exact rule" not in printed
    lines = [line for line in printed.splitlines() if line.startswith("| ")]
    assert len(lines) == 2 + rows
    kept = json.loads(figures.read_text())[section]
    assert len(kept) == rows
    assert {entry["exact"] for entry in kept} == {True, False}


def test_windows_are_even_and_settle_every_scale():
    assert replay.windows_of(10, 4) == (3, 3, 2, 2)
    for calls in range(1, 11):
        assert sum(replay.windows_of(10, calls)) == 10


def test_every_pass_is_a_call_less(capsys, tmp_path):
    pair, entry = fake_pair(), Contestant("scale", gamma=3, carry_over="refreshed")
    found = passes(pair, entry, 6, guidance=1.5)
    traces = [
        sd.generate(pair, label=seed % 3, seed=seed, gamma=3, rule="scale", carry_over="refreshed") for seed in range(6)
    ]
    assert sum(scale.passed for scale in found) == sum(4 - trace.target_calls for trace in traces)
    first = [trace.of(sd.Judged)[0] for trace in traces]
    assert found[0].judged == 6
    assert found[0].acceptance == pytest.approx(np.mean([1.0 - event.total_variation.mean() for event in first]))
    assert np.isnan(found[3].log_ratio)
    bench.main([*save_tiny_models(tmp_path), "--passes", "--pictures", "2"])
    printed = capsys.readouterr().out
    assert "| 1 (1×1) |" in printed
    assert "off: passed of judged | off: 1−TV | off: log Q/P | stale" in printed


@pytest.mark.parametrize("calls", [2, 3, 4])
def test_a_replay_makes_the_calls_it_is_told(calls):
    pair = fake_pair((1, 2, 3, 4, 5, 6))
    trace, seconds = replay.replay(pair, sd.Request(gamma=0), replay.windows_of(6, calls), tick_clock())
    assert trace.finished
    assert trace.target_calls == calls == trace.check().target_calls
    assert trace.draft_calls == 6 - calls
    assert trace.kept == trace.judged > 0
    assert seconds == 1 + 2 * 6
    (entry,) = replay.replays(pair, sd.Request(gamma=0), [calls], 2, tick_clock())
    assert entry.speedup == entry.baseline / entry.seconds == 1.0


def test_memory_is_counted_and_measured():
    pair = tiny_pair()
    found = memory.memory(pair, sd.Request(gamma=2))
    assert found.target_weights > found.draft_weights > 0
    cache = sum(tensor.nbytes for tensor in (*pair.draft.new_cache(2).keys, *pair.draft.new_cache(2).values))
    assert cache == pair.draft.new_cache(2).nbytes
    assert found.draft_state == cache + 2 * (1 + 6 + 2) * 8 * 4  # conditioning of one block of width 8
    assert found.speculating_peak > found.alone_peak >= found.target_state
    assert 0 < found.counted_share < 1


def test_packed_weights_are_counted_once():
    model = tiny_pair().target
    plain = memory.weight_bytes(model)
    prepared = memory.weight_bytes(tiny_pair().target.prepare())
    assert prepared - plain == (21 * 8 + 2 * (3 * 8 + 2)) * 4  # places, biases and multipliers
    assert 0.9 * plain < memory.weight_bytes(tiny_pair().target.prepare(packed=True)) < 1.3 * prepared


def test_arithmetic_flips_nothing_in_float32_and_little_in_bfloat16():
    rows = precision.flips(tiny_pair(), sd.Request(), 3, [1, 2], ["float32", "bfloat16"])
    assert [(row.precision, row.window) for row in rows] == [
        ("float32", 1), ("float32", 2), ("bfloat16", 1), ("bfloat16", 2)
    ]  # fmt: skip
    assert rows[0].share == rows[0].largest_change == 0.0
    assert rows[1].share == 0.0
    assert all(0.0 <= row.share < 0.1 < 1e6 * row.largest_change for row in rows[2:])


def test_work_is_counted_from_the_configuration():
    config = VARConfig(depth=3, width=8, heads=2, classes=10, codes=5, latent_channels=3, sides=(1, 2))
    matrices, head = 3 * (4 * 64 + 2 * 8 * 32), 8 * 5
    first, second = work(config, 0, 1, 2, 4), work(config, 1, 1, 2, 4)
    assert first.operations == 2 * (2 * (matrices + head) + 4 * 3 * 8)
    assert first.bytes == 4 * (matrices + head)
    assert second.operations == 2 * (2 * 4 * (matrices + head) + 4 * 3 * 8 * 4 * 5)
    assert second.bytes == first.bytes + 2 * 3 * 2 * 8 * 4
    assert work(config, 0, 2, 2, 4).operations == first.operations + second.operations
    assert Work(2 * 10**12, 10**9).rates(2.0) == (1.0, 0.5)


def test_everything_measured_is_written_as_json(tmp_path, capsys):
    found = tmp_path / "costs.json"
    arguments = ["--pictures", "1", "--repeats", "1", "--gammas", "1", "--batch", "2", "--json", str(found)]
    bench.main([*save_tiny_models(tmp_path), *arguments])
    values = json.loads(found.read_text())
    assert (values["device"], values["precision"], values["sides"]) == ("cpu", "float32", [1, 2, 4])
    assert len(values["draft_seconds"]) == len(values["target_seconds"]) == 3
    assert {(entry["start"], entry["gamma"]) for entry in values["verification"]} == {(0, 1), (1, 1)}
    assert [entry["calls"] for entry in values["replay"]] == [2]
    assert values["memory"]["draft_state"] > 0
    costs = timing.costs_from(found)
    assert list(costs.draft) == values["draft_seconds"]
    assert costs.of_target(1, 2) == pytest.approx(values["target_seconds"][1])
    trace = sd.generate(tiny_pair(), gamma=2, draft_length="cost_model")
    assert trace.finished
    assert list(sd.decode(tiny_pair(), sd.Request(gamma=2, draft_length="cost_model"), costs=costs))
    assert len(values["flips"]) == 4
    printed = capsys.readouterr().out
    for part in (
        "Call-count replay",
        "| the same, measured |",
        "| bfloat16 | 2 scales a call |",
        "2 pictures at a time",
    ):
        assert part in printed


def test_costs_come_from_what_merging_saves():
    entries = [timing.Verification(0, 1, merged=5.0, separate=6.0), timing.Verification(0, 2, merged=7.0, separate=9.0)]
    costs = timing.costs_of([1.0, 1.0], [3.0, 4.0], entries)
    assert (costs.target_call, costs.target) == (1.0, (2.0, 3.0))
    assert costs.of_target(0, 2) == 6.0
    assert timing.costs_of([1.0], [3.0], []).target_call == 0.0


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"costs": 3}', '{"costs": {"draft": [1]}}'])
def test_a_file_without_costs_is_refused(tmp_path, content):
    (tmp_path / "costs.json").write_text(content)
    with pytest.raises(sd.SDVARError, match=r"costs\.json holds no costs"):
        timing.costs_from(tmp_path / "costs.json")


def test_only_the_sections_asked_for_are_measured(tmp_path, capsys):
    bench.main([*save_tiny_models(tmp_path), "--repeats", "1", "--only", "replay"])
    assert capsys.readouterr().out.startswith("### Call-count replay")


def test_bench_refuses_a_gamma_that_does_not_fit(tmp_path):
    with pytest.raises(SystemExit, match="gamma must be a whole number from 0 to 3"):
        bench.main([*save_tiny_models(tmp_path), "--pictures", "1", "--gammas", "9"])
