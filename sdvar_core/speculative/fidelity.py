"""How near a picture is to the exact one, how well two models agree on it, and how likely the target finds it.

Models are read at the right inputs, in one forward. Source: design section 4. Distributions are float64
(batch, n², codes), one tensor a scale; tokens are (batch, n²).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

from sdvar_core.errors import RequestError
from sdvar_core.probability import divergence, entropy, of_token, total_variation
from sdvar_core.request import Request
from sdvar_core.speculative.pair import Pair, ScaleModel
from sdvar_core.speculative.reader import Prefix, Reader
from sdvar_core.trace import Trace


@dataclass(frozen=True, eq=False)
class Agreement:
    """What a draft's q and a target's p say of each other on given tokens; arrays are float64 (scale, picture).

    kept: mean over a scale's tokens of 1 − TV(p, q), the share that rule ``token`` keeps.
    passes: the chance that rule ``token`` keeps all of them, the product of 1 − TV.
    target_entropy, draft_entropy, divergence: means over a scale's tokens of H(p), H(q) and KL(p‖q), nats.
    deficit: the mean of log Q/P of a whole drafted scale, the sum over its tokens of KL(q‖p), nats. Rule ``scale``
    keeps a scale with chance min(1, P/Q).
    """

    kept: np.ndarray
    passes: np.ndarray
    target_entropy: np.ndarray
    draft_entropy: np.ndarray
    divergence: np.ndarray
    deficit: np.ndarray


@dataclass(frozen=True, eq=False)
class Likelihood:
    """How likely the target finds pictures; arrays are float64 (picture,), nats, every scale weighing the same.

    gap: the likelihood gap. surprise: the mean over scales of −log p(token).
    """

    gap: np.ndarray
    surprise: np.ndarray


@dataclass(frozen=True, eq=False)
class Fidelity:
    """How near pictures are to those of the exact run of the same noise; arrays are (picture,).

    equal_tokens: share of equal tokens, float64. psnr: dB between the pictures, infinite where they are equal, float64.
    """

    equal_tokens: np.ndarray
    psnr: np.ndarray

    @property
    def identical(self) -> np.ndarray:
        """Whether every token is equal: bool (picture,)."""
        return self.equal_tokens == 1.0


def fidelity(trace: Trace, exact: Trace) -> Fidelity:
    """Compare a finished run with the exact run of the same labels and seeds; RequestError for any other two."""
    for run in (trace, exact):
        if run.pictures is None:
            raise RequestError("Fidelity needs two finished runs with their pictures; one of these has none.")
    if (trace.request.labels, trace.request.seeds) != (exact.request.labels, exact.request.seeds):
        raise RequestError("Fidelity compares runs of the same labels and seeds; these two have others.")
    equal = np.concatenate([one == two for one, two in zip(trace.tokens, exact.tokens, strict=True)], axis=1)
    difference = trace.pictures.astype(np.float64) - exact.pictures.astype(np.float64)
    error = np.square(difference).mean(axis=(1, 2, 3))  # (picture,)
    psnr = np.full(error.shape, np.inf)
    psnr[error > 0.0] = 10.0 * np.log10(255.0**2 / error[error > 0.0])
    return Fidelity(equal.mean(axis=1), psnr)


def agreement_along(pair: Pair, traces: Sequence[Trace]) -> Agreement:
    """How draft and target agree on the committed tokens of traces."""
    parts = []
    for trace in traces:
        target, draft = (read_along(pair, model, trace.request, trace.tokens) for model in (pair.target, pair.draft))
        parts.append(agreement(target, draft))
    names = [field.name for field in fields(Agreement)]
    return Agreement(**{name: np.concatenate([getattr(part, name) for part in parts], axis=1) for name in names})


def likelihood_along(pair: Pair, traces: Sequence[Trace]) -> Likelihood:
    """How likely the target of ``pair`` finds the committed tokens of traces, whoever made them."""
    gaps, surprises = [], []
    for trace in traces:
        target = read_along(pair, pair.target, trace.request, trace.tokens)
        gaps.append(likelihood_gap(target, trace.tokens))
        surprises.append(surprise(target, trace.tokens).mean(axis=0))
    return Likelihood(np.concatenate(gaps), np.concatenate(surprises))


def read_along(pair: Pair, model: ScaleModel, request: Request, tokens: Sequence[np.ndarray]) -> list[Tensor]:
    """The sampling distributions of ``model`` for every scale, its inputs being those that ``tokens`` make."""
    prefix = Prefix.empty(pair.tokenizer.quantizer, request.batch)
    for entries in tokens[: len(pair.schedule) - 1]:
        prefix = prefix.extended(torch.as_tensor(entries, dtype=torch.int64, device=prefix.canvas.device), last=False)
    return Reader(pair, model, request).read(prefix.inputs, len(pair.schedule))


def agreement(target: Sequence[Tensor], draft: Sequence[Tensor]) -> Agreement:
    """Compare the distributions of two models on the same tokens."""
    overlaps = [1.0 - total_variation(p, q) for p, q in zip(target, draft, strict=True)]
    return Agreement(
        kept=_by_scale(overlap.mean(dim=-1) for overlap in overlaps),
        passes=_by_scale(overlap.prod(dim=-1) for overlap in overlaps),
        target_entropy=_by_scale(entropy(p).mean(dim=-1) for p in target),
        draft_entropy=_by_scale(entropy(q).mean(dim=-1) for q in draft),
        divergence=_by_scale(divergence(p, q).mean(dim=-1) for p, q in zip(target, draft)),
        deficit=_by_scale(divergence(q, p).sum(dim=-1) for p, q in zip(target, draft)),
    )


def surprise(target: Sequence[Tensor], tokens: Sequence[np.ndarray]) -> np.ndarray:
    """Mean over the tokens of each scale of −log p(token), nats: float64 (scale, picture)."""
    return _by_scale(
        -of_token(p, torch.as_tensor(entries, dtype=torch.int64, device=p.device)).log().mean(dim=-1)
        for p, entries in zip(target, tokens, strict=True)
    )


def likelihood_gap(target: Sequence[Tensor], tokens: Sequence[np.ndarray]) -> np.ndarray:
    """The likelihood gap of each picture, (picture,): mean over scales of −log p(token) − H(p), every scale weighing
    the same; about 0 where the tokens have the law of the target."""
    expected = _by_scale(entropy(p).mean(dim=-1) for p in target)
    return (surprise(target, tokens) - expected).mean(axis=0)


def _by_scale(values: Iterable[Tensor]) -> np.ndarray:
    return np.stack([value.cpu().numpy() for value in values])
