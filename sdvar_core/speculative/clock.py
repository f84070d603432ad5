"""Time as a device spends it."""

import time
from collections.abc import Callable, Sequence

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


def clock_of(seconds: Sequence[float], then: Clock) -> Clock:
    """A clock by which the first forwards, each timed by two looks at it, take these ``seconds``; then it is ``then``.

    What is made again for a second time so has the times that were measured at the first.
    """
    looks = iter([look for taken in seconds for look in (0.0, taken)])

    def clock() -> float:
        look = next(looks, None)
        return then() if look is None else look

    return clock
