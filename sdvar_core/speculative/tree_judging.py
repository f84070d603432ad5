"""How the children of a node are chosen and judged so that the tokens that stand have the target's law: pure.

p and q are float64 distributions (vocabulary,). A child x is accepted with ``chance``; after a rejection p and q become
what ``after_rejection`` gives, and the next child is tried; after the last one the bonus token is drawn from p.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from sdvar_core.errors import RequestError
from sdvar_core.probability import residual

Chance = Callable[[Tensor, Tensor | None, int], float]
AfterRejection = Callable[[Tensor, Tensor | None, int], tuple[Tensor, Tensor | None]]


@dataclass(frozen=True)
class Children:
    """A way of choosing children, with the way of judging that makes it exact."""

    name: str
    sentence: str
    sampled: bool
    chance: Chance
    after_rejection: AfterRejection


def chance_of_fixed(p: Tensor, q: Tensor | None, token: int) -> float:
    """p(x): a child that is always the same one is proposed with q = 1 (design section 5).

    Drawn children may be judged so, too; knowing q only makes more of them acceptable.
    """
    return float(p[token])


def without_fixed(p: Tensor, q: Tensor | None, token: int) -> tuple[Tensor, Tensor | None]:
    """p without x, renormalised. A token of probability 0 takes nothing away."""
    return without(p, token), q


def chance_of_drawn(p: Tensor, q: Tensor, token: int) -> float:
    """min(1, p(x)/q(x)), for a child drawn from q (Leviathan et al. 2023)."""
    return min(1.0, float(p[token] / q[token]))


def without_drawn(p: Tensor, q: Tensor, token: int) -> tuple[Tensor, Tensor]:
    """norm((p − q)₊), and q without x, renormalised, from which the next child was drawn.

    Recursive rejection without replacement: Jeon et al. 2024 (RSD), Chen et al. 2024 (Sequoia).
    """
    return residual(p, q), without(q, token)


def without(distribution: Tensor, token: int) -> Tensor:
    """The distribution given that it is not x; where nothing else is possible, all zeros."""
    rest = distribution.clone()
    rest[token] = 0.0
    mass = rest.sum()
    return rest / mass if mass > 0.0 else torch.zeros_like(rest)


CHILDREN: dict[str, Children] = {
    entry.name: entry
    for entry in (
        Children(
            "likeliest",
            "The draft's topk likeliest tokens, each accepted with its probability under the target.",
            False,
            chance_of_fixed,
            without_fixed,
        ),
        Children(
            "sampled",
            "topk draws from the draft without replacement, judged by recursive rejection.",
            True,
            chance_of_drawn,
            without_drawn,
        ),
    )
}


def children_named(name: str) -> Children:
    """The way of that name; RequestError for an unknown one."""
    if name not in CHILDREN:
        raise RequestError(f"Unknown children {name!r}: choose one of {', '.join(CHILDREN)}.")
    return CHILDREN[name]
