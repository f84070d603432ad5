"""Acceptance rules: who keeps a drafted token, and what stands in its place. Pure functions of p, q, tokens and luck.

p is the target's sampling distribution, q the draft's (float64, (batch, n², codes)); x are the drafted tokens (batch,
n²). "Exact" means: the committed tokens have the law of target-only decoding, whatever the draft is.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from sdvar_core.errors import RequestError
from sdvar_core.probability import draw, draw_gumbel, of_token, residual
from sdvar_core.randomness import ScaleLuck, Stream


@dataclass(frozen=True, eq=False)
class Verdict:
    """What a rule says of one scale: kept bool, tokens int64 and luck float64 are (batch, n²), passed is bool (batch,).

    luck holds the uniforms of the acceptance test, NaN where the rule uses none.
    """

    kept: Tensor
    tokens: Tensor
    passed: Tensor
    luck: Tensor


@dataclass(frozen=True)
class Rule:
    """A rule is three draws: how the draft proposes, how the target answers alone, how a proposal is judged."""

    name: str
    exact: bool
    sentence: str
    propose: Callable[[Tensor, ScaleLuck], Tensor]
    answer: Callable[[Tensor, ScaleLuck], Tensor]
    judge: Callable[[Tensor, Tensor, Tensor, ScaleLuck], Verdict]


def target_answer(target: Tensor, luck: ScaleLuck) -> Tensor:
    """The target's own draw, argmax(log p + G): the same luck gives the same token in every run of a seed."""
    return draw_gumbel(target, luck.gumbel(Stream.TARGET, target.shape[-1]).to(target.device))


def draft_draw(draft: Tensor, luck: ScaleLuck) -> Tensor:
    """The draft's draw with luck of its own, so that what it proposes says nothing about the acceptance test."""
    return draw(draft, luck.uniforms(Stream.DRAFT).to(draft.device))


def token(target: Tensor, draft: Tensor, drafted: Tensor, luck: ScaleLuck) -> Verdict:
    """Keep x with probability min(1, p(x)/q(x)), else redraw from norm((p − q)₊).

    Source: Leviathan et al. 2023, algorithm 1; Chen et al. 2023. Exact token by token, since
    q·min(1, p/q) + (1 − Σ min(p, q))·norm((p − q)₊) = p.
    """
    uniforms = luck.uniforms(Stream.ACCEPT).to(target.device)
    # u < p/q without the division: a drafted token has q > 0, and where p = 0 it is never kept.
    kept = uniforms * of_token(draft, drafted) < of_token(target, drafted)
    redrawn = draw(residual(target, draft), luck.uniforms(Stream.RESIDUAL).to(target.device))
    return Verdict(kept, torch.where(kept, drafted, redrawn), kept.all(dim=-1), uniforms)


def coupled(target: Tensor, draft: Tensor, drafted: Tensor, luck: ScaleLuck) -> Verdict:
    """Keep x where the target draws the same code with the same Gumbel noise; else the target's code stands.

    Source: design section 3; Gumbel coupling as in Daliri et al. 2025 (drafter-invariant speculative decoding). Exact
    picture by picture: what stands is always the target's own answer.
    """
    return _compare(target_answer(target, luck), drafted)


def greedy(target: Tensor, draft: Tensor, drafted: Tensor, luck: ScaleLuck) -> Verdict:
    """Keep x where it is the target's likeliest code; else that code stands. The limit of temperature 0."""
    return _compare(target.argmax(dim=-1), drafted)


def _compare(answer: Tensor, drafted: Tensor) -> Verdict:
    kept = answer == drafted
    return Verdict(kept, answer, kept.all(dim=-1), torch.full(kept.shape, torch.nan, dtype=torch.float64))


def _likeliest(distribution: Tensor, luck: ScaleLuck) -> Tensor:
    return distribution.argmax(dim=-1)


RULES: dict[str, Rule] = {
    rule.name: rule
    for rule in (
        Rule(
            "coupled",
            True,
            "Draft and target share their luck. The picture equals the target's own, token for token.",
            target_answer,
            target_answer,
            coupled,
        ),
        Rule(
            "token",
            True,
            "Each guess is kept with probability min(1, p/q), else redrawn. The distribution is the target's.",
            draft_draw,
            target_answer,
            token,
        ),
        Rule(
            "greedy",
            True,
            "Always the likeliest code, as at temperature 0. The picture equals the target's greedy one.",
            _likeliest,
            _likeliest,
            greedy,
        ),
    )
}


def rule_named(name: str) -> Rule:
    """The rule of that name; RequestError for an unknown one."""
    if name not in RULES:
        raise RequestError(f"Unknown rule {name!r}: choose one of {', '.join(RULES)}.")
    return RULES[name]
