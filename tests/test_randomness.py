import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sdvar_core import philox
from sdvar_core.randomness import Luck, Stream


def test_luck_has_an_address():
    """The first numbers of a few addresses, pinned: they are the meaning of a seed."""
    first = Luck([7]).of_scale(3, 4).uniforms(Stream.ACCEPT)
    assert first.dtype == torch.float64
    expected = np.random.Generator(np.random.Philox(key=[7, 3], counter=[0, 0, 0, 3])).random(4)
    assert np.array_equal(first[0].numpy(), expected)
    pinned = Luck([0]).of_scale(0, 1).uniforms(Stream.DRAFT).item()
    assert pinned == 0.8144335776159864


def test_addresses_do_not_collide_and_do_not_depend_on_order():
    addresses = [(seed, stream, scale) for seed in (0, 1, 2**62) for stream in Stream for scale in range(3)]
    drawn = {a: tuple(Luck([a[0]]).of_scale(a[2], 8).uniforms(a[1])[0].tolist()) for a in addresses}
    assert len(set(drawn.values())) == len(addresses)
    for seed, stream, scale in reversed(addresses):
        again = Luck([5, seed]).of_scale(scale, 8).uniforms(stream)[1]
        assert tuple(again.tolist()) == drawn[seed, stream, scale]


def test_attempts_differ():
    luck = Luck([3]).of_scale(1, 5)
    assert not torch.equal(luck.uniforms(Stream.RESIDUAL), luck.uniforms(Stream.RESIDUAL, attempt=1))


def test_gumbel_is_finite_and_gumbel():
    noise = Luck([1]).of_scale(9, 2000).gumbel(Stream.TARGET, 16)
    assert noise.shape == (1, 2000, 16)
    assert torch.isfinite(noise).all()
    assert abs(float(noise.mean()) - 0.5772) < 0.03
    assert abs(float(noise.var()) - torch.pi**2 / 6) < 0.06


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=3),
    st.integers(1, 5),
    st.integers(0, 2**40),
    st.integers(0, 12),
    st.integers(1, 50),
)
def test_numbers_made_on_a_device_are_those_of_numpy(seeds, stream, attempt, scale, count):
    rows = [
        np.random.Generator(np.random.Philox(key=[seed, stream], counter=[0, 0, attempt, scale])).random(count)
        for seed in seeds
    ]
    found = philox.uniforms([(seed, stream) for seed in seeds], (0, attempt, scale), count, torch.device("cpu"))
    assert found.dtype == torch.float64
    assert np.array_equal(found.numpy(), np.stack(rows))


def test_extreme_words_wrap_as_unsigned_ones():
    key, counter = (2**64 - 1, 2**63), (2**64 - 1, 0, 2**63 + 5)
    words = (np.array(entry, dtype=np.uint64) for entry in (key, (0, *counter)))
    expected = np.random.Generator(np.random.Philox(key=next(words), counter=next(words))).random(9)
    assert np.array_equal(philox.uniforms([key], counter, 9, torch.device("cpu"))[0].numpy(), expected)
