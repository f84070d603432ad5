import pytest

from sdvar_core.errors import RequestError
from sdvar_core.speculative.draft_length import draft_length_named, fixed, stepwise
from sdvar_core.trace import RoundEnd


def rounds(*steps: tuple[int, int]) -> list[RoundEnd]:
    """Round ends from (gamma, scales committed in the round)."""
    ends, committed = [], 0
    for number, (gamma, advanced) in enumerate(steps, 1):
        committed += advanced
        ends.append(RoundEnd(number, gamma, committed, 0, (0, 0), (0, 0)))
    return ends


def test_fixed():
    assert [fixed(3, rounds(*[(3, 1)] * count)) for count in range(3)] == [3, 3, 3]


@pytest.mark.parametrize(
    ("gamma", "steps", "expected"),
    [
        (2, [], 2),
        (2, [(2, 3)], 3),
        (2, [(2, 1)], 1),
        (2, [(2, 2)], 1),  # the second scale failed: corrected, committed, but not passed
        (1, [(1, 1)], 1),
        (2, [(2, 3), (3, 4)], 4),
        (2, [(2, 3), (3, 1), (2, 1)], 1),
        (0, [(0, 1)], 0),
    ],
)
def test_stepwise(gamma, steps, expected):
    assert stepwise(gamma, rounds(*steps)) == expected


def test_unknown():
    with pytest.raises(RequestError, match="Unknown draft length 'guess'"):
        draft_length_named("guess")
