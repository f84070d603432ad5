"""Which device and which precision a pair runs on: a plain rule, shown to people, and overridable.

precision is that of the blocks of both transformers. The tokenizer, the embeddings, the residual stream and the head
stay in float32 whatever it is, and distributions and luck in float64, so that acceptance is exact arithmetic.
"""

from dataclasses import dataclass

import torch

from sdvar_core.errors import RequestError

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
DEVICES = ("cpu", "cuda", "mps")


@dataclass(frozen=True)
class Hardware:
    """What this machine has; cpu_bfloat16: instructions for it, without which it is slower than float32."""

    cuda: bool = False
    cuda_bfloat16: bool = False
    mps: bool = False
    cpu_bfloat16: bool = False


@dataclass(frozen=True)
class Placement:
    """Where a pair runs: a device as torch names it, and a key of PRECISIONS."""

    device: str
    precision: str

    @property
    def dtype(self) -> torch.dtype:
        """The type of the blocks' weights."""
        return PRECISIONS[self.precision]

    def __str__(self) -> str:
        return f"{self.device}, {self.precision}"


def hardware() -> Hardware:
    """What this machine has."""
    cuda = torch.cuda.is_available()
    return Hardware(
        cuda=cuda,
        cuda_bfloat16=cuda and torch.cuda.is_bf16_supported(including_emulation=False),
        mps=torch.backends.mps.is_available(),
        cpu_bfloat16=bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()),
    )


def choose(device: str = "auto", precision: str = "auto", found: Hardware | None = None) -> Placement:
    """The placement asked for, or the rule's.

    device "auto": CUDA, else MPS, else the CPU. precision "auto": on CUDA bfloat16 where the GPU has it and float16
    where not; elsewhere float32. RequestError for what does not exist here.
    """
    found = hardware() if found is None else found
    if device == "auto":
        device = "cuda" if found.cuda else "mps" if found.mps else "cpu"
    kind = device.partition(":")[0]
    if kind not in DEVICES:
        raise RequestError(f"Unknown device {device!r}: choose one of auto, {', '.join(DEVICES)}.")
    if (kind == "cuda" and not found.cuda) or (kind == "mps" and not found.mps):
        raise RequestError(f"This machine has no {kind} device that torch can use: choose auto or cpu.")
    if precision == "auto":
        precision = "float32" if kind != "cuda" else "bfloat16" if found.cuda_bfloat16 else "float16"
    if precision not in PRECISIONS:
        raise RequestError(f"Unknown precision {precision!r}: choose one of auto, {', '.join(PRECISIONS)}.")
    if kind == "cpu" and precision == "float16":
        raise RequestError("float16 is slower than float32 on a CPU: choose float32 or bfloat16 there.")
    if kind == "cpu" and precision == "bfloat16" and not found.cpu_bfloat16:
        raise RequestError("This processor has no bfloat16 instructions: choose float32.")
    return Placement(device, precision)


def devices(found: Hardware | None = None) -> tuple[str, ...]:
    """The devices of this machine, as torch names them."""
    found = hardware() if found is None else found
    cards = [f"cuda:{index}" for index in range(torch.cuda.device_count())] if found.cuda else []
    return ("cpu", *cards, *(["mps"] if found.mps else []))


def precisions(device: str, found: Hardware | None = None) -> tuple[str, ...]:
    """What a pair can run in on that device; first what the rule of ``choose`` takes."""
    found, possible = hardware() if found is None else found, []
    for precision in ("auto", *PRECISIONS):
        try:
            possible.append(choose(device, precision, found).precision)
        except RequestError:
            continue
    return tuple(dict.fromkeys(possible))
