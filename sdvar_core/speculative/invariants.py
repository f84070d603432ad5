"""What holds in every sound run, by name; each check is a function of the watcher and the event just seen.

Source: design section 6, point 6. Cheap checks compare records and canvases; dear ones call the target again, scale by
scale, or draw again. Nothing here changes a run.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from sdvar_core.errors import RequestError, TraceError
from sdvar_core.events import Bonus, Event, Judged, RoundEnd, TargetCall
from sdvar_core.speculative.decoder import Decoder, Proposal, Window
from sdvar_core.speculative.overturn import overturned
from sdvar_core.speculative.watch import Invariant, Watch, same

Watching = Literal["cheap", "all", "none"]
LARGEST_DIFFERENCE = 1e-4  # of logits in float32 (design section 6), before guidance multiplies it
LEAST_CHANCE = 1e-9  # what may still be luck
BOUNDED_RULES = {"coupled", "token", "scale", "budget"}  # for these 1 − TV bounds the chance to keep a token


def counts(watch: Watch, event: Event | None) -> str | None:
    """Events follow one another, and tokens add up, as design section 4 says."""
    try:
        if event is not None:
            watch.walk.take(event)
    except TraceError as error:
        return str(error)
    return None


def cache_lengths(watch: Watch, event: Event | None) -> str | None:
    """By the K/V rule a cache holds the scales up to the first changed one, and no row more."""
    decoder, caches = watch.decoder, {}
    for name, due in watch.due.items():
        cache = getattr(decoder, name).cache
        caches[name] = (cache.scales, cache.positions)
        if isinstance(event, RoundEnd):
            before, after = getattr(event, f"{name}_cache")
            if (before, after) != (due, watch.held[name]):
                return (
                    f"The {name}'s cache went from {before} to {after} scales; {due} to {watch.held[name]} was right."
                )
        elif event.read_from != due:
            return f"The {name} read from scale {event.read_from + 1} on, but its cache holds {_scales(due)}."
    for name, (scales, positions) in caches.items():
        right, rows = watch.held[name], watch.pair.schedule.offsets[watch.held[name]]
        if (scales, positions) != (right, rows):
            return f"The {name}'s cache holds {_scales(scales)} in {positions} rows; {right} in {rows} is right."
    return None


def _scales(count: int) -> str:
    return f"{count} scale" if count == 1 else f"{count} scales"


def canvas(watch: Watch, event: Event | None) -> str | None:
    """The canvas is what the committed tokens make, each scale added once."""
    if isinstance(event, RoundEnd) and not same(watch.decoder.prefix.canvas, watch.prefix.canvas):
        return f"After {_scales(event.committed)} the canvas is not the sum of the committed tokens."
    return None


def next_input(watch: Watch, event: Event | None) -> str | None:
    """The input of the next scale is the canvas of all coarser ones, averaged down."""
    if not isinstance(event, RoundEnd):
        return None
    found, right = watch.decoder.prefix.inputs, watch.prefix.inputs
    wrong = [scale for scale in range(len(right)) if scale >= len(found) or not same(found[scale], right[scale])]
    return f"The input of scale {wrong[0] + 1} is not the canvas of the scales before it." if wrong else None


def same_prefix(watch: Watch, event: Event | None) -> str | None:
    """Draft and target remember the same picture: every cached scale was read from the committed tokens."""
    if not isinstance(event, RoundEnd):
        return None
    right = watch.prefix.inputs
    for name in ("draft", "target"):
        reader = getattr(watch.decoder, name)
        for scale in range(min(reader.cache.scales, len(right))):
            if scale not in reader.sources or not same(reader.sources[scale], right[scale]):
                return f"The {name}'s cache of scale {scale + 1} was not read from the committed tokens."
    return None


def luck(watch: Watch, event: Event | None) -> str | None:
    """No random number serves two draws."""
    if not isinstance(event, RoundEnd):
        return None
    touched, watch.luck.touched = watch.luck.touched, set()
    for scale in sorted(touched):
        given = watch.luck.given[scale]
        if scale in watch.luck.changed:
            return f"At scale {scale + 1} one address of luck gave two different numbers."
        numbers = np.concatenate([entry.ravel() for entry in given.values()])
        if len(np.unique(numbers)) < len(numbers):
            alone = all(len(np.unique(entry)) == entry.size for entry in given.values())
            where = "two streams" if alone else "several tokens"
            return f"At scale {scale + 1} one random number served {where}."
    return None


def ceiling(watch: Watch, event: Event | None) -> str | None:
    """No more tokens are kept than 1 − TV(p, q) allows, beyond chance.

    By Hoeffding (1963, theorem 1) the chance that n tokens of mean ceiling c are kept at a rate r > c is at most
    exp(−n·KL(r‖c)); unlike a z-score this holds for few tokens and small ceilings too.
    """
    eased = dict(watch.decoder.settings.options).get("leniency")
    if not isinstance(event, Judged) or watch.rule.name not in BOUNDED_RULES or eased or not len(watch.ceilings):
        return None
    count, mean = len(watch.ceilings), float(watch.ceilings.mean().clip(1e-6, 1.0))
    rate = watch.kept / count
    if rate <= mean or count * _binary_divergence(rate, mean) <= -math.log(LEAST_CHANCE):
        return None
    return f"{rate:.1%} of {count} judgements kept the guess; 1 − TV allows {mean:.1%}."


def _binary_divergence(rate: float, mean: float) -> float:
    """KL of two coins in nats; rate > mean."""
    rest = (1.0 - rate) * math.log((1.0 - rate) / (1.0 - mean)) if rate < 1.0 else 0.0
    return rate * math.log(rate / mean) + rest


def guidance(watch: Watch, event: Event | None) -> str | None:
    """Draft and target are guided alike, as the request says."""
    if not isinstance(event, RoundEnd):
        return None
    asked = watch.decoder.request.guidance
    for name in ("draft", "target"):
        reader = getattr(watch.decoder, name)
        if (reader.request.guidance, reader.guided) != (asked, asked > 0.0):
            return f"The {name} is guided by {reader.request.guidance:g}, but the request says {asked:g}."
    return None


def whole_scales(watch: Watch, event: Event | None) -> str | None:
    """Under an exact rule a scale passes if and only if every token of the picture was kept there."""
    exact = watch.rule.exact_with(dict(watch.decoder.settings.options))
    if not isinstance(event, Judged) or not exact or np.array_equal(event.passed, event.kept.all(axis=1)):
        return None
    return f"Scale {event.scale + 1} {'passed' if event.passed.any() else 'failed'}, but its tokens were not judged so."


def finished(watch: Watch, event: Event | None) -> str | None:
    """A run ends when every scale is final."""
    scales, final = len(watch.pair.schedule), watch.prefix.scales
    return f"The run ended with {final} of {scales} scales." if event is None and final < scales else None


def merged_logits(watch: Watch, event: Event | None) -> str | None:
    """The merged verification gives the logits that the target gives scale by scale at the right inputs."""
    if not isinstance(event, TargetCall):
        return None
    tolerance = LARGEST_DIFFERENCE * (1.0 + 2.0 * watch.decoder.request.guidance)
    expected = watch.scale_by_scale(event.start, event.stop)
    for scale, right in enumerate(expected, event.start):
        found = watch.decoder.answers[scale - event.start]
        if not same(found, right, tolerance):
            return f"Scale {scale + 1}: the merged logits are not those of the target scale by scale."
    return None


def query(watch: Watch, event: Event | None) -> str | None:
    """The target's input of a scale does not change with the tokens it judges there."""
    if not isinstance(event, TargetCall):
        return None
    decoder, window = watch.decoder, watch.decoder.window
    asked = _asked(decoder, window, window.proposals)
    for index, scale in enumerate(range(window.start, window.start + len(window.proposals))):
        proposals = list(window.proposals)
        proposals[index] = replace(proposals[index], tokens=(proposals[index].tokens + 1) % watch.pair.codes)
        changed = _asked(decoder, window, proposals)
        if not all(same(asked[earlier], changed[earlier]) for earlier in range(scale + 1)):
            return f"The target's input of scale {scale + 1} changes with the tokens that it judges there."
    return None


def _asked(decoder: Decoder, window: Window, proposals: list[Proposal]) -> Sequence[Tensor | None]:
    """The inputs with which the decoder would verify these proposals."""
    supposed = decoder.prefix
    for proposal in proposals:
        supposed = decoder.extended(supposed, proposal.tokens)
    return decoder.query(replace(window, proposals=proposals, supposed=supposed))


def drawn(watch: Watch, event: Event | None) -> str | None:
    """Guesses are drawn from the very q that they are judged with."""
    if not isinstance(event, RoundEnd):
        return None
    window = watch.decoder.window
    for scale, (proposal, rule) in enumerate(zip(window.proposals, watch.drawn_by), window.start):
        if not torch.equal(rule.propose(proposal.distribution, watch.decoder.luck_of(scale)), proposal.tokens):
            return f"The guesses of scale {scale + 1} are not draws from the q that was recorded."
    return None


def judgement(watch: Watch, event: Event | None) -> str | None:
    """Judging again, with the same p, q, guesses and luck, gives the same verdict; and so does drawing alone."""
    if not isinstance(event, Judged | Bonus):
        return None
    decoder, window = watch.decoder, watch.decoder.window
    p = decoder.target.distribution(decoder.answers[event.scale - window.start])
    scale_luck = decoder.luck_of(event.scale)
    if isinstance(event, Bonus):
        right = watch.rule.answer(p, scale_luck).cpu().numpy()
        return None if np.array_equal(right, event.tokens) else f"Scale {event.scale + 1} is not the target's own draw."
    proposal = window.proposals[event.scale - window.start]
    verdict = watch.rule.judge(p, proposal.distribution, proposal.tokens, scale_luck, **decoder.options)
    for token in decoder.by_hand:
        verdict = overturned(verdict, token, p, proposal.tokens, watch.rule, scale_luck)
    pairs = ((verdict.kept, event.kept), (verdict.tokens, event.tokens), (verdict.passed, event.passed))
    if all(np.array_equal(right.cpu().numpy(), found) for right, found in pairs):
        return None
    return f"Rule {watch.rule.name!r} would judge scale {event.scale + 1} otherwise."


_ALL_INVARIANTS = (
    Invariant("counts", "Events and token counts add up.", counts),
    Invariant("cache length", "Caches hold exactly the scales that are still true.", cache_lengths),
    Invariant("canvas", "The canvas is made from the committed tokens, each scale once.", canvas),
    Invariant("next input", "The next scale's input is the canvas so far.", next_input),
    Invariant("same prefix", "Draft and target remember the same, committed picture.", same_prefix),
    Invariant("luck", "No random number serves two draws.", luck),
    Invariant("ceiling", "No more guesses are kept than 1 − TV allows.", ceiling),
    Invariant("guidance", "Draft and target are guided alike.", guidance),
    Invariant("whole scales", "Under an exact rule only a wholly kept scale passes.", whole_scales),
    Invariant("finished", "The run ends with the last scale.", finished),
    Invariant("merged logits", "Checking scales together gives the logits of one by one.", merged_logits, dear=True),
    Invariant("query", "What the target is asked does not hold the tokens it judges.", query, dear=True),
    Invariant("drawn", "Guesses are drawn from the recorded q.", drawn, dear=True),
    Invariant("judgement", "The rule, asked again, gives the same verdict.", judgement, dear=True),
)
INVARIANTS: dict[str, Invariant] = {invariant.name: invariant for invariant in _ALL_INVARIANTS}


def invariants_for(watching: Watching) -> Sequence[Invariant]:
    """Those to check: the cheap ones, all, or none; RequestError for another word."""
    if watching not in ("cheap", "all", "none"):
        raise RequestError(f"watch must be 'cheap', 'all' or 'none', found {watching!r}.")
    return [entry for entry in _ALL_INVARIANTS if watching == "all" or (watching == "cheap" and not entry.dear)]
