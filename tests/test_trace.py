"""Traces: saved without loss, and every damaged, foreign or lying file refused with one sentence."""

import base64
import json
import zlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sdvar_core as sd
from sdvar_core.trace_file import dumps, loads
from tests.fakes import fake_pair


@pytest.fixture(scope="module")
def trace() -> sd.Trace:
    return sd.generate(fake_pair(), label=["rock", 2], seed=3, gamma=2, rule="token")


@given(st.integers(0, 10**9), st.integers(0, 4), st.sampled_from(list(sd.RULES)))
@settings(max_examples=30, deadline=None)
def test_save_and_load_lose_nothing(seed, gamma, rule):
    original = sd.generate(fake_pair(), seed=seed, gamma=gamma, rule=rule)
    copy = loads(dumps(original))
    assert copy.same_run(original)
    assert copy.request == original.request
    assert [event.seconds for event in copy.of(sd.TargetCall)] == [e.seconds for e in original.of(sd.TargetCall)]
    assert np.array_equal(copy.pictures, original.pictures)
    assert dumps(copy) == dumps(original)


def test_save_and_load_by_path(trace, tmp_path):
    trace.save(tmp_path / "run.json")
    assert sd.Trace.load(tmp_path / "run.json").same_run(trace)
    with pytest.raises(sd.TraceError, match=r"Cannot read absent\.json"):
        sd.Trace.load(tmp_path / "absent.json")
    (tmp_path / "bytes.json").write_bytes(b"\x80\x04\x95\xff")
    with pytest.raises(sd.TraceError, match="is not text"):
        sd.Trace.load(tmp_path / "bytes.json")


def test_every_truncation_is_refused(trace):
    text = dumps(trace)
    for length in np.linspace(0, len(text) - 1, 40, dtype=int):
        with pytest.raises(sd.TraceError):
            loads(text[:length])


def bomb() -> dict:
    packed = zlib.compress(b"\0" * 10**7)
    return {"dtype": "int32", "shape": [2, 1], "zlib": base64.b64encode(packed).decode()}


def damaged(trace: sd.Trace, change) -> str:
    record = json.loads(dumps(trace))
    change(record)
    return json.dumps(record)


def huge_array() -> dict:
    return {"dtype": "uint8", "shape": [60 * 2**20], "zlib": ""}


def first(record: dict, kind: str) -> dict:
    return next(event for event in record["events"] if event["kind"] == kind)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda r: r.update(format="other"), "not a trace file of SDVAR"),
        (lambda r: r.update(version=2), "trace version 2"),
        (lambda r: r.update(version="<b>" * 10**4), "trace version of another kind"),
        (lambda r: first(r, "target_call").update(seconds=float("nan")), "seconds cannot be"),
        (lambda r: first(r, "target_call").update(seconds=-1.0), "seconds cannot be"),
        (lambda r: first(r, "drafted").update(seconds="1e999"), "seconds cannot be"),
        (lambda r: r.update(sides=list(range(1, 10**5))), "longer than any"),
        (lambda r: r.update(events=[{"kind": "x", "tokens": huge_array()}] * 3), "MiB together"),
        (lambda r: r["request"].update(gamma=-3), "settings that cannot be"),
        (lambda r: r["request"].update(unknown=1), "damaged"),
        (lambda r: r.update(sides=[1, 1]), "settings that cannot be"),
        (lambda r: r.update(sides=[1, 10**9]), "larger than any"),
        (lambda r: r.update(codes=2), "outside the codebook"),
        (lambda r: r.update(codes="many"), "damaged"),
        (lambda r: r.pop("events"), "damaged"),
        (lambda r: r["events"].pop(1), "are read after"),
        (lambda r: r["events"].append({"kind": "exec"}), "damaged"),
        (lambda r: first(r, "drafted").update(tokens=bomb()), "holds"),
        (lambda r: first(r, "drafted")["tokens"].update(shape=[10**6, 10**6]), "larger than any"),
        (lambda r: first(r, "drafted")["tokens"].update(dtype="object"), "damaged"),
        (lambda r: first(r, "drafted")["tokens"].update(zlib="!!"), "damaged"),
        (lambda r: first(r, "round_end").update(target_cache=[1, 3]), "a cache goes from"),
        (lambda r: first(r, "round_end").update(draft_cache=[10**300, 0]), "a cache goes from"),
        (lambda r: first(r, "target_call").update(start=2), "are read after"),
        (lambda r: first(r, "target_call").update(round=10**300), "the round is not 1"),
        (lambda r: first(r, "drafted").update(read_from=-(10**300)), "the draft reads from"),
        (lambda r: first(r, "round_end").update(committed=4), "scales are final after"),
        (lambda r: r.update(pictures={"dtype": "uint8", "shape": [1], "zlib": "eJxjAAAAAQAB"}), "damaged"),
    ],
)
def test_damaged_files_get_one_sentence(trace, change, sentence):
    with pytest.raises(sd.TraceError) as caught:
        loads(damaged(trace, change))
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_number_of_thousands_of_digits_is_refused():
    with pytest.raises(sd.TraceError, match="malformed"):
        loads('{"format": "sdvar-trace", "version": 1, "codes": ' + "9" * 10**4 + "}")


def test_a_kept_token_must_be_the_drafted_one(trace):
    events = list(trace.events)
    index = next(i for i, event in enumerate(events) if isinstance(event, sd.Judged) and event.kept.any())
    lying = np.where(events[index].kept, (events[index].tokens + 1) % trace.codes, events[index].tokens)
    events[index] = replace(events[index], tokens=lying.astype(np.int32))
    with pytest.raises(sd.TraceError, match="a kept token is not the drafted one"):
        replace(trace, events=tuple(events)).check()


def test_unfinished_traces_count_what_happened(trace):
    for length in range(len(trace.events) + 1):
        part = replace(trace, events=trace.events[:length], pictures=None).check()
        assert part.finished == (length == len(trace.events))
        assert part.target_calls == sum(isinstance(event, sd.TargetCall) for event in part.events)
        assert len(part.tokens) == part.committed
        assert loads(dumps(part)).same_run(part)


def test_violations_are_saved_and_read(tmp_path):
    trace = sd.generate(fake_pair(), seed=3, gamma=1, rule="token", fault="forced acceptance at γ=1", watch="all")
    assert trace.violations
    copy = loads(dumps(trace))
    assert copy.same_run(trace)
    assert [violation.sentence for violation in copy.violations] == [entry.sentence for entry in trace.violations]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda entry: entry.update(sentence=3), "damaged"),
        (lambda entry: entry.update(sentence=""), "has no name"),
        (lambda entry: entry.update(invariant="x" * 2000), "has no name"),
        (lambda entry: entry.update(round=0), "has no name"),
        (lambda entry: entry.pop("invariant"), "damaged"),
    ],
)
def test_damaged_violations_get_one_sentence(change, sentence):
    trace = sd.generate(fake_pair(), seed=3, gamma=1, rule="token", fault="forced acceptance at γ=1", watch="all")
    with pytest.raises(sd.TraceError, match=sentence):
        loads(damaged(trace, lambda record: change(first(record, "violation"))))
