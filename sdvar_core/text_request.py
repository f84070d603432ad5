"""What a person may ask of a text run, checked once, at the door."""

from dataclasses import dataclass

from sdvar_core.errors import RequestError
from sdvar_core.request import LARGEST_SEED, real_number, whole_number

LONGEST_PROMPT = 65_536  # bytes
LONGEST_TEXT = 16_384  # bytes
COLDEST = 0.01  # temperature; 0 is greedy
MOST_CHILDREN, MOST_STEPS, MOST_NODES = 64, 64, 512
START = b"\0"  # stands before a text, and is what an empty prompt means
EXPANSIONS = ("linear", "full")
VERIFICATIONS = ("tree", "nodes")


@dataclass(frozen=True)
class TextRequest:
    """The settings of one text run; equal requests give bit-identical runs.

    prompt: text, or bytes; it is read as UTF-8 bytes, and an empty one is the start of a file.
    length: bytes to write after the prompt.
    topk: children of an expanded node. steps: levels of the draft tree; 0 is plain target-only decoding.
    expansion: ``linear`` (topk × steps nodes) or ``full`` (topk¹ + … + topk^steps).
    nodes: keep only the best so many of the tree's nodes; None keeps all, of which there may be 512.
    temperature: 0 is greedy. Both models sample from softmax(logits / temperature).
    seed: 0 … 2⁶³−1.
    children: ``likeliest``, the draft's topk likeliest tokens, or ``sampled``, topk draws without replacement.
    shape: how topk and steps change during a run, a key of ``TREE_SHAPES``.
    verification: ``tree``, one pass over the whole tree, or ``nodes``, node by node with a state each, to compare with.
    Raises RequestError with one sentence for anything out of range.
    """

    prompt: str | bytes = "def main("
    length: int = 200
    topk: int = 4
    steps: int = 2
    expansion: str = "full"
    nodes: int | None = None
    temperature: float = 0.0
    seed: int = 0
    children: str = "likeliest"
    shape: str = "fixed"
    verification: str = "tree"

    def __post_init__(self) -> None:
        if not isinstance(self.prompt, str | bytes):
            raise RequestError(f"prompt must be text or bytes, found {type(self.prompt).__name__}.")
        if len(self.prompt_bytes) > LONGEST_PROMPT:
            raise RequestError(
                f"A prompt holds at most {LONGEST_PROMPT} bytes, found {len(self.prompt_bytes)}: shorten it."
            )
        self._set("length", whole_number("length", self.length, 1, LONGEST_TEXT))
        self._set("topk", whole_number("topk", self.topk, 1, MOST_CHILDREN))
        self._set("steps", whole_number("steps", self.steps, 0, MOST_STEPS))
        self._set("seed", whole_number("seed", self.seed, 0, LARGEST_SEED))
        if self.nodes is not None:
            self._set("nodes", whole_number("nodes", self.nodes, 1, MOST_NODES))
        self._set("temperature", real_number("temperature", self.temperature, 0.0, 100.0))
        if 0.0 < self.temperature < COLDEST:
            raise RequestError(f"temperature must be 0 or from {COLDEST} to 100, found {self.temperature:g}.")
        _known("expansion", self.expansion, EXPANSIONS)
        _known("verification", self.verification, VERIFICATIONS)
        for name in ("children", "shape"):
            if not isinstance(getattr(self, name), str):
                raise RequestError(f"{name} must be a name, found {getattr(self, name)!r}.")
        if self.nodes is None and self.slots > MOST_NODES:
            raise RequestError(
                f"topk {self.topk} and {self.steps} steps make a tree of {self.slots_shown} nodes, more than "
                f"{MOST_NODES}: keep the best by setting nodes, or choose smaller ones."
            )

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    @property
    def prompt_bytes(self) -> bytes:
        """The prompt as bytes, never empty; lone surrogates become question marks."""
        prompt = self.prompt.encode("utf-8", errors="replace") if isinstance(self.prompt, str) else self.prompt
        return prompt or START

    @property
    def greedy(self) -> bool:
        """Whether always the likeliest token is wanted."""
        return self.temperature == 0.0

    @property
    def slots(self) -> int:
        """Nodes of a whole draft tree before the best are kept; the root is not drafted."""
        return slots(self.topk, self.steps, self.expansion)

    @property
    def slots_shown(self) -> str:
        """The same for a sentence."""
        return str(self.slots) if self.slots < 10**6 else "over a million"


def slots(topk: int, steps: int, expansion: str) -> int:
    """topk × steps for ``linear``, topk¹ + … + topk^steps for ``full``."""
    return topk * steps if expansion == "linear" else sum(topk**level for level in range(1, steps + 1))


def _known(name: str, value: object, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise RequestError(f"{name} must be one of {', '.join(choices)}, found {value!r}.")
