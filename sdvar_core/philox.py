"""Philox4x64-10 in whole-number tensors: the numbers that numpy's generator gives, made on the device that wants them.

Source: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3", section 3.3; the multipliers and the key
increments are those of the Random123 library. int64 stands for uint64: sums and products wrap the same.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

MULTIPLIERS = (0xD2E7470EE14C6C93, 0xCA5A826395121157)
KEY_STEPS = (0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B)
ROUNDS = 10
LOW = 0xFFFFFFFF


def uniforms(
    keys: Sequence[tuple[int, int]], counter: tuple[int, int, int], count: int, device: torch.device
) -> Tensor:
    """The first ``count`` uniforms in [0, 1) of one stream a key, float64 (key, count).

    keys: pairs of uint64. counter: its three upper words; the lowest word counts from 1, as numpy's does.
    """
    blocks = (count + 3) // 4
    lowest = torch.arange(1, blocks + 1, device=device).expand(len(keys), blocks)
    words = [lowest, *(torch.full_like(lowest, signed(word)) for word in counter)]
    key = [torch.tensor([[signed(pair[part])] for pair in keys], device=device) for part in (0, 1)]
    for _ in range(ROUNDS):
        words = _round(words, key)
        key = [part + signed(step) for part, step in zip(key, KEY_STEPS)]
    numbers = torch.stack(words, dim=-1).flatten(1)[:, :count]
    return ((numbers >> 11) & (2**53 - 1)).double() * 2.0**-53


def _round(words: list[Tensor], key: list[Tensor]) -> list[Tensor]:
    high0, low0 = _product(words[0], MULTIPLIERS[0])
    high1, low1 = _product(words[2], MULTIPLIERS[1])
    return [high1 ^ words[1] ^ key[0], low1, high0 ^ words[3] ^ key[1], low0]


def _product(words: Tensor, multiplier: int) -> tuple[Tensor, Tensor]:
    """The upper and the lower 64 bits of a product of 64-bit numbers, from products of 32-bit halves."""
    above, below = (words >> 32) & LOW, words & LOW
    over, under = multiplier >> 32, multiplier & LOW
    corner = below * under
    first = above * under + ((corner >> 32) & LOW)
    second = below * over + (first & LOW)
    high = above * over + ((first >> 32) & LOW) + ((second >> 32) & LOW)
    return high, words * signed(multiplier)


def signed(word: int) -> int:
    """A uint64 as the int64 with the same bits."""
    return word - 2**64 if word >= 2**63 else word
