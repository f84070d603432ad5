"""Each invariant by itself: silent on a sound run, and loud when the one thing that it guards is changed."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import sdvar_core as sd
from sdvar_core.randomness import Luck, Stream
from sdvar_core.speculative.decoder import Decoder
from sdvar_core.speculative.invariants import invariants_for
from sdvar_core.speculative.reader import Prefix
from sdvar_core.speculative.watch import Watch, WatchedLuck, same
from tests.fakes import tick_clock
from tests.tiny import stirred_pair

REQUEST = sd.Request(label=(0, 4), seed=3, gamma=2, rule="token")


@pytest.fixture(scope="module")
def pair() -> sd.Pair:
    return stirred_pair(0.1)


def found_in(pair: sd.Pair, tamper, request: sd.Request = REQUEST) -> list[sd.Violation]:
    """Violations of a sound run whose decoder, watch and events pass through ``tamper`` before they are looked at."""
    luck = WatchedLuck(Luck(request.seeds))
    decoder = Decoder(pair, request, tick_clock(), luck)
    watch, violations = Watch(decoder, pair, luck), []
    for event in decoder.events():
        event = tamper(decoder, watch, event)
        violations += watch.violations(event, invariants_for("all"))
    return violations + list(watch.violations(None, invariants_for("all")))


def untouched(decoder, watch, event):
    return event


def at(kind, change):
    """Tamper with events of one kind."""
    return lambda decoder, watch, event: change(decoder, watch, event) or event if isinstance(event, kind) else event


def wrong_count(decoder, watch, event):
    return replace(event, gamma=event.gamma + 1)


def shorter_cache(decoder, watch, event):
    decoder.target.cache.scales -= 1


def wrong_record_of_cache(decoder, watch, event):
    return replace(event, draft_cache=(event.draft_cache[0], 0))


def late_reading(decoder, watch, event):
    return replace(event, read_from=event.read_from + 1)


def other_canvas(decoder, watch, event):
    old = decoder.prefix
    decoder.prefix = Prefix(old.quantizer, old.canvas + 0.01, old.inputs, old.scales)


def other_input(decoder, watch, event):
    old = decoder.prefix
    inputs = [entry if entry is None else entry + 0.01 for entry in old.inputs]
    decoder.prefix = Prefix(old.quantizer, old.canvas, tuple(inputs), old.scales)


def missing_input(decoder, watch, event):
    old = decoder.prefix
    if old.scales == decoder.scales:
        decoder.prefix = Prefix(old.quantizer, old.canvas, old.inputs[:1], old.scales)


def other_source(decoder, watch, event):
    decoder.draft.sources[0] = torch.zeros(1)


def no_source(decoder, watch, event):
    decoder.target.sources.clear()


def number_served_twice(decoder, watch, event):
    given = watch.luck.given[0]["uniforms", Stream.DRAFT, 0]
    watch.luck.remember(0, ("uniforms", Stream.RESIDUAL, 7), given)


def address_with_two_numbers(decoder, watch, event):
    watch.luck.remember(0, ("uniforms", Stream.DRAFT, 0), np.zeros((2, 1)))


def all_kept(decoder, watch, event):
    tokens = np.ones_like(event.kept)
    return replace(event, kept=tokens, tokens=event.drafted, total_variation=np.full(tokens.shape, 0.99, np.float32))


def other_guidance(decoder, watch, event):
    decoder.draft.request = replace(decoder.draft.request, guidance=3.0)


def passed_otherwise(decoder, watch, event):
    return replace(event, passed=~event.passed)


def louder(decoder, watch, event):
    decoder.answers[-1] = decoder.answers[-1] + 0.01


def asks_for_more(decoder, watch, event):
    def query(window):
        inputs = list(window.supposed.inputs)
        for scale, proposal in enumerate(window.proposals, window.start):
            if scale:
                inputs[scale] = inputs[scale] + proposal.tokens[..., None]
        return inputs

    decoder.query = query


def other_q(decoder, watch, event):
    window = decoder.window
    proposals = [replace(entry, distribution=entry.distribution.flip(-1)) for entry in window.proposals]
    decoder.window = replace(window, proposals=proposals)


def other_token(decoder, watch, event):
    return replace(event, tokens=(event.tokens + 1) % decoder.pair.codes)


def last_token_dropped(decoder, watch, event):
    return replace(event, kept=event.kept & False)


CASES = [
    ("counts", sd.RoundEnd, wrong_count),
    ("cache length", sd.RoundEnd, shorter_cache),
    ("cache length", sd.RoundEnd, wrong_record_of_cache),
    ("cache length", sd.Drafted, late_reading),
    ("cache length", sd.TargetCall, late_reading),
    ("canvas", sd.RoundEnd, other_canvas),
    ("next input", sd.RoundEnd, other_input),
    ("next input", sd.RoundEnd, missing_input),
    ("same prefix", sd.RoundEnd, other_source),
    ("same prefix", sd.RoundEnd, no_source),
    ("luck", sd.RoundEnd, number_served_twice),
    ("luck", sd.RoundEnd, address_with_two_numbers),
    ("ceiling", sd.Judged, all_kept),
    ("guidance", sd.RoundEnd, other_guidance),
    ("whole scales", sd.Judged, passed_otherwise),
    ("merged logits", sd.TargetCall, louder),
    ("query", sd.TargetCall, asks_for_more),
    ("drawn", sd.RoundEnd, other_q),
    ("judgement", sd.Judged, other_token),
    ("judgement", sd.Judged, last_token_dropped),
    ("judgement", sd.Bonus, other_token),
]


@pytest.mark.parametrize(("invariant", "kind", "change"), CASES)
def test_each_invariant_notices_what_it_guards(pair, invariant, kind, change):
    violations = found_in(pair, at(kind, change))
    assert invariant in {violation.invariant for violation in violations}
    keys = [(violation.invariant, violation.round) for violation in violations]
    assert len(keys) == len(set(keys))  # at most one for each invariant and round


def test_a_sound_run_shows_nothing(pair):
    assert found_in(pair, untouched) == []
    assert {case[0] for case in CASES} | {"finished"} == set(sd.INVARIANTS)


def test_a_run_must_finish(pair):
    luck = WatchedLuck(Luck(REQUEST.seeds))
    decoder = Decoder(pair, REQUEST, tick_clock(), luck)
    watch = Watch(decoder, pair, luck)
    for event in decoder.events():
        list(watch.violations(event, invariants_for("cheap")))
        if isinstance(event, sd.RoundEnd):
            break
    (violation,) = watch.violations(None, invariants_for("cheap"))
    assert (violation.invariant, violation.round) == ("finished", 1)
    assert "of 4 scales" in violation.sentence


def test_rounding_is_no_violation(pair):
    def rounding(decoder, watch, event):
        decoder.answers[-1] = decoder.answers[-1] + 1e-5
        old = decoder.prefix
        decoder.prefix = Prefix(old.quantizer, old.canvas + 1e-6, old.inputs, old.scales)

    assert found_in(pair, at(sd.TargetCall, rounding)) == []


def test_same():
    one = torch.ones(2)
    assert same(None, None)
    assert not same(one, None)
    assert not same(one, torch.ones(3))
    assert same(one, one + 1e-6)
    assert not same(one, one + 1e-3)
    assert not same(one, torch.full((2,), torch.nan))


@pytest.mark.parametrize(("ceiling", "tokens"), [(0.001, 10), (0.5, 1), (0.5, 400), (0.97, 60), (0.999, 2000)])
def test_the_ceiling_is_quiet_where_tokens_are_kept_at_their_ceiling(pair, ceiling, tokens):
    """2000 chances each; a z-score would fire in the first case at every other kept token."""
    check = sd.INVARIANTS["ceiling"].check
    luck = np.random.default_rng(5)
    watch, event = ceiling_watch(pair)
    for _ in range(2000):
        watch.kept, watch.ceilings = int((luck.random(tokens) < ceiling).sum()), np.full(tokens, ceiling)
        assert check(watch, event) is None
    watch.kept, watch.ceilings = 400, np.full(400, 0.8)
    assert "100.0% of 400 judgements" in check(watch, event)


def ceiling_watch(pair):
    luck = WatchedLuck(Luck(REQUEST.seeds))
    decoder = Decoder(pair, REQUEST, tick_clock(), luck)
    events = list(decoder.events())
    return Watch(decoder, pair, luck), next(event for event in events if isinstance(event, sd.Judged))


def test_the_ceiling_counts_scales_where_a_rule_judges_them_whole(pair):
    request = replace(REQUEST, rule="scale")
    luck = WatchedLuck(Luck(request.seeds))
    decoder = Decoder(pair, request, tick_clock(), luck)
    watch, judged = Watch(decoder, pair, luck), 0
    for event in decoder.events():
        list(watch.violations(event, invariants_for("cheap")))
        judged += 2 * isinstance(event, sd.Judged)  # pictures
    assert len(watch.ceilings) == judged > 0


def test_watching_changes_nothing(pair):
    runs = [sd.generate(pair, REQUEST, clock=tick_clock(), watch=watch) for watch in ("none", "cheap", "all")]
    assert runs[0].same_run(runs[1])
    assert runs[0].same_run(runs[2])


def test_watching_takes_one_of_three_words(pair):
    with pytest.raises(sd.RequestError, match="'cheap', 'all' or 'none'"):
        sd.decode(pair, REQUEST, watch="some")
    assert len(invariants_for("cheap")) < len(invariants_for("all")) == len(sd.INVARIANTS)
