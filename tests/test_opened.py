"""Trace files from anybody: shown as runs, or refused in one sentence; and nothing that is shown is lost."""

import json
from dataclasses import replace

import numpy as np
import pytest

import sdvar_core as sd
from app.exports import EXPORTS
from app.opened import OpenedRun, read_trace_file
from app.session import Visits, new_visit
from app.uploads import LARGEST_UPLOAD
from tests.fakes import fake_pair

SETTINGS = {"label": "paper", "seed": 5, "gamma": 2, "rule": "coupled"}
HOSTILE = "<img src=x onerror=alert(1)>{{7*7}}${alert(1)}"


@pytest.fixture(scope="module")
def trace():
    return sd.generate(fake_pair(), **SETTINGS)


@pytest.fixture
def visits():
    return Visits(fake_pair)


@pytest.fixture
def saved(tmp_path, trace):
    path = tmp_path / "run.json"
    trace.save(path)
    return path


class NoModel:
    def __getattr__(self, name):
        raise AssertionError("a model was called")


def changed(path, change):
    record = json.loads(path.read_text())
    change(record)
    path.write_text(json.dumps(record))
    return path


def without_time(frames):
    return [{name: frame[name] for name in frame if name not in ("milliseconds", "counters")} for frame in frames]


def test_an_opened_trace_shows_the_frames_of_the_run_and_calls_no_model(saved, trace):
    pair = replace(fake_pair(), draft=NoModel(), target=NoModel())
    payload, visit = Visits(lambda: pair).open(new_visit(), saved)
    live = Visits(fake_pair)
    frames = []
    for value, _ in live.generate(new_visit(), SETTINGS):
        frames += value["frames"]
    assert without_time(payload["frames"]) == without_time(frames)
    assert payload["finished"]
    assert payload["header"]["opened"]
    assert payload["header"]["label"] == "paper"
    assert payload["frames"][-1]["counters"]["target_ms"] == pytest.approx(1000 * trace.target_seconds)
    assert visit.count == payload["count"] == len(trace.events)
    json.dumps(payload, allow_nan=False)


def test_part_of_a_run_opens_and_cannot_go_on(visits, saved, trace):
    replace(trace, events=trace.events[:4], pictures=None).save(saved)
    payload, visit = visits.open(new_visit(), saved)
    assert (payload["count"], payload["finished"]) == (4, False)
    ((refused, _),) = visits.forward(visit)
    assert "press Generate" in refused["notice"]
    assert refused["keep"]
    (stepped, after), *_ = visits.step(visit, SETTINGS)
    assert (stepped["first"], stepped["count"]) == (0, 1)
    assert after.name != visit.name


def test_an_opened_run_is_not_compared_and_can_be_shared_and_forgotten(visits, saved, trace):
    _, visit = visits.open(new_visit(), saved)
    assert list(visits.compare(visit)) == []
    assert visits.shown(visit).trace.same_run(trace)
    assert visits.frames(visit.name, 0, 3)["frames"]
    visits.reset(visit)
    assert "notice" in visits.frames(visit.name, 0, 3)


def test_a_trace_of_another_pair_is_shown_with_its_last_picture_only(visits, tmp_path):
    other = sd.generate(fake_pair((1, 3, 5), codes=7), label=1, gamma=1)
    other.save(tmp_path / "other.json")
    payload, _ = visits.open(new_visit(), tmp_path / "other.json")
    assert payload["header"]["sides"] == [1, 3, 5]
    assert payload["header"]["label"] == "1"
    assert sum("picture" in frame for frame in payload["frames"]) == 1
    replace(other, pictures=None).save(tmp_path / "other.json")
    payload, _ = visits.open(new_visit(), tmp_path / "other.json")
    assert not any("picture" in frame for frame in payload["frames"])


def test_opening_replaces_a_run_that_is_streaming(visits, saved):
    values = visits.generate(new_visit(), SETTINGS)
    _, visit = next(values)
    payload, after = visits.open(visit, saved)
    assert list(values) == []
    assert after.run == visit.run + 1
    assert visits.shown(after).header["run"] == payload["header"]["run"]


def test_a_run_with_a_fault_opens_and_tells_what_was_violated(visits, tmp_path):
    trace = sd.generate(fake_pair(), seed=3, gamma=1, rule="token", fault="forced acceptance at γ=1", watch="all")
    violations = trace.of(sd.Violation)
    assert violations
    trace.save(tmp_path / "run.json")
    payload, visit = visits.open(new_visit(), tmp_path / "run.json")
    told = [frame["sentence"] for frame in payload["frames"] if frame["kind"] == "violation"]
    sentences = [f"The invariant “{one.invariant}” does not hold. {one.sentence}" for one in violations]
    assert told == sentences
    for kind, export in EXPORTS.items():
        export.write(visits.shown(visit), tmp_path / kind)


def test_hostile_names_stay_as_they_are(visits, saved):
    def change(record):
        record["pair"] = HOSTILE
        record["request"].update(label=HOSTILE, rule=HOSTILE)

    payload, _ = visits.open(new_visit(), changed(saved, change))
    assert payload["header"]["label"] == payload["header"]["pair"] == HOSTILE
    assert payload["header"]["settings"]["rule"] == HOSTILE
    assert not payload["header"]["exact"]


REFUSED = [
    (lambda r: r.update(format="other"), "not a trace file of SDVAR"),
    (lambda r: r.update(version=99), "trace version 99"),
    (lambda r: r.update(version="9" * 10**5), "trace version of another kind"),
    (lambda r: r.update(pair="x" * 10**5), "letters is larger"),
    (lambda r: r.update(codes=10**6), "the codebook of this run is larger"),
    (lambda r: r.update(events=[]), "no event"),
    (lambda r: r["request"].update(label=HOSTILE * 10), "letters is larger"),
    (lambda r: r["request"].update(gamma=10**300), "A number of the trace"),
    (lambda r: r["request"].update(label=10**300), "A number of the trace"),
    (lambda r: r["request"].update(phases=[{"until": 10**300, "do": "draft"}]), "A number of the trace"),
    (lambda r: r["request"].update(options=[["k", "<b>"]]), "option k is not a number"),
    (lambda r: r["request"].update(options=[["k", 1e999]]), "option k is not a number"),
    (lambda r: r["request"].update(seed="<b>" * 10**4), "settings that cannot be"),
    (lambda r: r["events"][0].update(seconds="9" * 400), "inf seconds cannot be"),
    (lambda r: r["events"].pop(1), "In event"),
]


@pytest.mark.parametrize(("change", "words"), REFUSED)
def test_wrong_files_are_one_sentence_and_nothing_is_lost(visits, saved, change, words):
    _, visit = next(visits.step(new_visit(), SETTINGS))
    payload, after = visits.open(visit, changed(saved, change))
    assert words in payload["notice"]
    assert "\n" not in payload["notice"]
    assert len(payload["notice"]) <= 240
    assert payload["keep"]
    assert after == visit
    (going_on, _), *_ = visits.step(visit, SETTINGS)
    assert going_on["count"] == 2


@pytest.mark.parametrize(
    "content", [b"", b"\x89PNG\r\n", b"{", b"[]", b"null", b'{"format":"sdvar-trace","version":' + b"9" * 10**4]
)
def test_what_is_no_trace_at_all_is_refused(visits, tmp_path, content):
    path = tmp_path / "some.json"
    path.write_bytes(content)
    payload, _ = visits.open(new_visit(), path)
    assert payload["notice"]
    assert payload["keep"]


def test_truncated_missing_and_huge_files_are_refused(saved, tmp_path):
    text = saved.read_text()
    for length in np.linspace(0, len(text) - 1, 12).astype(int):
        saved.write_text(text[:length])
        with pytest.raises(sd.TraceError):
            read_trace_file(saved)
    with pytest.raises(sd.TraceError, match="cannot be read"):
        read_trace_file(tmp_path / "none.json")
    with saved.open("wb") as file:
        file.truncate(LARGEST_UPLOAD + 1)
    with pytest.raises(sd.TraceError, match="larger than 16 MiB"):
        read_trace_file(saved)


def test_a_large_but_true_run_is_opened(tmp_path):
    pair = fake_pair((1, 2, 3, 4, 5, 6, 8, 10, 13, 16), codes=8)
    sd.generate(pair, label=0, gamma=9).save(tmp_path / "run.json")
    run = OpenedRun("a.1", pair, read_trace_file(tmp_path / "run.json"))
    assert run.finished
    assert len(json.dumps(run.frames)) < 1_000_000
