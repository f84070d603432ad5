"""Trees: parents, depths, masks, paths and convolution windows, against a walk to the root."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdvar_core.errors import SDVARError
from sdvar_core.topology import Topology, topology_of


@st.composite
def topologies(draw, most=20):
    nodes = draw(st.integers(0, most))
    return Topology(tuple(draw(st.integers(-1, node - 1)) for node in range(nodes)))


def line(topology: Topology, node: int) -> list[int]:
    """From the node up to the committed text."""
    return [] if node < 0 else [node, *line(topology, topology.parents[node])]


@given(topologies())
def test_everything_follows_from_the_parents(topology):
    for node in range(len(topology)):
        up = line(topology, node)
        assert topology.path(node) == tuple(reversed(up))
        assert topology.depths[node] == len(up) - 1
        assert set(np.flatnonzero(topology.ancestors[node])) == set(up[1:])
        assert set(np.flatnonzero(topology.mask[node])) == set(up)
        assert topology.children[node] == tuple(n for n, parent in enumerate(topology.parents) if parent == node)
    assert topology.path(-1) == ()


@given(topologies(), st.integers(1, 5))
def test_a_window_is_the_ancestors_then_the_committed_inputs(topology, width):
    windows = topology.windows(width)
    assert windows.shape == (len(topology), width)
    for node in range(len(topology)):
        rows = [*range(width - 1), *(width - 1 + entry for entry in topology.path(node))]
        assert windows[node].tolist() == rows[-width:]


def test_a_chain_is_causal_and_a_tree_is_not():
    chain = Topology.chain(5)
    assert chain.parents == (-1, 0, 1, 2, 3)
    assert (chain.mask == chain.causal_mask).all()
    fork = Topology((-1, 0, 0))
    assert fork.mask.tolist() == [[True, False, False], [True, True, False], [True, False, True]]
    assert not (fork.mask == fork.causal_mask).all()
    assert topology_of([-1, 0, 0]) == topology_of(fork) == fork


@pytest.mark.parametrize("parents", [(0,), (-2,), (-1, 1), (-1, 2, 0)])
def test_a_parent_that_comes_late(parents):
    with pytest.raises(SDVARError, match="sort the tree topologically"):
        Topology(parents)
