"""Published files on their way here: a process of its own, so that the page stays quick and Stop ends it at once.

All visitors share one download. It lives as long as somebody watches it; whoever asks again goes on where it stopped.
"""

import asyncio
import re
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from sdvar_core import CheckpointError

ROOT = Path(__file__).resolve().parent.parent
PAUSE = 0.25  # seconds between two looks
PATIENCE = 15.0  # seconds that a stopped process has to put things in order
LONGEST_LINE = 300  # characters


def fetch_command(name: str) -> list[str]:
    """The command that downloads and converts a pair; on its standard error it tells how far it is, and what failed."""
    return [sys.executable, "-m", "sdvar_core.fetch", name]


class Job:
    """One process that fetches a pair. line: what it said last. watchers: how many look on."""

    def __init__(self, name: str, command: list[str]) -> None:
        self.name, self.line, self.watchers = name, f"Asking for the files of {name} …", 0
        self.stopping = False
        self._process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def running(self) -> bool:
        """Whether it goes on, or has something to say still."""
        return self._process.poll() is None or self._reader.is_alive()

    @property
    def failed(self) -> bool:
        """Whether it ended otherwise than well."""
        return bool(self._process.returncode)

    def stop(self) -> None:
        """Ask the process to end, and make it after a while."""
        if not self.stopping and self._process.poll() is None:
            self.stopping = True
            self._process.send_signal(signal.SIGINT if sys.platform != "win32" else signal.SIGTERM)
            patience = threading.Timer(PATIENCE, self._process.kill)
            patience.daemon = True
            patience.start()

    def _read(self) -> None:
        with self._process.stderr as output:
            rest = b""
            while heard := output.read1():
                *lines, rest = re.split(rb"[\r\n]", rest + heard)  # "\r" comes before what writes over a line
                said = [line for line in (*lines, rest) if line.strip()]
                self.line = said[-1].decode("utf-8", "replace")[:LONGEST_LINE] if said else self.line
        self._process.wait()


class Downloads:
    """At most one download at a time, watched by anyone. command: what fetches a pair of a name."""

    def __init__(self, command: Callable[[str], list[str]] = fetch_command) -> None:
        self._command, self._job = command, None

    async def watch(self, name: str) -> AsyncIterator[str]:
        """Fetch the pair, or look on; yields what there is to say. CheckpointError in one sentence if it fails, or if
        the files of another pair are under way. Ends the download when its last watcher leaves."""
        while self._job is not None and self._job.running and self._job.stopping:
            yield "A download is just ending …"
            await asyncio.sleep(PAUSE)
        if self._job is None or not self._job.running:
            self._job = Job(name, self._command(name))
        job = self._job
        if job.name != name:
            raise CheckpointError(f"{job.name} is being downloaded: ask for {name} when that is done.")
        job.watchers += 1
        try:
            while job.running:
                yield job.line
                await asyncio.sleep(PAUSE)
        finally:
            job.watchers -= 1
            if not job.watchers:
                job.stop()
        if job.failed:
            raise CheckpointError(job.line)
