"""The bench: calls counted from traces, times from an injected clock, tables in markdown."""

from dataclasses import replace

import numpy as np
import pytest

import sdvar_core as sd
from sdvar_core import bench
from sdvar_core.speculative.reader import Reader
from tests.fakes import fake_pair, own_draft_pair, tick_clock
from tests.tiny import save_tiny_models


def test_every_exact_rule_races_with_its_own_baseline():
    entries = bench.contestants([1, 2])
    exact = [name for name, rule in sd.RULES.items() if rule.exact]
    assert entries[: len(exact)] == [bench.Contestant(rule, "fixed", 0) for rule in exact]
    carrying = [entry for entry in entries if entry.carry_over]
    assert {entry.rule for entry in carrying} == {"coupled", "greedy"}
    assert len(entries) == len(exact) * (1 + 2 * len(sd.DRAFT_LENGTHS)) + len(carrying)
    assert bench.contestants([0, 1]).count(bench.Contestant("token", "fixed", 0)) == 1


def test_race_counts_calls_and_time():
    pair = own_draft_pair()
    results = bench.race(pair, bench.contestants([1, 3]), 4, clock=tick_clock(), guidance=1.5)
    by_name = {result.contestant: result for result in results}
    alone = by_name[bench.Contestant("coupled", "fixed", 0)]
    assert alone.target_calls.tolist() == [4] * 4
    assert alone.draft_calls.tolist() == [0] * 4
    assert alone.speedup == 1.0
    assert alone.acceptance_rate == 0.0
    whole = by_name[bench.Contestant("coupled", "fixed", 3)]
    assert whole.target_calls.tolist() == [1] * 4
    assert whole.draft_calls.tolist() == [3] * 4
    assert whole.acceptance_rate == 1.0
    # A run ticks once at each end and twice a call: 9 ticks from start to end for 4 calls, with or without a draft.
    assert alone.seconds.tolist() == whole.seconds.tolist() == whole.baseline.tolist() == [9.0] * 4


def test_race_agrees_with_generate():
    pair = fake_pair()
    (result,) = (
        entry
        for entry in bench.race(pair, bench.contestants([2]), 5)
        if entry.contestant == bench.Contestant("token", "stepwise", 2)
    )
    traces = [sd.generate(pair, label=s % 3, seed=s, gamma=2, rule="token", draft_length="stepwise") for s in range(5)]
    assert result.target_calls.tolist() == [trace.target_calls for trace in traces]
    assert result.acceptance_rate == sum(t.kept for t in traces) / sum(t.judged for t in traces)


def test_speedup_is_the_median_of_pairs():
    result = bench.Result(
        bench.Contestant("token", "fixed", 1),
        target_calls=np.array([1, 1, 1]),
        draft_calls=np.array([1, 1, 1]),
        kept=3,
        judged=4,
        seconds=np.array([1.0, 2.0, 10.0]),
        baseline=np.array([2.0, 2.0, 5.0]),
    )
    assert result.speedup == 1.0
    row = bench.race_table([result, replace(result, contestant=bench.Contestant("token", "stepwise", 3))])
    assert "| token | 1 | 1.00 | 1.00 | 0.750 | 2000 | 1.00 |" in row
    assert "| token | stepwise from 3 |" in row
    assert bench.Contestant("coupled", "fixed", 4, carry_over=True).shown_gamma == "4, carry-over"


def test_median_leaves_the_first_run_out():
    now, spent = [0.0], iter([100.0, 1.0, 2.0, 9.0])

    def action():
        now[0] += next(spent)

    assert bench.median_seconds(action, 3, clock=lambda: now[0]) == 2.0


@pytest.mark.parametrize(("start", "calls", "forwards"), [(1, [4], 1), (1, [2, 3, 4], 3), (0, [1], 1)])
def test_reading_makes_the_calls_it_is_timed_for_and_rolls_back(start, calls, forwards):
    pair, request = fake_pair(), sd.Request(gamma=0)
    prefix = bench.prefix_of(pair, request)
    reader = Reader(pair, pair.target, request)
    if start:
        reader.read(prefix.inputs, start)
    before = pair.target.calls
    bench.reading(reader, prefix, start, calls)()
    assert pair.target.calls == before + forwards
    assert reader.cache.scales == start


def test_costs_cover_every_scale_and_every_window():
    pair, request = fake_pair(), sd.Request(gamma=0)
    prefix = bench.prefix_of(pair, request)
    assert len(bench.scale_seconds(pair, pair.draft, request, prefix, 1)) == 4
    windows = [(entry.start, entry.gamma) for entry in bench.verifications(pair, request, prefix, [1, 2], 1)]
    assert windows == [(0, 1), (0, 2), (1, 1), (1, 2), (2, 1)]


def test_verification_table_leaves_gaps_where_a_window_does_not_fit():
    entries = [bench.Verification(0, 1, 0.0011, 0.002), bench.Verification(0, 2, 0.2, 0.3)]
    text = bench.verification_table([*entries, bench.Verification(1, 1, 0.003, 0.004)], [1, 2])
    assert text.splitlines()[2:] == ["| 1 | 1.1 / 2.0 | 200 / 300 |", "| 2 | 3.0 / 4.0 |  |"]


def test_cost_table_ends_with_the_whole_picture():
    lines = bench.cost_table(fake_pair((1, 2)), [0.001, 0.003], [0.004, 0.012]).splitlines()
    assert lines[2] == "| 1 (1×1) | 1.0 | 4.0 | 4.0 |"
    assert lines[-1] == "| whole picture | 4.0 | 16.0 | 4.0 |"


def test_bench_command(tmp_path, capsys):
    bench.main([*save_tiny_models(tmp_path), "--pictures", "1", "--repeats", "1", "--gammas", "1", "2"])
    printed = capsys.readouterr().out
    for part in ("| coupled | 0 | 3.00 |", "| token | stepwise from 2 |", "| whole picture |", "Picture decoder"):
        assert part in printed


def test_bench_refuses_a_gamma_that_does_not_fit(tmp_path):
    with pytest.raises(SystemExit, match="gamma must be a whole number from 0 to 3"):
        bench.main([*save_tiny_models(tmp_path), "--pictures", "1", "--gammas", "9"])
