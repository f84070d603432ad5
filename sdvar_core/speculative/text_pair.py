"""What tree decoding needs to know of language models: a small Protocol, so that a fake fits."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from sdvar_core.errors import RequestError
from sdvar_core.speculative.tree_judging import children_named
from sdvar_core.speculative.tree_shape import tree_shape_named
from sdvar_core.text_request import TextRequest


class Pending(Protocol):
    """A tree that a model read but did not commit to."""

    def state_at(self, node: int) -> Any:
        """The state after a node of the tree."""


class TextModel(Protocol):
    """A draft or a target. States are returned anew and never written to."""

    vocabulary: int

    def new_state(self, batch: int) -> Any:
        """The state before any token."""

    def __call__(self, tokens: Tensor, state: Any) -> tuple[Tensor, Any]:
        """Logits (batch, token, vocabulary) after each of the tokens (batch, token) int64, and the new state."""

    def tree(self, tokens: Tensor, parents: Sequence[int], state: Any, form: str = "tree") -> tuple[Tensor, Pending]:
        """Logits (batch, node, vocabulary) after each node of a tree on ``state``; parents −1 hang on it directly."""


@dataclass(frozen=True, eq=False)
class TextPair:
    """A draft and a target that speak the same tokens."""

    name: str
    draft: TextModel
    target: TextModel
    vocabulary: int

    def check(self, request: TextRequest) -> None:
        """RequestError if the request does not fit the pair."""
        tree_shape_named(request.shape)
        if children_named(request.children).sampled and request.greedy and request.steps:
            raise RequestError(
                f"children={request.children!r} needs a temperature above 0: set one, or choose the likeliest children."
            )
        if request.topk > self.vocabulary:
            raise RequestError(f"topk must be at most {self.vocabulary}, the tokens of {self.name}.")
        strange = [byte for byte in request.prompt_bytes if byte >= self.vocabulary]
        if strange:
            raise RequestError(f"The prompt holds the byte {strange[0]}; {self.name} knows 0 to {self.vocabulary - 1}.")


def as_tokens(tokens: Sequence[int]) -> Tensor:
    """int64 (1, token)."""
    return torch.tensor([list(tokens)], dtype=torch.int64)
