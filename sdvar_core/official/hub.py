"""Getting published files: from the cache of huggingface_hub where they are, else over the network, resumably.

Nothing is asked of the network at import, and nothing at all where the cache has the file.
"""

import hashlib
import io
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import huggingface_hub
from filelock import FileLock, Timeout
from httpx2 import ConnectError  # of huggingface_hub, as filelock is
from huggingface_hub import constants
from huggingface_hub.errors import (
    EntryNotFoundError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
)
from huggingface_hub.file_download import http_get, repo_folder_name
from huggingface_hub.utils import build_hf_headers
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


def fetch(file: HubFile, progress: Progress | None = None) -> Path:
    """The file on this machine, downloaded first if need be; an interrupted download goes on where it stopped.

    ``progress`` hears of the size before the first byte. Raises CheckpointError, with what to do, if the disk is too
    small, or if the file is neither in the cache nor to be had, or is not what the hub says it is.
    """
    here = cached(file)
    if here is not None:
        return here
    url = huggingface_hub.hf_hub_url(file.repository, file.filename)
    known = _asked(file, lambda: huggingface_hub.get_hf_file_metadata(url))
    if not known.etag:
        raise CheckpointError(f"The hub does not say which {file.filename} it has: set HF_ENDPOINT to another one.")
    whole = _blobs(file) / known.etag
    part = whole.with_name(f"{known.etag}.sdvar-part")
    if not whole.exists():
        done, size = part.stat().st_size if part.exists() else 0, known.size or 0
        check_disk(file.filename, size - done, part)
        if progress is not None:
            progress(file.filename, done, size)
        part.parent.mkdir(parents=True, exist_ok=True)
        with _asked(file, FileLock(part.with_suffix(".lock"), timeout=0).acquire):
            _asked(file, lambda: _download(url, part, size, _bar_telling(file, progress)))
            _check_sum(file, part, known.etag)
            os.replace(part, whole)
    return Path(_asked(file, lambda: huggingface_hub.hf_hub_download(file.repository, file.filename)))


def _download(url: str, part: Path, size: int, bar: type[tqdm]) -> None:
    """What is missing of a file. huggingface_hub itself throws a broken-off one away, and those here have gigabytes."""
    with part.open("ab") as content:
        done = content.tell()
        http_get(url, content, resume_size=done, expected_size=size or None, headers=build_hf_headers(), tqdm_class=bar)


def _check_sum(file: HubFile, path: Path, etag: str) -> None:
    """CheckpointError, and the file is gone, if the hub names a SHA-256 and it has another."""
    if re.fullmatch("[0-9a-f]{64}", etag) is None:
        return
    with path.open("rb") as content:
        found = hashlib.file_digest(content, "sha256").hexdigest()
    if found != etag:
        path.unlink()
        raise CheckpointError(f"What came of {file.filename} of {file.repository} is damaged: ask for it again.")


def _blobs(file: HubFile) -> Path:
    """Where huggingface_hub keeps the contents of a repository, each under the tag that the hub gives it."""
    return cache_folder() / repo_folder_name(repo_id=file.repository, repo_type="model") / "blobs"


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
    except Timeout as error:
        raise CheckpointError(f"{where} is being downloaded by another program: wait for it.") from error
    except (LocalEntryNotFoundError, OfflineModeIsEnabled, ConnectionError, TimeoutError, ConnectError) as error:
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
