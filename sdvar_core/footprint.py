"""What an official pair needs of a machine, counted from its shapes; and what the machine has."""

from dataclasses import dataclass
from pathlib import Path

import psutil
import torch

from sdvar_core.errors import CheckpointError
from sdvar_core.official import hub
from sdvar_core.official.files import Config
from sdvar_core.official.layout import file_bytes, var_layout, vqvae_layout, weight_bytes
from sdvar_core.pairs import PARTS, config_of, is_converted, preset_named
from sdvar_core.presets import HubFile

CONTAINER = Path("/sys/fs/cgroup")  # of Linux: what a container may use


@dataclass(frozen=True)
class Needs:
    """Bytes: still to be downloaded, still to be written (downloads and conversions), of disk in all, of memory to
    decode where the models are (``resident``), and with what reading them takes beside (``memory``)."""

    download: int
    still_to_write: int
    disk: int
    resident: int
    memory: int

    def memory_on(self, device: str) -> int:
        """Bytes of the memory of that device; models are read in the memory of the CPU, which others share."""
        return self.resident if device.startswith("cuda") else self.memory


def needs(name: str, precision: str = "float32", batch: int = 1) -> Needs:
    """What an official pair needs, from its shapes and the cache, without asking the network; zeros for embedded ones.

    resident: weights, and caches of guided pictures. memory: also the largest weights once more, in float32, while they
    are read.
    """
    preset = preset_named(name)
    files = {source: part for part in PARTS for source in [getattr(preset, part)] if isinstance(source, HubFile)}
    size = 2 if precision != "float32" else 4
    download = writing = disk = resident = largest = 0
    for source, part in files.items():
        config = config_of(source, PARTS[part])
        layout = var_layout(config) if PARTS[part] == "var" else vqvae_layout(config)
        kept = weight_bytes(layout)
        here = hub.cached(source)
        absent = 0 if here else file_bytes(layout)
        download += absent
        writing += absent + (0 if here and is_converted(here, PARTS[part], config) else kept)
        disk += file_bytes(layout) + kept
        resident += kept if PARTS[part] == "vqvae" else kept * size // 4 + cache_bytes(config, batch, size)
        largest = max(largest, kept)
    return Needs(download, writing, disk, resident, resident + largest)


def cache_bytes(config: Config, batch: int, bytes_per_number: int) -> int:
    """Bytes of keys and values of a transformer for guided pictures."""
    return 2 * 2 * batch * config.depth * config.schedule.total * config.width * bytes_per_number


def check_fits(name: str, device: str = "cpu", precision: str = "float32", returned: int = 0) -> None:
    """CheckpointError, in one sentence, if there is not memory enough for the pair on that device.

    returned: bytes there that come free before the pair is loaded.
    """
    wanted, free = needs(name, precision), free_memory(device) + returned
    _refuse(name, precision, wanted.memory_on(device), free, f"memory on {device}")
    if device.startswith("cuda"):
        _refuse(name, precision, wanted.disk // 2, free_memory(), "memory on cpu while it is read")


def _refuse(name: str, precision: str, wanted: int, free: int, what: str) -> None:
    if wanted > free:
        raise CheckpointError(
            f"{name} in {precision} needs {hub.gigabytes(wanted)} of {what}, but {hub.gigabytes(free)} are free: "
            "choose a smaller pair or another precision."
        )


def free_memory(device: str = "cpu") -> int:
    """Bytes that are free on a device; of a CPU and of MPS, which shares its memory, those that a container leaves."""
    if device.startswith("cuda"):
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)  # torch keeps what it had
        return torch.cuda.mem_get_info(device)[0] + unused
    return min(psutil.virtual_memory().available, _left_by(CONTAINER))


def _left_by(container: Path) -> float:
    """Bytes that a control group leaves to its processes, caches of files not counted; infinite without a limit."""
    try:
        limit, used = (int((container / f"memory.{name}").read_text()) for name in ("max", "current"))
        caches = next(line for line in (container / "memory.stat").read_text().splitlines() if "inactive_file" in line)
        return limit - used + int(caches.split()[1])
    except (OSError, ValueError, StopIteration):  # no Linux, no container, or "max"
        return float("inf")
