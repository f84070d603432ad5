"""The relaxed acceptance rules: fewer target calls, at a price in fidelity that bench.py measures.

Signatures and axes as in acceptance.py. None of these rules has the target's law; each is somebody's proposal, kept as
they meant it. Where a rule replaces single tokens and passes on, later scales were judged under the old ones.
"""

import torch
from torch import Tensor

from sdvar_core.probability import divergence, entropy, of_token, total_variation
from sdvar_core.randomness import ScaleLuck
from sdvar_core.speculative.acceptance import Verdict, no_luck, residual_draw, share, target_answer, token, token_test


def top1(target: Tensor, draft: Tensor, drafted: Tensor, luck: ScaleLuck, *, least_kept: float = 0.5) -> Verdict:
    """Keep x = argmax p; a scale with at least ``least_kept`` of them stands as drafted, else the others are redrawn.

    Source: the seeds' basic_token_matching.
    """
    return _as_drafted_or_redrawn(drafted == target.argmax(dim=-1), target, drafted, luck, least_kept)


def topk(
    target: Tensor, draft: Tensor, drafted: Tensor, luck: ScaleLuck, *, least_kept: float = 0.8, k: int = 50
) -> Verdict:
    """Keep x among the ``k`` likeliest of p; a scale passes and stands as ``top1`` says."""
    rank = (target > of_token(target, drafted)[..., None]).sum(dim=-1)  # codes that are likelier than x
    return _as_drafted_or_redrawn(rank < k, target, drafted, luck, least_kept)


def _as_drafted_or_redrawn(
    kept: Tensor, target: Tensor, drafted: Tensor, luck: ScaleLuck, least_kept: float
) -> Verdict:
    passed = share(kept) >= least_kept
    tokens = torch.where(kept | passed[:, None], drafted, target_answer(target, luck))
    return Verdict(kept, tokens, passed, no_luck(kept))


def kl(
    target: Tensor, draft: Tensor, drafted: Tensor, luck: ScaleLuck, *, least_kept: float = 0.8, bound: float = 0.5
) -> Verdict:
    """Keep x where KL(p‖q) ≤ ``bound`` nats; the target draws the others. A share of ``least_kept`` passes."""
    return _kept_or_answered(divergence(target, draft) <= bound, target, drafted, luck, least_kept)


def typical(
    target: Tensor,
    draft: Tensor,
    drafted: Tensor,
    luck: ScaleLuck,
    *,
    least_kept: float = 0.8,
    epsilon: float = 0.1,
    delta: float = 0.3,
) -> Verdict:
    """Keep x where p(x) ≥ min(ε, δ·e^−H(p)); the target draws the others. A share of ``least_kept`` passes.

    Source: Medusa (Cai et al. 2024), section 2.3.1.
    """
    threshold = (delta * (-entropy(target)).exp()).clamp_max(epsilon)
    return _kept_or_answered(of_token(target, drafted) >= threshold, target, drafted, luck, least_kept)


def _kept_or_answered(kept: Tensor, target: Tensor, drafted: Tensor, luck: ScaleLuck, least_kept: float) -> Verdict:
    tokens = torch.where(kept, drafted, target_answer(target, luck))
    return Verdict(kept, tokens, share(kept) >= least_kept, no_luck(kept))


def neighbours(
    target: Tensor,
    draft: Tensor,
    drafted: Tensor,
    luck: ScaleLuck,
    *,
    codebook: Tensor,
    least_kept: float = 0.8,
    k: int = 10,
    bound: float = 0.2,
) -> Verdict:
    """The ``token`` test with p(x) enlarged by the mass of x's ``k`` nearest codes, as far as ``bound`` allows.

    Nearest first, codes join while the mass they lend stays within ``bound``, which bounds the total variation from
    p. codebook: (codes, channels). Source: LANTERN (Jang et al. 2024), section 4.
    """
    codebook = codebook.to(target.device).double()
    distances = torch.cdist(codebook, codebook)
    distances.fill_diagonal_(-1.0)  # x is not its own neighbour, even beside a twin
    nearest = distances.argsort(dim=-1, stable=True)[:, 1 : k + 1]  # (codes, k)
    lent = target.gather(-1, nearest[drafted])  # (batch, n², k)
    lent = torch.where(lent.cumsum(dim=-1) <= bound, lent, 0.0).sum(dim=-1)
    kept, uniforms = token_test(of_token(target, drafted) + lent, of_token(draft, drafted), luck)
    tokens = torch.where(kept, drafted, residual_draw(target, draft, luck))
    return Verdict(kept, tokens, share(kept) >= least_kept, uniforms)


def likelihood(target: Tensor, draft: Tensor, drafted: Tensor, luck: ScaleLuck, *, bound: float = 0.1) -> Verdict:
    """Keep the whole scale if the mean over its tokens of −log p(x) − H(p) is at most ``bound`` nats, else redraw it.

    Source: design section 3.
    """
    surprise = -of_token(target, drafted).log() - entropy(target)
    passed = surprise.mean(dim=-1) <= bound
    kept = passed[:, None].expand(drafted.shape)
    return Verdict(kept, torch.where(kept, drafted, target_answer(target, luck)), passed, no_luck(kept))


def budget(target: Tensor, draft: Tensor, drafted: Tensor, luck: ScaleLuck, *, bound: float = 4.0) -> Verdict:
    """``token``, but a scale whose summed TV(p, q) is at most ``bound`` passes although tokens were corrected.

    Source: design section 3.
    """
    verdict = token(target, draft, drafted, luck)
    affordable = total_variation(target, draft).sum(dim=-1) <= bound
    return Verdict(verdict.kept, verdict.tokens, verdict.passed | affordable, verdict.luck)
