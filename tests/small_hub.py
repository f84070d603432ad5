"""A hub on this machine: huggingface_hub asks it over HTTP as it asks the real one, for files of the official keys at a
small depth. ``python -m tests.small_hub NAME`` is ``python -m sdvar_core.fetch NAME`` with configurations as small.

Who uses it sets HF_ENDPOINT to its address for the command, and HF_HOME to a fresh folder.
"""

import hashlib
import sys
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from unittest import mock

import torch

from sdvar_core import fetch, pairs
from sdvar_core.presets import TOKENIZER_FILE
from tests.official import small_var, small_vqvae, var_file, vqvae_file

DEPTHS = {16: 1, 20: 2}  # published depth → the small one
COMMIT = "0" * 40
CHUNK = 65_536


def publish(folder: Path) -> None:
    """Write the files of ``var-d16-d20``."""
    for depth, small in DEPTHS.items():
        torch.save(var_file(small_var(small), seed=depth), folder / f"var_d{depth}.pth")
    torch.save(vqvae_file(small_vqvae()), folder / TOKENIZER_FILE)


@contextmanager
def small_configurations():
    """Published files are as small as those of ``publish``; other depths stay as they are."""
    official = pairs.var_config

    def small(depth: int):
        return small_var(DEPTHS[depth]) if depth in DEPTHS else official(depth)

    with mock.patch.multiple(pairs, var_config=small, vqvae_config=lambda depth: small_vqvae()):
        yield


class Published:
    """What the hub has, how slowly it sends, and what it was asked. pause: seconds between chunks. breaks: at that
    byte of a file it hangs up."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.pause, self.breaks = folder, 0.0, None
        self.hung_up = 0  # how often the other side did
        self.sent: list[tuple[str, int]] = []  # file, first byte
        self.tags = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


@contextmanager
def serving(folder: Path):
    """The address of a hub of these files, and the Published."""
    published = Published(folder)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_) -> None:
            pass

        def do_HEAD(self) -> None:
            self._head()

        def do_GET(self) -> None:
            path, first = self._head()
            if path is None:
                return
            published.sent.append((path.name, first))
            content = path.read_bytes()[first:]
            try:
                for start in range(0, len(content), CHUNK):
                    if published.breaks is not None and first + start >= published.breaks:
                        self.close_connection = True
                        return
                    self.wfile.write(content[start : start + CHUNK])
                    time.sleep(published.pause)
            except OSError:
                published.hung_up += 1
                self.close_connection = True

        def _head(self) -> tuple[Path | None, int]:
            path = folder / self.path.split("?")[0].rpartition("/")[2]
            if "/resolve/" not in self.path or not path.is_file():
                self.send_response(404)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return None, 0
            size, wanted = path.stat().st_size, self.headers.get("Range", "")
            first = int(wanted.removeprefix("bytes=").partition("-")[0]) if wanted else 0
            self.send_response(206 if first else 200)
            if first:
                self.send_header("Content-Range", f"bytes {first}-{size - 1}/{size}")
            self.send_header("Content-Length", str(size - first))
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("ETag", f'"{published.tags[path.name]}"')
            self.send_header("X-Repo-Commit", COMMIT)
            self.end_headers()
            return path, first

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", published
    server.shutdown()
    server.server_close()


def small_fetch_command(name: str) -> list[str]:
    """As ``app.downloads.fetch_command``, of a small pair."""
    return [sys.executable, "-m", "tests.small_hub", name]


if __name__ == "__main__":
    with small_configurations():
        fetch.main(sys.argv[1:])
