"""How many tokens a rule should keep, from p and q alone: formulas written apart from the rules that they judge.

p and q are float64 (batch, n², codes), x the drafted tokens (batch, n²). A chance is that of keeping a token, given p
and q and the rule's own options; where a rule judges a scale whole, it is given x too.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from sdvar_core.probability import descending, divergence, entropy, of_token, total_variation

Chance = Callable[..., Tensor]


@dataclass(frozen=True)
class Prediction:
    """Tokens expected to be kept of those judged, and the variance of their number."""

    expected: float
    variance: float


def prediction(rule: str, p: Tensor, q: Tensor, x: Tensor, options: Mapping[str, object]) -> Prediction | None:
    """What ``rule`` should keep of one judged scale; None for ``likelihood``, which no formula in p and q foretells."""
    if rule == "scale":
        ratio = (of_token(p, x) / of_token(q, x)).log() + options["leniency"]
        return _sum(ratio.sum(dim=-1).exp(), x.shape[-1])  # (batch,), above 1 where P > Q
    if rule not in CHANCES:
        return None
    return _sum(CHANCES[rule](p, q, options), 1)


def _sum(chance: Tensor, tokens: int) -> Prediction:
    """Of independent decisions with these chances, each about so many tokens."""
    chance = chance.clamp(0.0, 1.0)  # sums over codes end a rounding beside their bounds
    return Prediction(float(chance.sum()) * tokens, float((chance * (1.0 - chance)).sum()) * tokens**2)


def overlap(p: Tensor, q: Tensor, options: Mapping[str, object]) -> Tensor:
    """Σ min(p, q) = 1 − TV: the most that any exact test of single tokens keeps (Leviathan et al. 2023)."""
    return 1.0 - total_variation(p, q)


def coupling(p: Tensor, q: Tensor, options: Mapping[str, object]) -> Tensor:
    """The chance that one Gumbel noise gives both the same code: Σ_x 1 / Σ_y max(p_y/p_x, q_y/q_x).

    With r = p/q the inner sum is P(r ≥ r_x)/p_x + Q(r < r_x)/q_x, so that sorting by r gives all of them.
    """
    ratio = torch.where(q > 0.0, p / q, torch.inf)
    ratio, order = ratio.sort(dim=-1, descending=True, stable=True)
    p, q = p.gather(-1, order), q.gather(-1, order)
    # Up to rounding it does not matter on which side codes of equal r stand: there p_y/p_x = q_y/q_x.
    inner = p.cumsum(dim=-1) / p + (q.sum(dim=-1, keepdim=True) - q.cumsum(dim=-1)).clamp_min(0.0) / q
    return torch.where((p > 0.0) & (q > 0.0), 1.0 / inner, 0.0).sum(dim=-1)


def same_likeliest(p: Tensor, q: Tensor, options: Mapping[str, object]) -> Tensor:
    """1 where both find the same code likeliest."""
    return (p.argmax(dim=-1) == q.argmax(dim=-1)).double()


def of_the_likeliest(p: Tensor, q: Tensor, options: Mapping[str, object]) -> Tensor:
    """q of the target's likeliest code."""
    return of_token(q, p.argmax(dim=-1))


def of_the_likely(p: Tensor, q: Tensor, options: Mapping[str, object]) -> Tensor:
    """q of the target's ``k`` likeliest codes."""
    place = min(int(options["k"]), p.shape[-1]) - 1
    return torch.where(p >= descending(p)[..., place, None], q, 0.0).sum(dim=-1)


def near(p: Tensor, q: Tensor, options: Mapping[str, object]) -> Tensor:
    """1 where KL(p‖q) is within the bound."""
    return (divergence(p, q) <= options["bound"]).double()


def of_the_typical(p: Tensor, q: Tensor, options: Mapping[str, object]) -> Tensor:
    """q of the codes that the target finds likely enough."""
    least = (options["delta"] * (-entropy(p)).exp()).clamp_max(options["epsilon"])
    return torch.where(p >= least[..., None], q, 0.0).sum(dim=-1)


def with_neighbours(p: Tensor, q: Tensor, options: Mapping[str, object]) -> Tensor:
    """Σ min(p + lent, q): the overlap once codes that look alike have lent each other their probability."""
    codebook = options["codebook"].double()
    distances = torch.cdist(codebook, codebook).fill_diagonal_(torch.inf)
    nearest = distances.argsort(dim=-1, stable=True)[:, : min(int(options["k"]), len(codebook) - 1)]
    lent = p[..., nearest]  # (batch, n², codes, k)
    lent = torch.where(lent.cumsum(dim=-1) <= options["bound"], lent, 0.0).sum(dim=-1)
    return torch.minimum(p + lent, q).sum(dim=-1)


CHANCES: dict[str, Chance] = {
    "coupled": coupling,
    "token": overlap,
    "greedy": same_likeliest,
    "top1": of_the_likeliest,
    "topk": of_the_likely,
    "kl": near,
    "typical": of_the_typical,
    "neighbours": with_neighbours,
    "budget": overlap,
}
