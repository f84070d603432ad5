"""Tree decoding: identical to plain decoding when greedy, its state that of the text, and counted right."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import sdvar_core as sd
from sdvar_core.randomness import Stream, TextLuck
from sdvar_core.speculative.tree_decoder import TreeDecoder, final_distribution, softened
from sdvar_core.text_trace import TextTrace
from tests.fakes import FakeTextModel, fake_text_pair, tick_clock
from tests.test_deltanet import new_model

PROMPT = b"\x01\x00"


def plain_greedy(target, prompts: list[bytes], length: int) -> list[bytes]:
    """The likeliest byte, one at a time, by the fused one-token form; prompts of one length, together."""
    tokens = torch.tensor([list(prompt) for prompt in prompts])
    logits, state = target(tokens)
    rows = []
    for _ in range(length):
        following = logits[:, -1:].argmax(dim=-1)
        rows.append(following)
        logits, state = target(following, state)
    return [bytes(row) for row in torch.cat(rows, dim=1).tolist()]


@pytest.mark.parametrize("seed", range(3))
def test_greedy_tree_decoding_is_plain_greedy_decoding(seed):
    """Over many prompts and shapes; float64, so that two ways of adding cannot break a tie differently."""
    target = new_model(seed, vocabulary=40)
    with torch.no_grad():
        near = {name: value + 0.02 * value.std() for name, value in target.state_dict().items()}
    draft = new_model(seed, vocabulary=40)
    draft.load_state_dict(near)
    pair = sd.TextPair("tiny", draft, target, 40)
    rng = np.random.default_rng(seed)
    prompts = [bytes(rng.integers(40, size=6).tolist()) for _ in range(12)]
    shapes = itertools.cycle(itertools.product([(4, 2, None), (3, 4, 16), (1, 5, None), (2, 3, 64)], sd.TREE_SHAPES))
    accepted = 0
    for prompt, expected, ((topk, steps, nodes), shape) in zip(prompts, plain_greedy(target, prompts, 40), shapes):
        expansion = "full" if nodes else "linear"
        run = sd.generate_text(
            pair, prompt=prompt, length=40, topk=topk, steps=steps, nodes=nodes, expansion=expansion, shape=shape
        )
        assert run.written == expected
        assert run.target_calls <= 40
        accepted += run.accepted
    assert accepted > 50


@pytest.mark.parametrize("verification", ["tree", "nodes"])
def test_no_steps_is_plain_decoding_and_needs_no_draft(verification):
    pair = sd.TextPair("tiny", FakeTextModel(11, 5), new_model(3), 11)
    run = sd.generate_text(pair, prompt=PROMPT, length=30, steps=0, verification=verification)
    assert run.written == plain_greedy(pair.target, [PROMPT], 30)[0]
    assert (run.target_calls, run.baseline_calls, run.draft_calls, pair.draft.calls) == (30, 30, 0, 0)
    assert (run.drafted, run.accepted, run.acceptance_rate, run.call_reduction) == (0, 0, 0.0, 1.0)
    sampled = sd.generate_text(pair, prompt=PROMPT, length=9, steps=0, temperature=1.0, children="sampled")
    assert sampled.target_calls == 9


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_both_ways_of_verifying_write_the_same(temperature):
    pair = sd.TextPair("tiny", new_model(1), new_model(2), 11)
    runs = [
        sd.generate_text(pair, prompt=PROMPT, length=24, temperature=temperature, verification=way, steps=3)
        for way in ("tree", "nodes")
    ]
    assert runs[0].written == runs[1].written
    assert all(event.states == 1 for event in runs[0].of(sd.TreeCall))
    trees = zip(runs[1].of(sd.TreeCall), runs[1].of(sd.TreeDrafted))
    assert all(call.states == 2 + drafted.drafted for call, drafted in trees)


@pytest.mark.parametrize(("expansion", "slots"), [("linear", 8), ("full", 20)])
@pytest.mark.parametrize("children", list(sd.CHILDREN))
def test_draft_tree_has_the_slots_of_the_issue(expansion, slots, children):
    settings_ = {"expansion": expansion, "children": children, "temperature": 1.0, "length": 20}
    run = sd.generate_text(fake_text_pair(), prompt=PROMPT, topk=4, steps=2, **settings_)
    first = run.of(sd.TreeDrafted)[0]
    assert sd.TextRequest(topk=4, steps=2, expansion=expansion).slots == slots
    assert first.drafted == slots
    assert sorted(set(first.topology.depths)) == [0, 1, 2]
    assert len(first.topology.children[0]) == 4
    assert sd.flat_tree(first.topology, 4).parents == first.topology.parents


def test_draft_step_asks_the_draft_once_a_level_and_scores_its_guesses():
    pair = fake_text_pair()
    run = sd.generate_text(pair, prompt=PROMPT, topk=2, steps=3, length=20)
    first = run.of(sd.TreeDrafted)[0]
    assert first.calls == 3
    text = (*PROMPT,)
    for node in range(1, len(first.tokens)):
        path = [int(first.tokens[entry]) for entry in first.topology.path(node)[1:]]
        chances = [pair.draft.logits(text + tuple(path[:place])).softmax(-1)[token] for place, token in enumerate(path)]
        assert first.probability[node] == pytest.approx(float(chances[-1]), rel=1e-5)
        assert first.scores[node] == pytest.approx(sum(float(chance.log()) for chance in chances), rel=1e-5)
        siblings = first.topology.children[first.parents[node]]
        ranked = pair.draft.logits(text + tuple(path[:-1])).topk(2).indices.tolist()
        assert [int(first.tokens[sibling]) for sibling in siblings] == ranked


def test_verification_is_one_call_and_reads_every_path():
    pair = fake_text_pair()
    run = sd.generate_text(pair, prompt=PROMPT, topk=3, steps=2, length=25, temperature=0.7)
    text = list(PROMPT)
    for drafted, call, commit in zip(run.of(sd.TreeDrafted), run.of(sd.TreeCall), run.of(sd.TreeCommit)):
        for node in range(1, len(drafted.tokens)):
            path = [int(drafted.tokens[entry]) for entry in drafted.topology.path(node)[1:]]
            p = softened(pair.target.logits((*text, *path[:-1])), 0.7)
            assert call.probability[node] == pytest.approx(float(p[path[-1]]), rel=1e-5)
            assert call.likeliest[node] == pair.target.logits((*text, *path)).argmax()
        text += commit.tokens.tolist()
    assert pair.target.calls == run.target_calls + 1  # and the prompt


def test_one_speculative_step_commits_the_path_and_the_bonus():
    pair = sd.TextPair("tiny", new_model(1), new_model(2), 11)
    request = sd.TextRequest(PROMPT, 30, 3, 3)
    events = sd.decode_text(pair, request)
    kinds = []
    for event in events:
        kinds.append(type(event))
        if isinstance(event, sd.TreeCommit):
            break
    assert kinds[:3] == [sd.PromptRead, sd.TreeDrafted, sd.TreeCall]
    assert kinds[-2:] == [sd.BonusToken, sd.TreeCommit]
    assert set(kinds[3:-2]) <= {sd.ChildJudged}
    assert len(event.tokens) == event.accepted + 1
    assert event.state == (1, 1 + len(event.tokens))
    assert event.rolled_back == event.drafted - event.accepted


@pytest.mark.parametrize("children", list(sd.CHILDREN))
def test_the_state_is_that_of_the_text_after_every_round(children):
    pair = sd.TextPair("tiny", new_model(1), new_model(2), 11)
    request = sd.TextRequest(PROMPT, 40, 3, 3, nodes=12, temperature=0.8, children=children)
    decoder = TreeDecoder(pair, request, tick_clock(), TextLuck(0))
    for event in decoder.events():
        if isinstance(event, sd.TreeCommit):
            for state, model, count in (
                (decoder.state, pair.target, len(decoder.text) - 1),
                (decoder.draft.state, pair.draft, decoder.draft.read),
            ):
                _, fresh = model(torch.tensor([decoder.text[:count]]), form="recurrent")
                assert state.tokens == count
                for one, two in zip(state.layers, fresh.layers):
                    assert all((getattr(one, name) - getattr(two, name)).abs().max() < 1e-10 for name in vars(one))


def test_an_own_draft_is_always_right():
    for steps in (1, 3, 5):
        run = sd.generate_text(fake_text_pair(own_draft=True), prompt=PROMPT, length=24, topk=1, steps=steps)
        assert run.path_acceptance_rate == 1.0
        assert run.target_calls == -(-24 // (steps + 1))
        sampled = sd.generate_text(
            fake_text_pair(own_draft=True),
            prompt=PROMPT,
            length=24,
            topk=2,
            steps=steps,
            expansion="linear",
            temperature=1.0,
            children="sampled",
        )
        assert sampled.target_calls == run.target_calls


@given(
    seed=st.integers(0, 2**63 - 1),
    topk=st.integers(1, 5),
    steps=st.integers(0, 4),
    nodes=st.integers(1, 30),
    expansion=st.sampled_from(["linear", "full"]),
    temperature=st.sampled_from([0.0, 0.5, 2.0]),
    children=st.sampled_from(list(sd.CHILDREN)),
    shape=st.sampled_from(list(sd.TREE_SHAPES)),
    length=st.integers(1, 25),
    prompt=st.binary(max_size=3).map(lambda given_: bytes(byte % 5 for byte in given_)),
)
@settings(max_examples=60, deadline=None)
def test_statistics_of_any_run_add_up(**settings_):
    if not settings_["temperature"]:
        settings_["children"] = "likeliest"
    run = sd.generate_text(fake_text_pair(), **settings_)  # checks itself
    assert run.finished
    assert len(run.written) == run.accepted + run.bonus == settings_["length"]
    assert run.drafted == run.accepted + run.rejected + run.discarded
    assert run.target_calls == run.rounds == run.bonus
    assert run.acceptance_rate == (run.accepted / run.drafted if run.drafted else 0.0)
    assert run.mean_length_with_bonus == pytest.approx(run.mean_accepted_length + 1)
    assert run.call_reduction == pytest.approx(len(run.written) / run.target_calls)
    assert all(0.0 <= rate <= 1.0 for rate in run.acceptance_by_depth)
    assert all(event.drafted <= settings_["nodes"] for event in run.of(sd.TreeDrafted))
    again = sd.generate_text(fake_text_pair(), **settings_)
    assert again.same_run(run)


def test_seconds_come_from_the_clock_alone():
    one, two = (
        sd.generate_text(fake_text_pair(), prompt=PROMPT, length=9, clock=clock) for clock in (tick_clock(), lambda: 0)
    )
    assert one.same_run(two)
    assert (two.draft_seconds, two.target_seconds, two.commit_seconds) == (0, 0, 0)
    rounds = one.rounds
    assert (one.draft_seconds, one.target_seconds, one.commit_seconds) == (rounds, rounds, rounds)


def test_other_seeds_write_other_texts():
    settings_ = {"prompt": PROMPT, "length": 20, "temperature": 1.0}
    texts = {sd.generate_text(fake_text_pair(), seed=seed, **settings_).written for seed in range(8)}
    assert len(texts) > 4


def test_the_luck_of_a_text_has_addresses():
    luck = TextLuck(7)
    address = (Stream.TRY, 12, 3)
    assert luck.uniform(*address) == TextLuck(7).uniform(*address)
    others = [TextLuck(8).uniform(*address), luck.uniform(Stream.CHILD, 12, 3), luck.uniform(Stream.TRY, 3, 12)]
    assert luck.uniform(*address) not in others
    assert luck.test(luck.uniform(*address), *address)[0] is False
    assert luck.test(1.0, *address)[0] is True
    p = torch.tensor([0.25, 0.0, 0.75], dtype=torch.float64)
    draws = [luck.draw(p, Stream.ANSWER, position) for position in range(400)]
    assert 1 not in draws
    assert 240 < draws.count(2) < 350


def test_temperature_zero_is_all_mass_on_the_likeliest():
    logits = torch.tensor([[0.5, 2.0, -1.0]])
    assert final_distribution(logits, 0.0).tolist() == [[0.0, 1.0, 0.0]]
    assert torch.equal(final_distribution(logits, 0.5), (logits.double() / 0.5).softmax(-1))
    assert torch.equal(softened(logits, 0.0), logits.double().softmax(-1))


def test_text_is_prompt_and_continuation():
    pair = fake_text_pair(vocabulary=200)
    run = sd.generate_text(pair, prompt="a", length=12)
    assert run.text == "a" + run.continuation
    empty = sd.generate_text(pair, prompt="", length=12)
    assert empty.prompt == b"\0"
    assert empty.text == empty.continuation


@pytest.mark.parametrize(
    ("settings_", "sentence"),
    [
        ({"colour": "red"}, "Unknown setting 'colour'"),
        ({"shape": "round"}, "Unknown shape 'round': choose one of fixed"),
        ({"children": "all"}, "Unknown children 'all': choose one of likeliest"),
        ({"children": "sampled"}, "needs a temperature above 0"),
        ({"topk": 6}, "topk must be at most 5"),
        ({"prompt": "é"}, "The prompt holds the byte 195; fake text knows 0 to 4"),
    ],
)
def test_requests_that_do_not_fit_the_pair(settings_, sentence):
    with pytest.raises(sd.RequestError, match=sentence):
        sd.generate_text(fake_text_pair(), **({"prompt": PROMPT} | settings_))


def test_errors_come_before_the_first_event():
    with pytest.raises(sd.RequestError):
        sd.decode_text(fake_text_pair(), sd.TextRequest(prompt="é"))
    with pytest.raises(sd.RequestError, match="not both"):
        sd.generate_text(fake_text_pair(), sd.TextRequest(PROMPT), length=3)
    with pytest.raises(sd.RequestError, match="paints pictures"):
        sd.decode_text(object(), sd.TextRequest(PROMPT))


DAMAGES = {
    "no prompt": lambda events: events[1:],
    "a round without its call": lambda events: [e for e in events if not isinstance(e, sd.TreeCall)],
    "a bonus token counted twice": lambda events: _changed(events, sd.TreeCommit, tokens=_doubled),
    "a state not rolled back": lambda events: _changed(events, sd.TreeCommit, state=lambda s: (s[0], s[1] + 1)),
    "a verdict against the luck": lambda events: _changed(events, sd.ChildJudged, accepted=lambda a: not a),
    "a child of another node": lambda events: _changed(events, sd.ChildJudged, parent=lambda p: p + 1),
    "a position by index": lambda events: _changed(events, sd.ChildJudged, position=lambda p: p + 1),
    "a tree elsewhere": lambda events: _changed(events, sd.TreeDrafted, tokens=lambda t: (t + 1) % 5),
    "two roots": lambda events: _changed(events, sd.TreeDrafted, parents=lambda p: np.where(p == 0, -1, p)),
    "a call number": lambda events: _changed(events, sd.TreeCall, number=lambda n: n + 1),
    "another path": lambda events: _changed(events, sd.TreeCommit, path=lambda p: np.append(p, 1)),
    "a count": lambda events: _changed(events, sd.TreeCommit, rolled_back=lambda n: n + 1),
}


def _changed(events, kind, **changes):
    for place, event in enumerate(events):
        if isinstance(event, kind):
            values = {name: change(getattr(event, name)) for name, change in changes.items()}
            return [*events[:place], replace(event, **values), *events[place + 1 :]]
    raise AssertionError


def _doubled(tokens):
    return np.append(tokens, tokens[-1])


@pytest.mark.parametrize("damage", list(DAMAGES))
def test_a_trace_that_contradicts_itself_is_refused(damage):
    run = sd.generate_text(fake_text_pair(), prompt=PROMPT, length=12, topk=2, steps=2, temperature=1.0)
    TextTrace(run.pair, run.request, run.events).check()
    for stop in range(len(run.events)):  # every beginning of a run is fine
        TextTrace(run.pair, run.request, run.events[:stop]).check()
    with pytest.raises(sd.TraceError):
        TextTrace(run.pair, run.request, tuple(DAMAGES[damage](list(run.events)))).check()
