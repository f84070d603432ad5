"""What speculation adds to memory: counted from tensors, and measured while a run goes on."""

from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass, replace

import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile

from sdvar_core.request import Request
from sdvar_core.speculative.next_scale import decode
from sdvar_core.speculative.pair import Pair
from sdvar_core.speculative.reader import Reader


@dataclass(frozen=True)
class Memory:
    """Bytes. Weights by part; what a run keeps for a model, its cache and its conditioning; and the most that a run
    takes besides the weights, alone and with speculation."""

    target_weights: int
    draft_weights: int
    tokenizer_weights: int
    target_state: int
    draft_state: int
    alone_peak: int
    speculating_peak: int

    @property
    def counted_share(self) -> float:
        """What the draft keeps besides its weights, over all that target-only decoding keeps."""
        return self.draft_state / (self.target_weights + self.tokenizer_weights + self.target_state)

    @property
    def measured_share(self) -> float:
        """What speculation takes at its peak beyond target-only decoding and the draft's weights, over the former."""
        alone = self.target_weights + self.tokenizer_weights + self.alone_peak
        return (self.speculating_peak - self.alone_peak) / alone


def memory(pair: Pair, request: Request) -> Memory:
    """Count and measure, by a target-only run and one under the request."""
    alone = replace(request, gamma=0)
    return Memory(
        target_weights=weight_bytes(pair.target),
        draft_weights=weight_bytes(pair.draft),
        tokenizer_weights=weight_bytes(pair.tokenizer),
        target_state=state_bytes(Reader(pair, pair.target, request)),
        draft_state=state_bytes(Reader(pair, pair.draft, request)),
        alone_peak=peak_bytes(pair, lambda: list(decode(pair, alone, watch="none"))),
        speculating_peak=peak_bytes(pair, lambda: list(decode(pair, request, watch="none"))),
    )


def weight_bytes(model: nn.Module) -> int:
    """Bytes of all parameters, buffers and packed weights of a model, each counted once."""
    tensors = [*model.parameters(), *model.buffers()]
    for module in model.modules():
        tensors += [value for value in vars(module).values() if isinstance(value, torch.Tensor)]
    return sum(tensor.numel() * tensor.element_size() for tensor in {id(entry): entry for entry in tensors}.values())


def state_bytes(reader: Reader) -> int:
    """Bytes of a reader's cache and conditioning."""
    return reader.cache.nbytes + sum(tensor.nbytes for tensor in _tensors(reader.conditioning))


def _tensors(value: object) -> list[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        return [value]
    parts = value if isinstance(value, tuple | list) else []
    if is_dataclass(value):
        parts = [getattr(value, field.name) for field in fields(value)]
    return [tensor for part in parts for tensor in _tensors(part)]


def peak_bytes(pair: Pair, run: Callable[[], object]) -> int:
    """The most memory that torch holds during a run beyond what it held before."""
    if pair.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(pair.device)
        before = torch.cuda.memory_allocated(pair.device)
        run()
        return torch.cuda.max_memory_allocated(pair.device) - before
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        run()
    found = [event for event in profiler.profiler.kineto_results.events() if event.name() == "[memory]"]
    held = most = 0
    for event in sorted(found, key=lambda event: event.start_ns()):
        held += event.nbytes()
        most = max(most, held)
    return most
