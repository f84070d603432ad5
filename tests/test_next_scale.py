"""The loop, on fakes: exact by enumeration, identical under shared luck, and counted right."""

import itertools
import math
from dataclasses import replace
from unittest.mock import patch

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import sdvar_core as sd
from sdvar_core.probability import distribution
from sdvar_core.speculative.decoder import Decoder, Window
from sdvar_core.speculative.next_scale import check_request
from tests.enumeration import BranchingLuck, every_path
from tests.fakes import FakeModel, fake_pair, own_draft_pair, tick_clock


def joint_law_of_target(pair: sd.Pair) -> dict[tuple[int, ...], float]:
    """The law of the whole pyramid under the target alone, from its logits by the chain rule."""
    law: dict[tuple[int, ...], float] = {(): 1.0}
    for scale, length in enumerate(pair.schedule.lengths):
        following = {}
        for prefix, weight in law.items():
            features = None if scale == 0 else torch.tensor([[list(prefix)]]).expand(-1, length, -1)
            p = distribution(pair.target.logits(features, scale, torch.tensor([0])))[0]
            for codes in itertools.product(range(pair.codes), repeat=length):
                chance = math.prod(float(p[position, code]) for position, code in enumerate(codes))
                following[prefix + codes] = weight * chance
        law = following
    return law


def joint_law_of_run(
    pair: sd.Pair,
    request: sd.Request,
    fault: str | None = None,
    gammas: set | None = None,
    carried: list | None = None,
) -> dict[tuple[int, ...], float]:
    """The law of the whole pyramid over every way the real loop can go; ``gammas`` collects the drafted lengths,
    ``carried`` how many proposals of a run were carried over."""

    def walk(choices):
        shown: dict[tuple[str, int], torch.Tensor] = {}
        pair.target.logits = _remembering(pair.target, shown)
        luck = BranchingLuck(
            choices, lambda scale: shown["p", scale], lambda scale: shown["q", scale], joint=request.rule == "scale"
        )

        def propose(q, of_scale):
            shown["q", of_scale.scale] = q
            return rule.propose(q, of_scale)

        rule = sd.RULES[request.rule]
        told = replace(rule, propose=propose)
        # cost_model reads the clock, which must not differ from path to path
        with patch.dict(sd.RULES, {rule.name: told}):
            events = list(sd.decode(pair, request, tick_clock(), luck, fault=fault, watch="none"))
        if gammas is not None:
            gammas.add(tuple((end.committed, end.gamma) for end in events if isinstance(end, sd.RoundEnd)))
        if carried is not None:
            carried.append(sum(isinstance(event, sd.Carried) for event in events))
        tokens = sd.Trace(pair.name, request, pair.schedule, pair.codes, tuple(events)).tokens  # painting nothing
        return tuple(code for entry in tokens for code in entry[0].tolist())

    law: dict[tuple[int, ...], float] = {}
    for weight, outcome in every_path(walk):
        law[outcome] = law.get(outcome, 0.0) + weight
    return law


def _remembering(model, shown):
    def logits(features, scale, labels):
        computed = FakeModel.logits(model, features, scale, labels)
        shown["p", scale] = distribution(computed)
        return computed

    return logits


@pytest.mark.parametrize(("lengths", "codes"), [((1, 2), 3), ((2, 1), 3), ((1, 1, 1), 3), ((1, 2, 1), 2)])
@pytest.mark.parametrize("gamma", [0, 1, 2])
@pytest.mark.parametrize("rule", ["token", "scale"])
@pytest.mark.parametrize("draft_length", list(sd.DRAFT_LENGTHS))
def test_joint_law_of_the_run_is_the_targets(lengths, codes, gamma, rule, draft_length):
    pair = fake_pair(lengths, codes, short=True)
    law = joint_law_of_run(pair, sd.Request(gamma=gamma, rule=rule, draft_length=draft_length, guidance=0.0))
    expected = joint_law_of_target(fake_pair(lengths, codes, short=True))
    assert sum(law.values()) == pytest.approx(1.0, abs=1e-9)
    for outcome, chance in expected.items():
        assert law.get(outcome, 0.0) == pytest.approx(chance, abs=1e-9)


@pytest.mark.parametrize(("lengths", "codes"), [((1, 1, 1), 3), ((1, 2, 1), 2), ((1, 1, 1, 1), 2)])
@pytest.mark.parametrize("gamma", [2, 3])
@pytest.mark.parametrize("rule", ["token", "scale"])
@pytest.mark.parametrize("way", ["stale", "refreshed"])
def test_joint_law_is_the_targets_with_carry_over(lengths, codes, gamma, rule, way):
    pair, carried = fake_pair(lengths, codes, short=True), []
    request = sd.Request(gamma=min(gamma, len(lengths)), rule=rule, carry_over=way, guidance=0.0)
    law = joint_law_of_run(pair, request, carried=carried)
    for outcome, chance in joint_law_of_target(fake_pair(lengths, codes, short=True)).items():
        assert law.get(outcome, 0.0) == pytest.approx(chance, abs=1e-9)
    assert (max(carried) > 0) == (way == "stale")


@pytest.mark.parametrize("rule", ["token", "scale"])
@pytest.mark.parametrize("draft_length", list(sd.DRAFT_LENGTHS))
def test_joint_law_where_the_draft_length_really_changes(draft_length, rule):
    lengths, codes, gammas, alike = (1, 1, 1, 1), 2, set(), set()
    settings_ = {"gamma": 3 if draft_length == "entropy" else 2, "rule": rule, "guidance": 0.0}
    joint_law_of_run(fake_pair(lengths, codes, short=True), sd.Request(**settings_), gammas=alike)
    request = sd.Request(draft_length=draft_length, **settings_)
    law = joint_law_of_run(fake_pair(lengths, codes, short=True), request, gammas=gammas)
    for outcome, chance in joint_law_of_target(fake_pair(lengths, codes, short=True)).items():
        assert law.get(outcome, 0.0) == pytest.approx(chance, abs=1e-9)
    assert (gammas == alike) == (draft_length == "fixed")


class DropsUnlikelyDrafts(Decoder):
    """What no draft length may do: throw a drafted scale away because of its tokens."""

    def propose(self, gamma, go_on):
        window = yield from super().propose(gamma, go_on)
        if not window.proposals or window.proposals[-1].tokens[0, 0] != 0:
            return window
        supposed = self.prefix
        for proposal in window.proposals[:-1]:
            supposed = self.extended(supposed, proposal.tokens)
        return Window(window.start, window.proposals[:-1], supposed)


@pytest.mark.parametrize(
    "fault", ["drops unlikely drafts", "forced acceptance at γ=1", "acceptance averaged over the batch"]
)
def test_the_joint_law_shows_what_is_wrong(fault, monkeypatch):
    dropping = sd.Fault("drops unlikely drafts", "", "", "", decoder=DropsUnlikelyDrafts)
    monkeypatch.setitem(sd.FAULTS, dropping.name, dropping)
    pair = fake_pair((2, 1), 3, short=True)
    law = joint_law_of_run(pair, sd.Request(gamma=1, rule="token", guidance=0.0), fault)
    expected = joint_law_of_target(fake_pair((2, 1), 3, short=True))
    assert max(abs(law.get(outcome, 0.0) - chance) for outcome, chance in expected.items()) > 0.01


@given(
    st.integers(0, 2**40),
    st.integers(0, 4),
    st.sampled_from(list(sd.DRAFT_LENGTHS)),
    st.floats(0.2, 3),
    st.integers(1, 3),
)
@settings(max_examples=60, deadline=None)
def test_coupled_and_greedy_equal_target_only(seed, gamma, draft_length, temperature, batch):
    pair = fake_pair()
    settings_ = {"label": tuple(range(batch)), "seed": seed, "temperature": temperature, "guidance": 1.5}
    for rule, carry_over in itertools.product(("coupled", "greedy"), sd.CARRY_OVERS):
        alone = sd.generate(pair, rule=rule, gamma=0, **settings_)
        run = sd.generate(pair, rule=rule, gamma=gamma, draft_length=draft_length, carry_over=carry_over, **settings_)
        assert run.differing_tokens(alone) == 0
        assert run.target_calls <= alone.target_calls == alone.baseline_calls
        assert run.drafted + run.carried == run.judged + run.discarded


def test_target_only_is_the_same_under_every_sampling_rule():
    pair = fake_pair()
    one, two = (sd.generate(pair, gamma=0, seed=4, rule=rule) for rule in ("token", "coupled"))
    assert one.differing_tokens(two) == 0
    assert one.draft_calls == 0
    assert one.acceptance_rate == 0.0


@pytest.mark.parametrize("rule", [rule.name for rule in sd.RULES.values() if rule.exact])
@pytest.mark.parametrize("gamma", range(11))
def test_own_draft_needs_the_fewest_calls(rule, gamma):
    sides = tuple(range(1, 11))
    trace = sd.generate(own_draft_pair(sides), gamma=gamma, rule=rule, seed=gamma)
    assert trace.target_calls == math.ceil(10 / (gamma + 1))
    assert trace.corrected == trace.discarded == 0
    if gamma:
        assert trace.acceptance_rate == 1.0
        assert trace.predicted_acceptance == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("rule", [rule.name for rule in sd.RULES.values() if rule.exact])
def test_hopeless_draft_never_costs_more_calls_than_target_only(rule):
    pair = fake_pair(codes=50)
    trace = sd.generate(pair, gamma=3, rule=rule, seed=1)
    assert trace.target_calls <= 4
    assert trace.acceptance_rate < 0.5


@given(
    st.integers(0, 10**6), st.integers(0, 4), st.sampled_from(list(sd.RULES)), st.sampled_from(list(sd.DRAFT_LENGTHS))
)
@settings(max_examples=80, deadline=None)
def test_identities_hold_on_every_run(seed, gamma, rule, draft_length):
    trace = sd.generate(fake_pair(), label=[0, 2], seed=seed, gamma=gamma, rule=rule, draft_length=draft_length)
    total = 2 * trace.schedule.total
    assert trace.drafted == trace.kept + trace.corrected + trace.tolerated + trace.discarded
    assert trace.kept + trace.corrected + trace.tolerated + trace.bonus == total
    assert trace.tolerated == 0 or rule == "scale" or not sd.RULES[rule].exact  # a redraw may name the same code
    assert trace.finished
    assert trace.call_reduction == len(trace.schedule) / trace.target_calls
    assert 0.0 <= trace.acceptance_rate <= 1.0
    assert [entry.shape for entry in trace.tokens] == [(2, length) for length in trace.schedule.lengths]
    assert trace.pictures.dtype == np.uint8
    caches = [end.target_cache for end in trace.of(sd.RoundEnd)]
    assert all(after <= before for before, after in caches)


def test_replay_is_bit_identical_and_luck_is_per_picture():
    pair, request = fake_pair(), sd.Request(label=(0, 1, 2), seed=11, gamma=2, rule="token")
    first, second = (sd.generate(pair, request, clock=tick_clock()) for _ in range(2))
    assert first.same_run(second)
    assert not first.same_run(sd.generate(pair, sd.Request(label=(0, 1, 2), seed=12, gamma=2, rule="token")))
    batch = sd.generate(pair, label=(0, 1, 2), seed=11, gamma=2)
    for image in range(3):
        alone = sd.generate(pair, label=image, seed=11 + image, gamma=2)
        assert all(np.array_equal(one[image], two[0]) for one, two in zip(batch.tokens, alone.tokens))


def test_seconds_come_from_the_clock():
    trace = sd.generate(fake_pair(), gamma=2, clock=tick_clock())
    assert trace.target_seconds == trace.target_calls
    assert trace.draft_seconds == trace.draft_calls


def test_guidance_reads_each_picture_twice_and_changes_the_law():
    plain, guided = (sd.generate(fake_pair(), gamma=0, seed=2, guidance=strength) for strength in (0.0, 3.0))
    assert np.array_equal(plain.tokens[0], guided.tokens[0])  # scale 0 has no guidance
    assert plain.differing_tokens(guided) > 0


def test_draft_catches_up_after_a_bonus_scale():
    trace = sd.generate(own_draft_pair(), gamma=1, seed=0)
    first, second = trace.of(sd.Drafted)[:2]
    assert (first.read_from, first.scale, second.read_from, second.scale) == (0, 0, 1, 2)


@pytest.mark.parametrize(
    ("settings_", "sentence"),
    [
        ({"label": "swamp"}, "Unknown label 'swamp'"),
        ({"label": 3}, "Unknown label 3"),
        ({"label": -1}, "A label must be"),
        ({"label": ()}, "A batch holds 1 to 64"),
        ({"seed": -1}, "seed must be a whole number"),
        ({"seed": 2**64}, "seed must be a whole number"),
        ({"seed": True}, "seed must be a whole number"),
        ({"gamma": -1}, "gamma must be a whole number"),
        ({"gamma": 11}, "gamma must be a whole number from 0 to 4"),
        ({"gamma": "two"}, "gamma must be a whole number"),
        ({"gamma": 1.5}, "gamma must be a whole number"),
        ({"guidance": math.nan}, "guidance must be a number"),
        ({"guidance": None}, "guidance must be a number"),
        ({"temperature": 0}, "use rule='greedy'"),
        ({"temperature": -1}, "temperature must be a number"),
        ({"temperature": math.inf}, "temperature must be a number"),
        ({"top_p": 0}, "top_p must be a number"),
        ({"top_p": 1.1}, "top_p must be a number"),
        ({"top_k": -5}, "top_k must be a whole number"),
        ({"rule": "fast"}, "Unknown rule 'fast'"),
        ({"rule": 3}, "rule must be a name"),
        ({"draft_length": "long"}, "Unknown draft length"),
        ({"options": {"k": 3}}, "Rule 'coupled' has no option 'k'"),
        ({"options": {"tolerance": math.nan}}, "tolerance must be a number"),
        ({"rule": "topk", "options": {"k": 0}}, "k must be a whole number"),
        ({"rule": "topk", "options": {"least_kept": 0}}, "least_kept must be a number"),
        ({"options": 3}, "options must map"),
        ({"carry_over": "yes"}, "carry_over must be one of off, stale, refreshed"),
        ({"phases": [4]}, "phases must be a sequence"),
        ({"phases": [sd.Phase(2, "draft")]}, "Phases must end at growing scales"),
        ({"phases": [sd.Phase(4, "draft"), sd.Phase(2, "target")]}, "Phases must end at growing scales"),
        ({"speed": 3}, "Unknown setting 'speed'"),
    ],
)
def test_wrong_requests_get_one_sentence(settings_, sentence):
    pair = fake_pair()
    with pytest.raises(sd.RequestError) as caught:
        sd.generate(pair, **settings_)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_wrong_request_is_refused_before_the_first_event():
    with pytest.raises(sd.RequestError):
        sd.decode(fake_pair(), sd.Request(label="swamp"))
    check_request(fake_pair(), sd.Request(label="paper", gamma=4))


def test_impossible_phases():
    with pytest.raises(sd.RequestError, match="at least 1 scale"):
        sd.Phase(0, "draft")
    with pytest.raises(sd.RequestError, match="one of target, draft, speculate"):
        sd.Phase(2, "sleep")


def run_with_phases(*phases: tuple[int, str], **settings_) -> sd.Trace:
    return sd.generate(fake_pair(), phases=[sd.Phase(*phase) for phase in phases], seed=5, **settings_)


def test_hand_overs_are_counted_and_take_tokens_from_where_they_say():
    alone = sd.generate(fake_pair(), gamma=0, seed=5)
    draft_first = run_with_phases((2, "draft"), (4, "target"))
    assert (draft_first.target_calls, draft_first.draft_calls) == (2, 2)
    assert draft_first.unverified == 5
    call = draft_first.of(sd.TargetCall)[0]
    assert (call.read_from, call.start, call.stop) == (0, 2, 3)  # it has to read what the draft wrote
    target_first = run_with_phases((2, "target"), (4, "draft"))
    assert (target_first.target_calls, target_first.draft_calls) == (2, 2)
    assert all(np.array_equal(one, two) for one, two in zip(target_first.tokens[:2], alone.tokens[:2]))
    assert target_first.of(sd.Drafted)[0].read_from == 0
    for trace in (draft_first, target_first):
        assert trace.drafted == trace.unverified + trace.judged + trace.discarded
        assert trace.unverified + trace.bonus == trace.schedule.total


def test_speculation_with_an_unverified_tail_stays_exact_before_the_tail():
    alone = sd.generate(fake_pair(), gamma=0, seed=5)
    trace = run_with_phases((3, "speculate"), (4, "draft"), gamma=2)
    assert all(np.array_equal(one, two) for one, two in zip(trace.tokens[:3], alone.tokens[:3]))
    assert trace.unverified == 16


def test_target_phases_are_the_baseline():
    assert (
        run_with_phases((1, "target"), (4, "target")).differing_tokens(sd.generate(fake_pair(), gamma=0, seed=5)) == 0
    )


def test_a_relaxed_pass_makes_keys_and_values_again():
    """After a scale passed with changed tokens, whatever was read from the old ones is read again."""
    trace = sd.generate(fake_pair(), seed=3, gamma=3, options={"tolerance": 1.0})
    end, call = trace.of(sd.RoundEnd)[0], trace.of(sd.TargetCall)
    assert len(call) == 1  # everything passes
    assert end.target_cache[1] < end.committed
    trace = sd.generate(fake_pair(), seed=3, gamma=1, options={"tolerance": 1.0})
    assert [call.read_from for call in trace.of(sd.TargetCall)] == [0, 1]
    assert trace.of(sd.Drafted)[1].read_from == 1


def test_carry_over_replaces_drafts_by_stale_answers():
    trace = sd.generate(fake_pair(), seed=8, gamma=3, carry_over=True)
    assert trace.carried > 0
    first = trace.of(sd.Carried)[0]
    judged = next(e for e in trace.of(sd.Judged) if e.round == first.round and e.scale == first.scale)
    assert (judged.draft_probability > 0.0).all()  # of the distribution that the carried tokens were drawn from
    assert 0.0 <= trace.predicted_acceptance <= 1.0
