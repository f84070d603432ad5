"""From logits to distributions, and what can be done with a distribution. All pure, all float64.

Axes: distributions are (..., codes) and sum to 1 over the last axis; tokens and uniforms are (...).
"""

import numpy as np
import torch
from torch import Tensor


def guide(conditional: Tensor, unconditional: Tensor, strength: float) -> Tensor:
    """Classifier-free guidance on logits: (1 + t)·conditional − t·unconditional (Ho & Salimans 2022)."""
    return (1.0 + strength) * conditional - strength * unconditional


def guidance_at(guidance: float, scale: int, scales: int) -> float:
    """Guidance strength t at a scale: grows linearly from 0 at the first to ``guidance`` at the last (VAR)."""
    return guidance * scale / (scales - 1) if scales > 1 else 0.0


def distribution(logits: Tensor, temperature: float = 1.0, top_k: int = 0, top_p: float = 1.0) -> Tensor:
    """The sampling distribution of logits: temperature, then top-k, then top-p. ``top_k`` 0 keeps all codes."""
    logits = logits.double() / temperature
    if 0 < top_k < logits.shape[-1]:
        smallest_kept = descending(logits)[..., top_k - 1, None]
        logits = logits.masked_fill(logits < smallest_kept, -torch.inf)
    probabilities = logits.softmax(dim=-1)
    return nucleus(probabilities, top_p) if top_p < 1.0 else probabilities


def nucleus(probabilities: Tensor, top_p: float) -> Tensor:
    """Keep the fewest likeliest codes whose mass reaches ``top_p``, renormalised (Holtzman et al. 2020)."""
    ordered = descending(probabilities)
    mass_before = ordered.cumsum(dim=-1) - ordered
    count = (mass_before < top_p).sum(dim=-1, keepdim=True)
    least = ordered.gather(-1, count - 1)
    above, level = probabilities > least, probabilities == least
    # Of codes as likely as the least one kept, those of the smallest numbers stay.
    first = level & (level.cumsum(dim=-1) <= count - above.sum(dim=-1, keepdim=True))
    kept = torch.where(above | first, probabilities, 0.0)
    return kept / kept.sum(dim=-1, keepdim=True)


def descending(values: Tensor) -> Tensor:
    """The values of each row, largest first. On a CPU by numpy, whose sort is many times faster than torch's."""
    if values.device.type == "cpu":
        return torch.from_numpy(-np.sort(-values.detach().numpy(), axis=-1))
    return values.sort(dim=-1, descending=True).values


def of_token(probabilities: Tensor, tokens: Tensor) -> Tensor:
    """The probability of each token: (..., codes), (...) → (...)."""
    return probabilities.gather(-1, tokens[..., None])[..., 0]


def draw(probabilities: Tensor, uniforms: Tensor) -> Tensor:
    """One code a row by inversion of the cumulative distribution; never a code of probability 0. int64 (...)."""
    cumulative = probabilities.cumsum(dim=-1)
    total = cumulative[..., -1]
    below_total = torch.nextafter(total, torch.zeros_like(total))
    wanted = torch.minimum(uniforms * total, below_total)
    return torch.searchsorted(cumulative, wanted[..., None].contiguous(), right=True)[..., 0]


def draw_gumbel(probabilities: Tensor, noise: Tensor) -> Tensor:
    """One code a row as argmax(log p + Gumbel noise), which has law p (Gumbel 1954; Maddison et al. 2014)."""
    return (probabilities.log() + noise).argmax(dim=-1)


def residual(target: Tensor, draft: Tensor) -> Tensor:
    """What a rejected token is redrawn from: norm((p − q)₊) (Leviathan et al. 2023, eq. 3).

    Where p = q nothing is ever rejected; the row is then p itself, so that every row is a distribution.
    """
    excess = (target - draft).clamp_min(0.0)
    mass = excess.sum(dim=-1, keepdim=True)
    return torch.where(mass > 0.0, excess / mass.clamp_min(torch.finfo(excess.dtype).tiny), target)


def total_variation(target: Tensor, draft: Tensor) -> Tensor:
    """Half the sum of |p − q|: one minus the ceiling of the acceptance rate at a token."""
    return 0.5 * (target - draft).abs().sum(dim=-1)


def entropy(probabilities: Tensor) -> Tensor:
    """Entropy in nats; 0·log 0 is 0."""
    return -torch.special.xlogy(probabilities, probabilities).sum(dim=-1)


def divergence(target: Tensor, draft: Tensor) -> Tensor:
    """KL(p‖q) in nats; infinite where q misses a code that p has."""
    ratio = torch.where(target > 0.0, target / draft, 1.0)
    return (target * ratio.log()).sum(dim=-1)
