import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdvar_core.errors import ConfigurationError
from sdvar_core.scales import OFFICIAL_256, OFFICIAL_512, Schedule, schedule_of


def test_official_schedules():
    assert OFFICIAL_256.offsets == (0, 1, 5, 14, 30, 55, 91, 155, 255, 424, 680)
    assert OFFICIAL_512.total == 2240


@given(st.sets(st.integers(1, 12), min_size=1, max_size=6))
def test_positions_tile_the_pyramid(sides):
    schedule = schedule_of(sorted(sides))
    scale_of = schedule.scale_of_position()
    assert len(scale_of) == schedule.total == sum(schedule.lengths)
    for scale, length in enumerate(schedule.lengths):
        where = schedule.positions(scale)
        assert where.stop - where.start == length
        assert (scale_of[where] == scale).all()
    assert schedule.positions(0, len(schedule)) == slice(0, schedule.total)
    parts = schedule.split(np.arange(schedule.total))
    assert np.array_equal(np.concatenate(parts), np.arange(schedule.total))


def test_block_mask_by_definition():
    schedule = Schedule((1, 2, 3))
    mask = schedule.block_mask()
    scale_of = [0] + [1] * 4 + [2] * 9
    for row in range(14):
        for column in range(14):
            assert mask[row, column] == (scale_of[column] <= scale_of[row])


@pytest.mark.parametrize("sides", [(), (0, 1), (2, 1), (1, 1)])
def test_impossible_schedules(sides):
    with pytest.raises(ConfigurationError):
        Schedule(sides)
