"""The key/value cache: addressed by position, rolled back by length."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sdvar_core.cache import KeyValueCache
from sdvar_core.errors import SDVARError
from sdvar_core.scales import Schedule

SCHEDULE = Schedule((1, 2, 3, 4))
LAYERS, BATCH, HEADS, WIDTH = 2, 3, 2, 5


def new_cache():
    return KeyValueCache(SCHEDULE, LAYERS, BATCH, HEADS, WIDTH)


def rows(positions, batch=BATCH):
    return torch.randn(batch, HEADS, positions, WIDTH)


def test_memory_is_taken_once_and_counted():
    cache = new_cache()
    assert cache.nbytes == 2 * LAYERS * BATCH * HEADS * SCHEDULE.total * WIDTH * 4
    addresses = [tensor.data_ptr() for tensor in (*cache.keys, *cache.values)]
    for layer in range(LAYERS):
        cache.write(layer, rows(1), rows(1))
    cache.extend(1)
    assert [tensor.data_ptr() for tensor in (*cache.keys, *cache.values)] == addresses
    assert cache.positions == 1


def test_write_leaves_the_length_alone():
    cache = new_cache()
    keys, values = rows(5), rows(5)
    seen_keys, seen_values = cache.write(1, keys, values)
    assert cache.scales == 0
    assert torch.equal(seen_keys, keys)
    assert torch.equal(seen_values, values)


@given(st.lists(st.tuples(st.integers(1, 4), st.integers(0, 4)), max_size=12))
def test_what_is_held_is_what_was_last_written(steps):
    """Any run of writes and rollbacks gives the same views as a list that is cut and appended to."""
    cache, held = new_cache(), []  # held: one (keys, values) a scale
    for wanted, kept in steps:
        stop = min(cache.scales + wanted, len(SCHEDULE))
        new = [(rows(SCHEDULE.lengths[s]), rows(SCHEDULE.lengths[s])) for s in range(cache.scales, stop)]
        if new:
            joined = [torch.cat(parts, dim=2) for parts in zip(*new)]
            views = [cache.write(layer, *joined) for layer in range(LAYERS)]
            held += new
            for keys, values in views:
                assert torch.equal(keys, torch.cat([pair[0] for pair in held], dim=2))
                assert torch.equal(values, torch.cat([pair[1] for pair in held], dim=2))
            cache.extend(len(new))
        kept = min(kept, cache.scales)
        cache.rollback(kept)
        held = held[:kept]
        assert cache.scales == kept
        assert cache.positions == SCHEDULE.offsets[kept]


@pytest.mark.parametrize("scales", [-1, 3, 5])
def test_rollback_never_grows(scales):
    cache = new_cache()
    cache.extend(2)
    with pytest.raises(SDVARError, match="cannot be rolled back"):
        cache.rollback(scales)
    assert cache.scales == 2


@pytest.mark.parametrize("scales", [-1, 3])
def test_extend_stays_within_the_schedule(scales):
    cache = new_cache()
    cache.extend(2)
    with pytest.raises(SDVARError, match="cannot be extended"):
        cache.extend(scales)


@pytest.mark.parametrize(("positions", "batch"), [(SCHEDULE.total, BATCH), (1, BATCH + 1), (1, 1)])
def test_write_refuses_what_does_not_fit(positions, batch):
    cache = new_cache()
    cache.extend(1)
    with pytest.raises(SDVARError, match="roll it back or make one"):
        cache.write(0, rows(positions, batch), rows(positions, batch))
