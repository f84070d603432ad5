"""What one call has to do: operations and bytes, which beside its time tell what bounds a scale."""

from dataclasses import dataclass

from sdvar_core.models.var import VARConfig


@dataclass(frozen=True)
class Work:
    """Of one call: floating-point operations of its products, and bytes of weights and of cache that it must read."""

    operations: int
    bytes: int

    def rates(self, seconds: float) -> tuple[float, float]:
        """Tera-operations and gigabytes a second."""
        return self.operations / seconds / 1e12, self.bytes / seconds / 1e9


def work(config: VARConfig, start: int, count: int, rows: int, bytes_per_number: int) -> Work:
    """Of a call over the scales ``start`` … ``start + count − 1`` for ``rows`` pictures, guidance counted as rows.

    A multiplication and an addition are two operations. The modulation is not counted: it is made once a picture.
    """
    schedule, width, depth = config.schedule, config.width, config.depth
    matrices = depth * (4 * width * width + 2 * width * config.hidden)
    head = width * config.codes
    tokens = schedule.offsets[start + count] - schedule.offsets[start]
    seen = sum(schedule.lengths[scale] * schedule.offsets[scale + 1] for scale in range(start, start + count))
    operations = rows * (2 * tokens * (matrices + head) + 4 * depth * width * seen)
    cache = 2 * depth * rows * schedule.offsets[start] * width * bytes_per_number
    return Work(operations, matrices * bytes_per_number + 4 * head + cache)
