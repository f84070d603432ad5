"""Frames say what the trace says: numbers bit for bit, counters at every event, and one sentence each."""

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

from app.frames import DIFFERENCE_GAIN, VERSION, baseline, counters, difference, frame, header, picture_url
from sdvar_core import (
    FAULTS,
    RULES,
    Bonus,
    Drafted,
    Judged,
    Phase,
    Request,
    RoundEnd,
    TargetCall,
    Trace,
    Violation,
    generate,
)
from tests.fakes import fake_pair, own_draft_pair

SIDES = (1, 2, 3, 4, 5, 6)


def run(pair=None, **settings):
    pair = fake_pair(SIDES) if pair is None else pair
    return generate(pair, label="paper", seed=3, **settings)


def prefixes(trace):
    for length in range(1, len(trace.events) + 1):
        yield Trace(trace.pair, trace.request, trace.schedule, trace.codes, trace.events[:length])


def frames_of(trace):
    return [frame(prefix, None, 0.25) for prefix in prefixes(trace)]


def unpacked(text, dtype):
    return np.frombuffer(base64.b64decode(text), dtype)


@pytest.mark.parametrize("rule", ["coupled", "token", "greedy"])
@pytest.mark.parametrize("gamma", [0, 1, 3])
def test_counters_are_the_properties_of_the_trace_so_far(rule, gamma):
    trace = run(rule=rule, gamma=gamma)
    for prefix, shown in zip(prefixes(trace), frames_of(trace), strict=True):
        assert shown["counters"] == {
            "target_calls": prefix.target_calls,
            "draft_calls": prefix.draft_calls,
            "committed": prefix.committed,
            "call_reduction": prefix.call_reduction,
            "kept": prefix.kept,
            "judged": prefix.judged,
            "corrected": prefix.corrected,
            "tolerated": prefix.tolerated,
            "drafted": prefix.drafted,
            "carried": prefix.carried,
            "bonus": prefix.bonus,
            "unverified": prefix.unverified,
            "draft_ms": 1000 * prefix.draft_seconds,
            "target_ms": 1000 * prefix.target_seconds,
            "decoder_ms": 250.0,
        }


@pytest.mark.parametrize("rule", sorted(set(RULES) - {"neighbours"}))  # neighbours needs a codebook
def test_every_rule_has_frames_and_sentences(rule):
    trace = run(rule=rule, gamma=3)
    assert all(shown["sentence"].endswith(".") for shown in frames_of(trace))
    json.dumps(frames_of(trace))


def test_carried_and_unverified_scales_have_frames():
    pair = fake_pair(SIDES)
    carried = generate(pair, label=0, seed=1, gamma=4, carry_over=True)
    handed = generate(pair, label=0, seed=1, phases=(Phase(3, "draft"), Phase(6, "target")))
    shown = frames_of(carried) + frames_of(handed)
    assert {"carried", "unverified"} <= {one["kind"] for one in shown}
    assert any("anew" in one["sentence"] for one in shown)
    assert shown[-1]["counters"]["unverified"] == 1 + 4 + 9


def test_a_refreshed_guess_is_told():
    pair, taken = fake_pair(SIDES), "corrected by what the target said of it in its last call"
    trace = generate(pair, label=0, seed=1, gamma=2, carry_over="refreshed")
    told = [one for one in frames_of(trace) if taken in one["sentence"]]
    rounds = {event.round: event for event in trace.of(RoundEnd)}
    before = [rounds.get(one["round"] - 1) for one in told]
    assert told
    assert all(end.committed <= one["scale"] < end.committed + end.discarded for one, end in zip(told, before))
    plain = generate(pair, label=0, seed=1, gamma=2)
    assert not any(taken in one["sentence"] for one in frames_of(plain))


@pytest.mark.parametrize("rule", ["coupled", "token"])
def test_arrays_come_through_bit_for_bit(rule):
    trace = run(rule=rule, gamma=3)
    for event, shown in zip(trace.events, frames_of(trace), strict=True):
        if isinstance(event, Drafted | Judged | Bonus):
            np.testing.assert_array_equal(unpacked(shown["tokens"], "<u2"), event.tokens[0])
            np.testing.assert_array_equal(unpacked(shown["entropy"], "<f4"), event.entropy[0])
        if isinstance(event, Drafted | Bonus):
            np.testing.assert_array_equal(unpacked(shown["probability"], "<f4"), event.probability[0])
        if isinstance(event, Judged):
            kept = np.unpackbits(unpacked(shown["kept"], np.uint8))[: event.kept.size]
            np.testing.assert_array_equal(kept.astype(bool), event.kept[0])
            for name in ("target_probability", "draft_probability", "standing_probability", "total_variation", "luck"):
                np.testing.assert_array_equal(unpacked(shown[name], "<f4"), getattr(event, name)[0])
            np.testing.assert_array_equal(unpacked(shown["drafted"], "<u2"), event.drafted[0])
            assert shown["passed"] is bool(event.passed[0])
        if isinstance(event, TargetCall):
            assert (shown["number"], shown["start"], shown["stop"]) == (event.number, event.start, event.stop)
        if isinstance(event, RoundEnd):
            assert tuple(shown["target_cache"]) == event.target_cache


def test_frames_are_json_and_small_enough():
    trace = run(gamma=5)
    sizes = [len(json.dumps(shown)) for shown in frames_of(trace)]
    assert max(sizes) < 50_000
    assert sum(sizes) < 400_000


def test_a_whole_official_pyramid_stays_below_the_limits():
    trace = generate(fake_pair((1, 2, 3, 4, 5, 6, 8, 10, 13, 16)), label=0, seed=1, gamma=9)
    sizes = [len(json.dumps(shown)) for shown in frames_of(trace)]
    assert max(sizes) < 50_000
    assert sum(sizes) < 400_000


def test_header_names_the_run_and_its_settings():
    pair, request = fake_pair(), Request(label="rock", seed=9, gamma=1, rule="token")
    shown = header("visitor.1", pair.name, pair.schedule, pair.codes, request, "rock")
    settings = {"label": "rock", "seed": 9, "gamma": 1, "rule": "token", "draft_length": "fixed", "guidance": 1.5}
    sampling = {"temperature": 1.0, "top_k": 0, "top_p": 1.0, "options": [], "carry_over": "off", "phases": [],
                "forks": []}  # fmt: skip
    assert json.loads(json.dumps(shown)) == {
        "version": VERSION,
        "run": "visitor.1",
        "pair": "fake",
        "sides": [1, 2, 3, 4],
        "codes": 5,
        "label": "rock",
        "settings": settings | sampling | {"plan": "speculate to the end", "fault": "none"},
        "exact": True,
        "baseline_calls": 4,
        "fault": None,
    }


def test_header_names_the_fault_and_the_choices_that_ask_for_the_request():
    pair = fake_pair()
    request = Request(rule="typical", options={"delta": 0.5}, phases=(Phase(2, "draft"), Phase(4, "target")))
    shown = header("visitor.1", pair.name, pair.schedule, pair.codes, request, "rock", "no rollback")
    assert shown["fault"]["name"] == "no rollback"
    assert shown["fault"]["sentence"] == FAULTS["no rollback"].sentence
    choices = {"plan": "draft first, target from n", "handover": 3, "fault": "no rollback",
               "least_kept": 0.8, "epsilon": 0.1, "delta": 0.5}  # fmt: skip
    assert choices.items() <= shown["settings"].items()


def test_a_violation_is_a_frame_with_the_name_and_the_sentence_of_its_invariant():
    trace = run(gamma=2, fault="rollback one scale too far")
    violations = [
        (event, shown) for event, shown in zip(trace.events, frames_of(trace)) if isinstance(event, Violation)
    ]
    assert violations
    for event, shown in violations:
        assert (shown["kind"], shown["invariant"], shown["round"]) == ("violation", "cache length", event.round)
        assert shown["sentence"] == f"The invariant “cache length” does not hold. {event.sentence}"
    json.dumps(frames_of(trace))


def test_baseline_tells_what_the_sound_engine_makes_of_the_request():
    sound, alone = run(gamma=2, rule="token"), run(gamma=0, rule="token")
    shown = baseline(run(gamma=2, rule="token", fault="forced acceptance at γ=1"), alone, sound)
    assert shown["sound"] == {"kept": sound.kept, "judged": sound.judged, "differing": sound.differing_tokens(alone)}
    assert baseline(sound, alone)["sound"] is None


def test_picture_is_a_webp_of_the_same_size():
    picture = np.zeros((128, 128, 3), np.uint8)
    picture[:, 64:] = 255
    url = picture_url(picture)
    decoded = np.asarray(Image.open(io.BytesIO(base64.b64decode(url.removeprefix("data:image/webp;base64,")))))
    assert decoded.shape == picture.shape
    assert abs(decoded.astype(int) - picture.astype(int)).mean() < 2


def test_baseline_of_a_coupled_run_is_equal():
    shown = baseline(run(gamma=2), run(gamma=0))
    assert (shown["equal"], shown["differing"], shown["psnr"]) == (True, 0, None)
    assert len(shown["milliseconds"]) == len(SIDES)
    assert shown["sentence"].startswith("Models ran ")
    assert baseline(run(gamma=0), run(gamma=0))["sentence"] == ""


def test_baseline_tells_how_far_another_picture_is():
    trace, alone = run(gamma=2, rule="token"), run(gamma=0, rule="token")
    shown = baseline(trace, alone)
    assert shown["differing"] == trace.differing_tokens(alone) > 0
    assert not shown["equal"]
    assert 0 < shown["psnr"] < 60


def test_counters_of_an_empty_trace_are_zero():
    trace = run()
    empty = Trace(trace.pair, trace.request, trace.schedule, trace.codes, ())
    assert set(counters(empty, 0.0).values()) == {0}


def test_sentences_of_a_run_in_which_all_passes():
    sentences = [shown["sentence"] for shown in frames_of(run(own_draft_pair(), gamma=2))]
    assert sentences == [
        "The draft guesses scale 1: 1 token.",
        "The draft guesses scale 2: 4 tokens.",
        "Call 1 checks scales 1 and 2 at once; if all pass, scale 3 comes free.",
        "Scale 1 keeps its only token.",
        "Scale 2 keeps all of its 4 tokens.",
        "Every guess passed, so the same call also gives scale 3 for free.",
        "Round 1 ends: 3 scales of 4 final; both caches stay as they are.",
        "Call 2 reads scale 4: the target draws it alone.",
        "The target draws scale 4 itself: 16 tokens.",
        "The picture is finished: 2 target calls; the target alone needs 4.",
    ]


def test_sentences_tell_corrections_rollback_and_catching_up():
    runs = [generate(fake_pair(SIDES), label=0, seed=seed, gamma=2) for seed in range(4)]
    runs.append(run(own_draft_pair(SIDES), gamma=1))
    sentences = " ".join(shown["sentence"] for trace in runs for shown in frames_of(trace))
    for words in ("thrown away.", "corrected", "roll back.", "reads scale 2, which its cache misses, and guesses"):
        assert words in sentences


def test_a_difference_is_black_where_pictures_are_equal_and_bright_where_not():
    picture = np.full((2, 3, 3), 100, np.uint8)
    exact = picture.copy()
    exact[0, 1] = (100, 90, 103)
    exact[1, 2] = (255, 0, 100)
    shown = difference(picture, exact)
    assert shown.dtype == np.uint8
    assert shown[0, 1].tolist() == [10 * DIFFERENCE_GAIN] * 3
    assert shown[1, 2].tolist() == [255] * 3
    assert shown.sum() == 3 * (10 * DIFFERENCE_GAIN + 255)
