"""What the models of a text run thought and remembered, overheard while they decode: the run itself does not change.

Events carry neither distributions nor states. A listener stands between decoder and model; of what passes it keeps the
last tree, and the run takes from it the likeliest bytes after each expanded node and the norms of states.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

LIKELIEST = 8

Path = tuple[int, ...]
"""The tokens from the root, which is left out, down to a node."""


class HeardPending:
    """A pending tree that remembers which state was taken from it last."""

    def __init__(self, pending: Any) -> None:
        self.pending, self.taken = pending, None

    def state_at(self, node: int) -> Any:
        """As the pending tree."""
        self.taken = self.pending.state_at(node)
        return self.taken


class HeardTarget:
    """A target that remembers its last tree: ``logits`` (node, vocabulary), float64, and ``pending``."""

    def __init__(self, model: Any) -> None:
        self.model, self.vocabulary = model, model.vocabulary
        self.logits: np.ndarray | None = None
        self.pending: HeardPending | None = None
        self.state: Any = None

    def new_state(self, batch: int) -> Any:
        """As the model."""
        self.state = self.model.new_state(batch)
        return self.state

    def __call__(self, tokens: Any, state: Any) -> tuple[Any, Any]:
        """As the model."""
        logits, self.state = self.model(tokens, state)
        return logits, self.state

    def tree(self, tokens: Any, parents: Any, state: Any, form: str = "tree") -> tuple[Any, HeardPending]:
        """As the model."""
        logits, pending = self.model.tree(tokens, parents, state, form)
        self.logits, self.pending = _array(logits[0]), HeardPending(pending)
        return logits, self.pending


class HeardDraft:
    """A draft that remembers its logits (vocabulary,), float64, after each path of the tree that it is growing."""

    def __init__(self, model: Any) -> None:
        self.model, self.vocabulary = model, model.vocabulary
        self.after: dict[Path, np.ndarray] = {}

    def new_state(self, batch: int) -> Any:
        """As the model."""
        return self.model.new_state(batch)

    def __call__(self, tokens: Any, state: Any) -> tuple[Any, Any]:
        """As the model; whenever it reads committed text, a new tree begins."""
        logits, state = self.model(tokens, state)
        self.after = {(): _array(logits[0, -1])}
        return logits, state

    def tree(self, tokens: Any, parents: Sequence[int], state: Any, form: str = "tree") -> tuple[Any, Any]:
        """As the model; parents −1 hang on the root."""
        logits, pending = self.model.tree(tokens, parents, state, form)
        paths: list[Path] = []
        for token, parent in zip(tokens[0].tolist(), parents, strict=True):
            paths.append((paths[parent] if parent >= 0 else ()) + (token,))
        # What it guesses after a node it decides when it first reads it.
        self.after = dict(zip(paths, _array(logits[0]))) | self.after
        return logits, pending


class Likeliest:
    """Of each node with children, some bytes and what target and draft thought of them after the node.

    logits: of the target, (node, vocabulary). after: of the draft, by path. All at ``temperature``; 1 where it is 0.
    """

    def __init__(
        self, tokens: Sequence[int], parents: Sequence[int], logits: np.ndarray, after: dict[Path, np.ndarray],
        temperature: float,
    ) -> None:  # fmt: skip
        paths: list[Path] = [()]
        for token, parent in zip(tokens[1:], parents[1:]):
            paths.append((*paths[parent], token))
        children: dict[int, list[int]] = {0: []}
        for token, parent in zip(tokens[1:], parents[1:]):
            children.setdefault(parent, []).append(token)
        self._rows = {
            node: _rows(_softened(logits[node], temperature), after.get(paths[node]), named, temperature)
            for node, named in children.items()
        }
        self._parents = [max(parent, 0) for parent in parents]

    def rows(self, node: int) -> list[dict] | None:
        """The likeliest bytes where a node stands: after its parent, and for the root after the root itself."""
        return self._rows[self._parents[node]] if node < len(self._parents) else None


def _rows(p: np.ndarray, logits: np.ndarray | None, named: list[int], temperature: float) -> list[dict]:
    known = {"p": p} | ({} if logits is None else {"q": _softened(logits, temperature)})
    codes = set(named) | {int(code) for values in known.values() for code in np.argsort(-values)[:LIKELIEST]}
    order = sorted(codes, key=lambda code: ([-values[code] for values in known.values()], code))
    return [{"code": code} | {name: float(values[code]) for name, values in known.items()} for code in order]


def norms_of(state: Any) -> list[float] | None:
    """The Frobenius norm of each layer's delta-rule state; None where there is no such thing."""
    layers = getattr(state, "layers", None)
    return None if layers is None else [float(layer.delta.norm()) for layer in layers]


def norms_after(pending: HeardPending) -> np.ndarray | None:
    """The norms of the states after all nodes of a pending tree, (node, layer); None where there is no such thing."""
    norms = getattr(pending.pending, "norms", None)
    return None if norms is None else norms().cpu().numpy().astype(np.float32)


def _softened(logits: np.ndarray, temperature: float) -> np.ndarray:
    scaled = logits / (temperature or 1.0)
    weights = np.exp(scaled - scaled.max())
    return weights / weights.sum()


def _array(logits: Any) -> np.ndarray:
    return logits.detach().double().cpu().numpy()
