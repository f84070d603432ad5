"""The exact acceptance rules: who keeps a drafted token, and what stands in its place.

Pure functions of p, q, tokens and luck. p is the target's sampling distribution, q the draft's (float64, (batch, n²,
codes)); x are the proposed tokens (batch, n²). "Exact" means: the committed tokens have the law of target-only
decoding, whatever the draft is. The relaxed rules are in relaxed.py, the table of all in rules.py.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

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


def no_luck(kept: Tensor) -> Tensor:
    """The luck of a rule whose test draws nothing."""
    return torch.full(kept.shape, torch.nan, dtype=torch.float64, device=kept.device)


def target_answer(target: Tensor, luck: ScaleLuck) -> Tensor:
    """The target's own draw, argmax(log p + G): the same luck gives the same token in every run of a seed."""
    return draw_gumbel(target, luck.gumbel(Stream.TARGET, target.shape[-1]).to(target.device))


def draft_draw(draft: Tensor, luck: ScaleLuck) -> Tensor:
    """The draft's draw with luck of its own, so that what it proposes says nothing about the acceptance test."""
    return draw(draft, luck.uniforms(Stream.DRAFT).to(draft.device))


def residual_draw(target: Tensor, draft: Tensor, luck: ScaleLuck) -> Tensor:
    """A draw from norm((p − q)₊)."""
    return draw(residual(target, draft), luck.uniforms(Stream.RESIDUAL).to(target.device))


def likeliest(distribution: Tensor, luck: ScaleLuck) -> Tensor:
    """The likeliest code: the draw at temperature 0."""
    return distribution.argmax(dim=-1)


def token(target: Tensor, draft: Tensor, drafted: Tensor, luck: ScaleLuck) -> Verdict:
    """Keep x with probability min(1, p(x)/q(x)), else redraw from norm((p − q)₊).

    Source: Leviathan et al. 2023, algorithm 1; Chen et al. 2023. Exact token by token, since
    q·min(1, p/q) + (1 − Σ min(p, q))·norm((p − q)₊) = p.
    """
    kept, uniforms = token_test(of_token(target, drafted), of_token(draft, drafted), luck)
    tokens = torch.where(kept, drafted, residual_draw(target, draft, luck))
    return Verdict(kept, tokens, kept.all(dim=-1), uniforms)


def token_test(target: Tensor, draft: Tensor, luck: ScaleLuck) -> tuple[Tensor, Tensor]:
    """u < min(1, p/q) for the probabilities (batch, n²) of the drafted tokens, and u."""
    uniforms = luck.uniforms(Stream.ACCEPT).to(target.device)
    # u·q < p instead of a division: a drafted token has q > 0, and where p = 0 it is never kept.
    return uniforms * draft < target, uniforms


def scale(target: Tensor, draft: Tensor, drafted: Tensor, luck: ScaleLuck, *, leniency: float = 0.0) -> Verdict:
    """Keep the whole scale with probability min(1, ∏ p/q), else redraw it from the residual of the joint laws.

    A ``leniency`` of λ nats a token relaxes it: min(1, ∏ e^λ·p/q). The redraw is ``joint_redraw``; keeping those tokens
    that would have passed alone would be wrong.
    Source: Leviathan et al. 2023 applied to the scale as one symbol; design section 3.
    """
    passed, uniforms = joint_test(target, draft, drafted, luck.uniforms(Stream.ACCEPT).to(target.device), leniency)
    tokens = joint_redraw(target, draft, drafted, ~passed, luck)
    kept = passed[:, None].expand(drafted.shape)
    return Verdict(kept, tokens, passed, uniforms[:, None].expand(drafted.shape))


def joint_test(
    target: Tensor, draft: Tensor, drafted: Tensor, uniforms: Tensor, leniency: float = 0.0
) -> tuple[Tensor, Tensor]:
    """u < min(1, ∏ e^λ·p/q) for whole scales, and u, both (batch,): the first uniform of each row."""
    first, eased = uniforms[:, 0], leniency * drafted.shape[-1]
    return first.log() < _joint_log(target, drafted) - _joint_log(draft, drafted) + eased, first


def _joint_log(distribution: Tensor, tokens: Tensor) -> Tensor:
    return of_token(distribution, tokens).log().sum(dim=-1)


def joint_redraw(target: Tensor, draft: Tensor, drafted: Tensor, rejected: Tensor, luck: ScaleLuck) -> Tensor:
    """A draw Y (batch, n²) from norm((P − Q)₊) that shares most tokens with the draft X, where that was ``rejected``.

    Draw pairs (X′, Y′) with X′ ~ Q and Y′ made of X′ as the rule ``token`` would, so that Y′ ~ P; the first Y′ that
    passes a test of probability 1 − min(1, Q(Y′)/P(Y′)) has the law wanted, however the two of a pair hang together.
    The first X′ that fails the joint test is independent of what came before it and has the law of the rejected X: X
    takes its place, and Y mostly is X with few tokens changed. Later pairs need no X′. So later scales, which saw X,
    stay nearly right (docs/decoding.md). One pair is expected for each scale judged, and no model is called.
    rejected: (batch,); the other pictures keep their drafts.
    """

    def uniforms(stream: Stream, attempt: int) -> Tensor:
        return luck.uniforms(stream, attempt).to(target.device)

    if not rejected.any():
        return drafted
    tokens, wanted, used, attempt = drafted, rejected, torch.zeros_like(rejected), 0
    rest = residual(target, draft)
    while wanted.any():
        twin = draw(draft, uniforms(Stream.TWIN, attempt))
        failed = ~joint_test(target, draft, twin, uniforms(Stream.TWIN_TEST, attempt))[0]
        twin = torch.where(failed[:, None], drafted, twin)
        alike = uniforms(Stream.LIKENESS, attempt) * of_token(draft, twin) < of_token(target, twin)
        fresh = uniforms(Stream.RESIDUAL, attempt)
        paired = torch.where(alike, twin, draw(rest, fresh))
        offered = torch.where(used[:, None], draw(target, fresh), paired)
        ratio = _joint_log(draft, offered) - _joint_log(target, offered)
        accepted = uniforms(Stream.REDRAW, attempt)[:, 0] >= ratio.exp()
        tokens = torch.where((wanted & accepted)[:, None], offered, tokens)
        wanted, used, attempt = wanted & ~accepted, used | failed, attempt + 1
    return tokens


def coupled(
    target: Tensor, draft: Tensor | None, drafted: Tensor, luck: ScaleLuck, *, tolerance: float = 0.0
) -> Verdict:
    """Keep x where the target draws the same code with the same Gumbel noise; else the target's code stands.

    Exact picture by picture: what stands is always the target's own answer. A ``tolerance`` above 0 relaxes it: a
    scale with at most that share of changed tokens passes on.
    Source: design section 3; Gumbel coupling as in Daliri et al. 2025 (drafter-invariant speculative decoding).
    """
    return _compare(target_answer(target, luck), drafted, tolerance)


def greedy(target: Tensor, draft: Tensor | None, drafted: Tensor, luck: ScaleLuck) -> Verdict:
    """Keep x where it is the target's likeliest code; else that code stands. The limit of temperature 0."""
    return _compare(target.argmax(dim=-1), drafted, 0.0)


def _compare(answer: Tensor, drafted: Tensor, tolerance: float) -> Verdict:
    kept = answer == drafted
    return Verdict(kept, answer, share(~kept) <= tolerance, no_luck(kept))


def share(flags: Tensor) -> Tensor:
    """The share of true flags of each picture: (batch, n²) → float64 (batch,)."""
    return flags.double().mean(dim=-1)
