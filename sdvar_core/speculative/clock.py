"""Time as a device spends it."""

import time
from collections.abc import Callable

import torch

Clock = Callable[[], float]


def synchronised_clock(device: torch.device) -> Clock:
    """A clock that waits for the device first, so that a call is timed and not only its launch."""
    if device.type == "cpu":
        return time.perf_counter
    wait = torch.cuda.synchronize if device.type == "cuda" else torch.mps.synchronize

    def clock() -> float:
        wait()
        return time.perf_counter()

    return clock
