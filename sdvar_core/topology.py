"""The shape of a tree of tokens: who follows whom, who sees whom, and which inputs a short convolution reads.

A node's parent is the index of an earlier node, or −1 for the committed text, whose end every tree hangs on; so the
nodes come in topological order. Source: design section 5.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from sdvar_core.errors import SDVARError


@dataclass(frozen=True)
class Topology:
    """Parents of the nodes 0, 1, …; several nodes may hang on the committed text. SDVARError if a parent comes late."""

    parents: tuple[int, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "parents", tuple(int(parent) for parent in self.parents))
        for node, parent in enumerate(self.parents):
            if not -1 <= parent < node:
                raise SDVARError(
                    f"Node {node} has the parent {parent}; expected an earlier node or -1: sort the tree topologically."
                )

    @classmethod
    def chain(cls, length: int) -> "Topology":
        """Each node follows the one before."""
        return cls(tuple(range(-1, length - 1)))

    def __len__(self) -> int:
        return len(self.parents)

    @cached_property
    def depths(self) -> tuple[int, ...]:
        """Number of ancestors of each node."""
        depths: list[int] = []
        for parent in self.parents:
            depths.append(0 if parent < 0 else depths[parent] + 1)
        return tuple(depths)

    @cached_property
    def children(self) -> tuple[tuple[int, ...], ...]:
        """The children of each node, in order."""
        children: list[list[int]] = [[] for _ in self.parents]
        for node, parent in enumerate(self.parents):
            if parent >= 0:
                children[parent].append(node)
        return tuple(map(tuple, children))

    @cached_property
    def ancestors(self) -> np.ndarray:
        """bool (node, node): whether the column is a strict ancestor of the row; strictly lower triangular."""
        mask = np.zeros((len(self), len(self)), dtype=bool)
        for node, parent in enumerate(self.parents):
            if parent >= 0:
                mask[node] = mask[parent]
                mask[node, parent] = True
        return mask

    @cached_property
    def mask(self) -> np.ndarray:
        """bool (node, node): what each node sees, its ancestors and itself."""
        return self.ancestors | np.eye(len(self), dtype=bool)

    @property
    def causal_mask(self) -> np.ndarray:
        """bool (node, node): the plain causal mask, which is right for a chain only; shown beside the true one."""
        return np.tri(len(self), dtype=bool)

    def path(self, node: int) -> tuple[int, ...]:
        """The nodes from the committed text down to ``node``, itself included; empty for −1."""
        path: list[int] = []
        while node >= 0:
            path.append(node)
            node = self.parents[node]
        return tuple(reversed(path))

    def windows(self, width: int) -> np.ndarray:
        """int64 (node, width): the rows that a causal convolution reads for each node, the node itself last.

        Rows count through the last ``width − 1`` committed inputs and then the nodes: the window of a node is its own
        ancestors, then the committed inputs, never its siblings.
        """
        return _windows(self.parents, width)


@lru_cache(maxsize=16)
def _windows(parents: tuple[int, ...], width: int) -> np.ndarray:
    """See ``Topology.windows``; every layer of a model asks for the same ones."""
    windows = np.empty((len(parents), width), dtype=np.int64)
    for node in range(len(parents)):
        place = node
        for column in reversed(range(width)):
            windows[node, column] = place + width - 1
            place = parents[place] if place >= 0 else place - 1
    return windows


def topology_of(parents: Sequence[int] | Topology) -> Topology:
    """The topology of a sequence of parents."""
    return parents if isinstance(parents, Topology) else Topology(tuple(parents))
