"""What becomes of the target's answers that a correction made stale.

A target call answers for all scales of its window. After a correction the later answers belong to tokens that do not
stand. They still tell much, and any proposal made from them is exact: like a draft's q they depend on the luck of
coarser scales only.
"""

from torch import Tensor

from sdvar_core.errors import RequestError
from sdvar_core.probability import total_variation

CARRY_OVERS = {
    "off": "They are forgotten; the draft guesses anew.",
    "stale": "The next guesses come from them as they are, without the draft.",
    "refreshed": "The draft guesses anew, corrected by how much the target differed from it before.",
}
MOST = 6.0  # nats: where the draft gave a code next to no chance, a ratio tells nothing
LEAST = 1e-12


def carry_over_named(value: object) -> str:
    """The key of ``CARRY_OVERS`` that a value means; RequestError for none."""
    if isinstance(value, bool):
        return "stale" if value else "off"
    if not isinstance(value, str) or value not in CARRY_OVERS:
        raise RequestError(f"carry_over must be one of {', '.join(CARRY_OVERS)}, or True or False, found {value!r}.")
    return value


def refreshed(draft: Tensor, stale: Tensor, stale_draft: Tensor) -> Tensor:
    """The draft's distribution of now, corrected by target over draft of before: norm(q · (p′/q′)^w).

    q: ``draft``; p′: ``stale``; q′: ``stale_draft``, of the same inputs as p′; all (batch, n², codes). At each token
    w = 1 − TV(q, q′): the more the draft's mind has changed, the less an old correction is worth. q = 0 stays 0.
    """
    ratio = ((stale + LEAST).log() - (stale_draft + LEAST).log()).clamp(-MOST, MOST)
    worth = 1.0 - total_variation(draft, stale_draft)[..., None]
    weights = draft * (worth * ratio).exp()
    return weights / weights.sum(dim=-1, keepdim=True)
