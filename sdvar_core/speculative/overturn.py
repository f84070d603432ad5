"""A verdict turned round by hand: what then stands in the scale, and whether it passes.

A run with such a verdict is no longer exact. It is there to be compared with the run that it forked from.
"""

import torch
from torch import Tensor

from sdvar_core.errors import RequestError
from sdvar_core.randomness import ScaleLuck
from sdvar_core.speculative.acceptance import Verdict
from sdvar_core.speculative.rules import Rule


def overturned(verdict: Verdict, token: int, target: Tensor, drafted: Tensor, rule: Rule, luck: ScaleLuck) -> Verdict:
    """The verdict of one scale with that of one token of the first picture turned round.

    A guess that is kept now stands. In place of one that is rejected now the target's own draw stands, with the guess
    itself left out. A rejection by hand makes the scale fail; it passes if it did before, or if every token is kept.
    A rule that judges a scale whole has one verdict for all of its tokens, and all are turned round.
    target: p, float64 (batch, n², codes). token counts from 0. Raises RequestError where there is no such token, or
    where the target gives no other code a chance.
    """
    if token >= drafted.shape[1]:
        raise RequestError(f"A scale of {drafted.shape[1]} tokens has no token {token + 1} to overturn.")
    named = torch.zeros_like(verdict.kept)
    named[0, slice(None) if rule.whole else token] = True
    kept = verdict.kept ^ named
    rejected = named & ~kept
    others = target.clone()
    others[0, token, drafted[0, token]] = 0.0
    if rejected.any() and not others[0, token].any():
        raise RequestError(f"Token {token + 1} cannot be rejected: the target gives no other code a chance.")
    tokens = torch.where(rejected, rule.answer(others, luck), torch.where(named, drafted, verdict.tokens))
    passed = kept.all(dim=-1) | (verdict.passed & ~rejected.any(dim=-1))
    return Verdict(kept, tokens, passed, verdict.luck)
