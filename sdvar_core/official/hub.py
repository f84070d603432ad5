"""Getting published files: from the cache of huggingface_hub where they are, else over the network, resumably.

Nothing is asked of the network at import, and nothing at all where the cache has the file.
"""

import io
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import huggingface_hub
from huggingface_hub import constants
from huggingface_hub.errors import (
    EntryNotFoundError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
)
from tqdm import tqdm

from sdvar_core.errors import CheckpointError
from sdvar_core.presets import HubFile

Progress = Callable[[str, int, int], None]
"""Told as a download goes on: the file's name, the bytes that are here, the bytes in all (0: unknown)."""

SPARE_BYTES = 1_000_000_000  # what a download must leave free on the disk


def cached(file: HubFile) -> Path | None:
    """Where the file lies in the cache, or None; never asks the network."""
    found = huggingface_hub.try_to_load_from_cache(file.repository, file.filename)
    return Path(found) if isinstance(found, str | os.PathLike) else None


def remote_size(file: HubFile) -> int:
    """Bytes of the file on the hub, 0 where the hub does not say; CheckpointError without a network."""
    found = _asked(file, lambda: huggingface_hub.hf_hub_download(file.repository, file.filename, dry_run=True))
    return found.file_size or 0


def fetch(file: HubFile, progress: Progress | None = None) -> Path:
    """The file on this machine, downloaded first if need be; an interrupted download goes on where it stopped.

    ``progress`` hears of the size before the first byte. Raises CheckpointError, with what to do, if the disk is too
    small, or if the file is neither in the cache nor to be had.
    """
    here = cached(file)
    if here is not None:
        return here
    size = remote_size(file)
    check_disk(file.filename, size, cache_folder())
    if progress is not None:
        progress(file.filename, 0, size)
    bar = _bar_telling(file, progress)
    path = _asked(file, lambda: huggingface_hub.hf_hub_download(file.repository, file.filename, tqdm_class=bar))
    return Path(path)


def cache_folder() -> Path:
    """Where huggingface_hub keeps its files."""
    return Path(constants.HF_HUB_CACHE)


def converted_folder() -> Path:
    """Where converted files lie, beside that cache."""
    return cache_folder().parent / "sdvar"


def check_disk(what: str, size: int, folder: Path) -> None:
    """CheckpointError unless ``size`` bytes fit on the disk of ``folder`` (which need not exist) with room to spare."""
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(existing).free
    if size + SPARE_BYTES > free:
        raise CheckpointError(
            f"{what} needs {gigabytes(size)} of disk and {gigabytes(SPARE_BYTES)} to spare, but {gigabytes(free)} are "
            "free: make room, or set HF_HOME to a larger disk."
        )


def gigabytes(size: int) -> str:
    """Bytes as people read them."""
    return f"{size / 1e9:.1f} GB" if size >= 1e8 else f"{size / 1e6:.1f} MB"


def _asked(file: HubFile, ask: Callable):
    where = f"{file.filename} of {file.repository}"
    try:
        return ask()
    except (LocalEntryNotFoundError, OfflineModeIsEnabled, ConnectionError, TimeoutError) as error:
        raise CheckpointError(
            f"{where} is not in the cache and the hub cannot be reached: connect once, or give the path of a copy."
        ) from error
    except (EntryNotFoundError, RepositoryNotFoundError, HfHubHTTPError) as error:
        raise CheckpointError(f"The hub refuses {where}: {_first_line(error)}") from error
    except Exception as error:  # whatever the network's library raises in the middle of a transfer
        raise CheckpointError(
            f"{where} could not be downloaded: {_first_line(error)} Ask again: it goes on where it stopped."
        ) from error


def _first_line(error: Exception) -> str:
    """The first line of an error, as a sentence."""
    line = next(iter(str(error).splitlines()), type(error).__name__)
    return line.rstrip(".") + "."


def _bar_telling(file: HubFile, progress: Progress | None) -> type[tqdm]:
    """A progress bar that draws nothing and tells ``progress`` instead."""

    class Telling(tqdm):
        def __init__(self, *arguments, **settings) -> None:
            settings.pop("name", None)  # huggingface_hub's own
            super().__init__(*arguments, **settings | {"file": io.StringIO(), "disable": False})

        def update(self, n: float | None = 1) -> bool | None:
            shown = super().update(n)
            if progress is not None:
                progress(file.filename, int(self.n), int(self.total or 0))
            return shown

    return Telling
