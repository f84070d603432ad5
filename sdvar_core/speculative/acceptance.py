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


def scale(target: Tensor, draft: Tensor, drafted: Tensor, luck: ScaleLuck) -> Verdict:
    """Keep the whole scale with probability min(1, ∏ p/q), else redraw it whole.

    The redraw repeats Y ~ P until one is accepted with probability 1 − min(1, Q(Y)/P(Y)), which is the residual of the
    joint distributions P and Q by rejection; at most one draw is expected, and no model is called. A token-wise
    fallback would be wrong. Source: Leviathan et al. 2023 applied to the scale as one symbol; design section 3.
    """
    ratio = _joint_log(target, drafted) - _joint_log(draft, drafted)  # (batch,)
    uniforms = luck.uniforms(Stream.ACCEPT).to(target.device)[:, 0]
    passed = uniforms.log() < ratio
    tokens = torch.where(passed[:, None], drafted, _joint_residual(target, draft, ~passed, luck))
    kept = passed[:, None].expand(drafted.shape)
    return Verdict(kept, tokens, passed, uniforms[:, None].expand(drafted.shape))


def _joint_log(distribution: Tensor, tokens: Tensor) -> Tensor:
    return of_token(distribution, tokens).log().sum(dim=-1)


def _joint_residual(target: Tensor, draft: Tensor, wanted: Tensor, luck: ScaleLuck) -> Tensor:
    """A draw (batch, n²) from norm((P − Q)₊) for the pictures that are ``wanted`` (batch,); the others' are unused."""
    tokens, attempt = torch.zeros(target.shape[:-1], dtype=torch.int64, device=target.device), 0
    wanted = wanted.clone()
    while wanted.any():
        offered = draw(target, luck.uniforms(Stream.RESIDUAL, attempt).to(target.device))
        uniforms = luck.uniforms(Stream.REDRAW, attempt).to(target.device)[:, 0]
        accepted = uniforms >= (_joint_log(draft, offered) - _joint_log(target, offered)).exp()
        tokens = torch.where((wanted & accepted)[:, None], offered, tokens)
        wanted, attempt = wanted & ~accepted, attempt + 1
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
