"""The law of tree decoding is the target's, by enumeration of every way the real loop can go; wrong rules are seen."""

from dataclasses import replace

import pytest

import sdvar_core as sd
from sdvar_core.speculative import tree_decoder
from sdvar_core.speculative.tree_decoder import softened
from sdvar_core.speculative.tree_growth import grow_likeliest, grow_sampled
from tests.enumeration import BranchingTextLuck, every_path
from tests.fakes import fake_text_pair

PROMPT = b"\x01\x00"


def law_of_target(pair: sd.TextPair, prompt: bytes, length: int, temperature: float) -> dict[tuple[int, ...], float]:
    """The law of the next ``length`` tokens under the target alone, by the chain rule."""
    law: dict[tuple[int, ...], float] = {(): 1.0}
    for _ in range(length):
        following = {}
        for text, weight in law.items():
            p = softened(pair.target.logits((*prompt, *text)), temperature)
            following |= {(*text, token): weight * float(p[token]) for token in range(pair.vocabulary)}
        law = following
    return law


def law_of_run(pair: sd.TextPair, request: sd.TextRequest) -> dict[tuple[int, ...], float]:
    """The law of the text over every way the real loop can go."""

    def walk(choices):
        events = list(sd.decode_text(pair, request, luck=BranchingTextLuck(choices), watch="none"))
        return tuple(sd.text_trace_of(pair, request, events).written)

    law: dict[tuple[int, ...], float] = {}
    for weight, outcome in every_path(walk):
        law[outcome] = law.get(outcome, 0.0) + weight
    return law


@pytest.mark.parametrize("expansion", ["linear", "full"])
@pytest.mark.parametrize("shape", list(sd.TREE_SHAPES))
@pytest.mark.parametrize(
    ("children", "nodes", "sharpness"),
    [
        ("likeliest", None, 1.0),
        ("likeliest", 3, 2.0),
        ("likeliest", 2, 1.0),
        ("sampled", None, 1.0),
        ("sampled", 3, 2.0),
        ("sampled", 2, 1.0),
    ],
)
def test_the_law_of_the_text_is_the_targets(expansion, shape, children, nodes, sharpness):
    if children == "sampled" and expansion == "full" and nodes is None and shape != "fixed":
        nodes = 5
    pair = fake_text_pair(vocabulary=3, sharpness=sharpness)
    request = sd.TextRequest(PROMPT, 3, 2, 2, expansion, nodes, 0.8, children=children, shape=shape)
    law = law_of_run(pair, request)
    expected = law_of_target(pair, PROMPT, 3, 0.8)
    assert len(expected) == 27
    assert sum(law.values()) == pytest.approx(1.0, abs=1e-9)
    for outcome, chance in expected.items():
        assert law.get(outcome, 0.0) == pytest.approx(chance, abs=1e-9)


def largest_bias(pair: sd.TextPair, request: sd.TextRequest) -> float:
    law, expected = law_of_run(pair, request), law_of_target(pair, PROMPT, request.length, request.temperature)
    return max(abs(law.get(outcome, 0.0) - chance) for outcome, chance in expected.items())


def judged_as(monkeypatch, children: str, rule: str) -> None:
    wrong = sd.CHILDREN[rule]
    faulty = replace(sd.CHILDREN[children], chance=wrong.chance, after_rejection=wrong.after_rejection)
    monkeypatch.setitem(sd.CHILDREN, children, faulty)


def test_likeliest_children_judged_as_if_sampled_change_the_law(monkeypatch):
    def with_distributions(root, ask, growth):
        tree = grow_likeliest(root, ask, growth)
        return replace(tree, distributions={0: ask(sd.DraftTree.of_root(root), [0])[0]})

    monkeypatch.setattr(tree_decoder, "grow_likeliest", with_distributions)
    pair, request = fake_text_pair(vocabulary=3), sd.TextRequest(PROMPT, 2, 2, 1, temperature=1.0)
    assert largest_bias(pair, request) < 1e-9
    judged_as(monkeypatch, "likeliest", "sampled")
    assert largest_bias(pair, request) > 0.01


def test_sampled_children_may_be_judged_as_if_fixed_but_fewer_are_accepted(monkeypatch):
    pair, request = fake_text_pair(3, own_draft=True), sd.TextRequest(PROMPT, 2, 1, 1, "full", None, 1.0)
    request = replace(request, children="sampled")
    assert sd.generate_text(pair, request).accepted == 1
    judged_as(monkeypatch, "sampled", "likeliest")
    assert largest_bias(pair, request) < 1e-9
    rates = [sd.generate_text(pair, replace(request, seed=seed)).accepted for seed in range(30)]
    assert sum(rates) < 28


def test_keeping_the_best_of_sampled_children_changes_the_law(monkeypatch):
    """Why a sampled tree is planned before it is drawn."""

    def keeping_the_best(root, ask, growth, luck, position):
        return grow_sampled(root, ask, growth, luck, position).best(1)

    monkeypatch.setattr(tree_decoder, "grow_sampled", keeping_the_best)
    request = sd.TextRequest(PROMPT, 2, 2, 1, temperature=1.0, children="sampled")
    assert largest_bias(fake_text_pair(vocabulary=3), request) > 0.01
