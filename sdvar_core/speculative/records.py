"""Tensors of a running decoder as the records of a trace."""

import numpy as np
import torch
from torch import Tensor

from sdvar_core.probability import entropy, of_token, total_variation
from sdvar_core.speculative.acceptance import Verdict
from sdvar_core.trace import Judged


def judged(number: int, scale: int, proposal, p: Tensor, verdict: Verdict) -> Judged:
    """The event of a judged scale; ``proposal`` is the guess and p the target's distribution (batch, n², codes)."""
    q, x = proposal.distribution, proposal.tokens
    unknown = torch.full(x.shape, torch.nan)
    return Judged(
        round=number,
        scale=scale,
        drafted=ints(x),
        tokens=ints(verdict.tokens),
        kept=verdict.kept.cpu().numpy(),
        target_probability=floats(of_token(p, x)),
        draft_probability=floats(unknown if q is None else of_token(q, x)),
        standing_probability=floats(of_token(p, verdict.tokens)),
        total_variation=floats(unknown if q is None else total_variation(p, q)),
        entropy=floats(entropy(p)),
        luck=floats(verdict.luck),
        passed=verdict.passed.cpu().numpy(),
    )


def ints(tokens: Tensor) -> np.ndarray:
    """Tokens as an event holds them."""
    return tokens.cpu().numpy().astype(np.int32)


def floats(values: Tensor) -> np.ndarray:
    """Numbers as an event holds them."""
    return values.cpu().numpy().astype(np.float32)
