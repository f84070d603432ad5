"""Text traces as files: lossless, and every way a file can be wrong gives one clear sentence."""

import json

import pytest

import sdvar_core as sd
from sdvar_core.text_trace_file import dumps, loads
from tests.fakes import fake_text_pair


def new_run(**settings) -> sd.TextTrace:
    return sd.generate_text(fake_text_pair(200), **({"prompt": "a", "length": 15, "temperature": 1.0} | settings))


@pytest.mark.parametrize(
    "settings",
    [{}, {"children": "sampled"}, {"prompt": b"\xc3\x80"}, {"prompt": ""}, {"steps": 0}, {"nodes": 3, "seed": 2**62}],
)
def test_a_trace_survives_its_file(settings, tmp_path):
    run = new_run(**settings)
    run.save(tmp_path / "run.json")
    again = sd.TextTrace.load(tmp_path / "run.json")
    assert again.same_run(run)
    assert again.request == run.request
    assert (again.text, again.written, again.target_seconds) == (run.text, run.written, run.target_seconds)
    assert dumps(again) == dumps(run)
    json.loads(dumps(run), parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


def record_of(run: sd.TextTrace) -> dict:
    return json.loads(dumps(run))


def put(*path, value):
    def change(record):
        for step in path[:-1]:
            record = record[step]
        record[path[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (put("format", value="sdvar-trace"), "not a text trace of SDVAR"),
        (put("version", value=9), "trace version 9, this program reads version 1"),
        (put("request", "topk", value=0), "settings that cannot be: topk"),
        (put("request", "colour", value=0), "is damaged"),
        (put("request", "prompt", value=[300]), "is damaged"),
        (put("pair", value=3), "is damaged"),
        (put("events", 0, "kind", value="painted"), "is damaged"),
        (put("events", 0, "tokens", value=["i", 1.5]), "is damaged"),
        (put("events", 0, "tokens", value=["x", 1]), "is damaged"),
        (put("events", 0, "tokens", value=["i", 2**40]), "is damaged"),
        (put("events", 1, "round", value=True), "is damaged"),
        (put("events", 1, "seconds", value="1.5"), "is damaged"),
        (put("events", 1, "seconds", value=float("nan")), "malformed"),
        (put("events", 1, "tokens", 2, value=999), "no byte"),
        (put("events", 1, "parents", value=["i", -1, 5]), "In event 2"),
        (put("events", 0, "tokens", value=["i", 99]), "another prompt is read"),
        (lambda record: record["events"].pop(2), "In event 3"),
        (lambda record: record.pop("events"), "is damaged"),
    ],
)
def test_files_that_are_wrong(change, sentence):
    record = record_of(new_run())
    change(record)
    with pytest.raises(sd.TraceError, match=sentence) as caught:
        loads(json.dumps(record))
    assert "\n" not in str(caught.value)


def test_files_that_are_no_traces(tmp_path):
    with pytest.raises(sd.TraceError, match="Cannot read"):
        sd.TextTrace.load(tmp_path / "nothing.json")
    (tmp_path / "torn.json").write_text(dumps(new_run())[:500])
    with pytest.raises(sd.TraceError, match="breaks off"):
        sd.TextTrace.load(tmp_path / "torn.json")
    (tmp_path / "bytes.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(sd.TraceError, match="not text"):
        sd.TextTrace.load(tmp_path / "bytes.json")
