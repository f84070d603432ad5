"""What models remember: keys and values, written by position and rolled back; recurrent state, made anew each time."""

from dataclasses import dataclass, fields

import torch

from sdvar_core.errors import SDVARError
from sdvar_core.scales import Schedule


class KeyValueCache:
    """Keys and values of every layer for the scales that a model has seen; the caller of the model owns it.

    The memory for the whole pyramid is taken once. Writes are addressed by position, so that rolling back
    costs nothing: what lies beyond the length is simply written over.
    The keys and values of scale s depend only on the tokens of scales before s: after a correction in scale s
    the cache may keep s and must drop the scales after it (design section 1, K/V rule).

    ``keys``, ``values``: one tensor a layer, (batch, heads, position, head_width).
    ``scales``: how many scales, from the coarsest on, the cache holds.
    """

    def __init__(
        self,
        schedule: Schedule,
        layers: int,
        batch: int,
        heads: int,
        head_width: int,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        shape = (batch, heads, schedule.total, head_width)
        self.schedule = schedule
        self.batch = batch
        self.keys = [torch.zeros(shape, dtype=dtype, device=device) for _ in range(layers)]
        self.values = [torch.zeros(shape, dtype=dtype, device=device) for _ in range(layers)]
        self.scales = 0

    @property
    def positions(self) -> int:
        """Token positions that are held."""
        return self.schedule.offsets[self.scales]

    @property
    def nbytes(self) -> int:
        """Bytes taken, for the whole pyramid, whatever the length."""
        return sum(tensor.nbytes for tensor in (*self.keys, *self.values))

    def write(self, layer: int, keys: torch.Tensor, values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Put keys and values, (batch, heads, new, head_width), of one layer behind what is held.

        Returns views of all keys and values of that layer up to the last new one. The length stays as it is
        until ``extend``, for every layer writes at the same positions. Raises SDVARError when they do not fit.
        """
        end = self.positions + keys.shape[2]
        if end > self.schedule.total or keys.shape[0] != self.batch:
            raise SDVARError(
                f"A cache of batch {self.batch} with {self.positions} of {self.schedule.total} positions held cannot "
                f"take {keys.shape[2]} more of batch {keys.shape[0]}; roll it back or make one for this batch."
            )
        self.keys[layer][:, :, self.positions : end] = keys
        self.values[layer][:, :, self.positions : end] = values
        return self.keys[layer][:, :, :end], self.values[layer][:, :, :end]

    def extend(self, scales: int) -> None:
        """Count ``scales`` more scales as held, after every layer has written them."""
        if scales < 0 or self.scales + scales > len(self.schedule):
            raise SDVARError(
                f"A cache with {self.scales} of {len(self.schedule)} scales cannot be extended by {scales}."
            )
        self.scales += scales

    def rollback(self, scales: int) -> None:
        """Keep the first ``scales`` scales and forget the rest; raises SDVARError if that would be more than it has."""
        if not 0 <= scales <= self.scales:
            raise SDVARError(f"A cache that holds {self.scales} scales cannot be rolled back to {scales}.")
        self.scales = scales


@dataclass(frozen=True, eq=False)
class LayerState:
    """All that a Gated DeltaNet layer remembers of a text, of fixed size whatever its length; never written to.

    delta: (batch, value heads, key dim, value dim), float32 or float64.
    queries, keys, values: the last inputs of the three short convolutions, (batch, width − 1, channels) each.
    """

    delta: torch.Tensor
    queries: torch.Tensor
    keys: torch.Tensor
    values: torch.Tensor


@dataclass(frozen=True, eq=False)
class RecurrentState:
    """The state of every layer after ``tokens`` tokens; a model returns a new one and leaves the old one alone."""

    layers: tuple[LayerState, ...]
    tokens: int = 0

    @property
    def nbytes(self) -> int:
        """Bytes taken, whatever the length of the text."""
        return sum(getattr(layer, field.name).nbytes for layer in self.layers for field in fields(layer))
