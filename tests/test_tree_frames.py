"""Frames of text runs: what a browser gets is what the events say; counters are the trace's; sentences are plain."""

import base64
import json

import numpy as np
import pytest
import torch

import sdvar_core as sd
from app.tree.choices import LONGEST_PROMPT, LONGEST_TEXT, asked_text
from app.tree.frames import VERSION, first_difference
from app.tree.heard import norms_of
from app.tree.narration import byte_name
from app.tree.opened import OpenedText
from app.tree.run import TextRun
from tests.fakes import fake_text_pair
from tests.tiny import tiny_text_pair

SETTINGS = {"prompt": "def é(", "length": 40, "topk": 3, "steps": 3, "nodes": 14, "temperature": 1.0, "seed": 5}
DTYPES = {"tokens": "u1", "likeliest": "u1", "parents": "<i2", "path": "<i2", "scores": "<f4", "entropy": "<f4",
          "probability": "<f4"}  # fmt: skip
PROPERTIES = ("target_calls", "draft_calls", "drafted", "accepted", "judged", "levels", "bonus", "call_reduction",
              "acceptance_rate", "mean_accepted_length", "mean_length_with_bonus")  # fmt: skip


def run_of(pair=None, fault=None, **settings) -> TextRun:
    run = TextRun("handle.1", pair or tiny_text_pair(), sd.TextRequest(**(SETTINGS | settings)), fault)
    while not run.finished:
        run.advance()
    return run


@pytest.fixture(scope="module")
def run() -> TextRun:
    return run_of()


def array(frame: dict, name: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(frame[name]), DTYPES.get(name, "<f4"))


def test_listening_changes_nothing(run):
    assert run.trace().check().same_run(sd.generate_text(tiny_text_pair(), sd.TextRequest(**SETTINGS)))


def test_arrays_are_those_of_the_events(run):
    for event, frame in zip(run.events, run.frames, strict=True):
        assert sd.text_events.TEXT_EVENT_KINDS[frame["kind"]] is type(event)
        for name in DTYPES:
            value = getattr(event, name, None)
            if isinstance(value, np.ndarray):
                assert np.array_equal(array(frame, name), value, equal_nan=value.dtype.kind == "f"), (
                    frame["kind"],
                    name,
                )
        assert len(json.dumps(frame, allow_nan=False)) < 8_000


def test_counters_are_the_properties_of_the_trace_so_far(run):
    for index, frame in enumerate(run.frames):
        part = sd.text_trace_of(run.pair, run.request, run.events[: index + 1])
        assert {name: frame["counters"][name] for name in PROPERTIES} == {
            name: getattr(part, name) for name in PROPERTIES
        }
        assert frame["counters"]["written"] == len(part.written)
        assert frame["counters"]["target_ms"] == pytest.approx(1000 * part.target_seconds)


def test_the_header_says_what_the_page_needs(run):
    header = run.header
    assert (header["version"], header["window"], header["baseline_calls"]) == (VERSION, 4, 40)
    assert base64.b64decode(header["prompt"]) == "def é(".encode()
    assert header["label"] == "def é("
    assert header["exact"]
    assert run_of(nodes=None, steps=1, length=2).header["settings"]["nodes"] == 0
    faulty = run_of(fault="bonus counted twice", length=4).header
    assert not faulty["exact"]
    assert faulty["fault"]["name"] == faulty["settings"]["fault"] == "bonus counted twice"


@pytest.mark.parametrize("settings", [{}, {"temperature": 0.0}, {"children": "sampled"}, {"verification": "nodes"}])
def test_the_likeliest_bytes_are_exact(settings):
    run = run_of(**settings)
    drafted = {event.round: event for event in run.trace().of(sd.TreeDrafted)}
    checked = 0
    for index, event in enumerate(run.events):
        if not isinstance(event, sd.TreeCall):
            continue
        tree = drafted[event.round]
        for node in range(1, len(tree.tokens)):
            row = next(row for row in run.token(index, node) if row["code"] == tree.tokens[node])
            assert row["p"] == pytest.approx(float(event.probability[node]), abs=1e-6)
            assert row["q"] == pytest.approx(float(tree.probability[node]), abs=1e-6)
            checked += 1
        likeliest = run.token(index, 0)[0]
        assert likeliest["code"] == event.likeliest[0]
        assert run.token(index, len(tree.tokens)) is None
    assert checked > 20
    assert run.token(0, 0) is None


def test_norms_are_those_of_the_true_states(run):
    target, text = run.pair.target, list(run.request.prompt_bytes)
    for event, frame in zip(run.events, run.frames):
        if isinstance(event, sd.TreeCommit):
            text += event.tokens.tolist()
            with torch.inference_mode():
                _, state = target(torch.tensor([text[:-1]]))
            assert array(frame, "norms") == pytest.approx(norms_of(state), rel=1e-4)
    call = next(frame for frame in run.frames if frame["kind"] == "tree_call")
    assert array(call, "norms").size == 2 * array(call, "probability").size


def test_a_state_that_was_not_rolled_back_is_shown_as_it_is():
    sound, faulty = run_of(), run_of(fault="state not rolled back")
    first = [next(f for f in one.frames if f["kind"] == "tree_commit") for one in (sound, faulty)]
    assert not np.array_equal(array(first[0], "norms"), array(first[1], "norms"))
    assert next(frame["invariant"] for frame in faulty.frames if frame["kind"] == "violation") == "true state"


def test_models_without_layers_have_no_norms():
    run = run_of(fake_text_pair(), prompt=b"\1\2", topk=2, length=6)
    assert not any("norms" in frame for frame in run.frames)


def test_sentences_are_plain(run):
    sentences = [frame["sentence"] for one in (run, run_of(temperature=0.0), run_of(verification="nodes", length=5),
                                               run_of(steps=0, length=3)) for frame in one.frames]  # fmt: skip
    assert all(sentence[0].isupper() or sentence[0] in "“0123456789" for sentence in sentences)
    assert all(sentence.endswith(".") and len(sentence) < 160 for sentence in sentences)
    assert (
        run.frames[0]["sentence"]
        == "The target reads the prompt of 7 bytes; the last, “(”, is the root of the first tree."
    )
    assert run.frames[-1]["sentence"].startswith("The text is finished: ")
    assert any("not the target's likeliest byte" in sentence for sentence in sentences)
    assert any(sentence.startswith("Nothing is drafted") for sentence in sentences)
    assert [byte_name(token) for token in (97, 10, 32, 0, 0xE9)] == [
        "“a”",
        "a new line",
        "a space",
        "the zero byte",
        "byte E9",
    ]


def test_a_trace_file_shows_the_same_events(run):
    opened = OpenedText("a.1", run.trace())
    assert opened.header["opened"]
    assert opened.finished
    for mine, theirs in zip(opened.frames, run.frames, strict=True):
        assert mine == {name: value for name, value in theirs.items() if name != "norms"}
    assert opened.token(2, 1) is None


def test_where_texts_part():
    assert first_difference(b"abc", b"abd") == 2
    assert first_difference(b"abc", b"ab") == 2
    assert first_difference(b"abc", b"abc") is None


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        ({"length": LONGEST_TEXT + 1}, "at most 400 bytes"),
        ({"prompt": "x" * (LONGEST_PROMPT + 1)}, "at most 2000 bytes"),
        ({"topk": 8, "steps": 8, "nodes": 0}, "make a tree of"),
        ({"topk": "many"}, "topk"),
        ({"temperature": float("nan")}, "temperature"),
        ({"fault": "rain"}, "Unknown fault"),
        ({"fault": ["x"]}, "Unknown fault"),
        ({"expansion": {}}, "expansion"),
        ({"prompt": 3}, "prompt"),
        ({"length": None}, "length"),
    ],
)
def test_wrong_choices_are_one_sentence(choices, words):
    with pytest.raises(sd.RequestError, match=words) as caught:
        asked_text(SETTINGS | choices)
    assert "\n" not in str(caught.value)


def test_choices_mean_a_request():
    wanted = asked_text(SETTINGS | {"nodes": 0, "fault": "none", "prompt": None})
    assert (wanted.request.nodes, wanted.request.prompt, wanted.fault) == (None, "", None)
    assert asked_text(SETTINGS | {"fault": "sibling's state"}).fault == "sibling's state"
