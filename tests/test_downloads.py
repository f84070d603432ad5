"""Downloads as visitors see them: shared, told, stopped when nobody looks on. The process is a real one."""

import asyncio
import sys
import time

import pytest

import sdvar_core as sd
from app.downloads import Downloads

SLOW = """
import sys, time
try:
    for percent in range(0, 101, 5):
        sys.stderr.write(f"\\rvar_d16.pth: {percent} % of 1.2 GB")
        time.sleep(0.1)
except KeyboardInterrupt:
    raise SystemExit("\\nStopped. Ask again: it goes on where it stopped.")
"""


def running(code):
    return Downloads(lambda name: [sys.executable, "-c", code])


async def lines_of(downloads, name="one", most=None):
    lines = []
    async for line in downloads.watch(name):
        lines.append(line)
        if most is not None and len(lines) >= most:
            break
    return lines


def test_progress_is_told_to_the_end():
    lines = asyncio.run(lines_of(running(SLOW)))
    assert lines[0] == "Asking for the files of one …"
    percents = [int(line.split()[1]) for line in lines if "%" in line]
    assert percents == sorted(percents)
    assert len(set(percents)) > 3


def test_what_goes_wrong_is_its_last_line():
    downloads = running("import sys; sys.stderr.write('\\rvar: 3 % of 1 GB'); sys.exit('\\nThe disk is full.')")
    with pytest.raises(sd.CheckpointError, match=r"^The disk is full\.$"):
        asyncio.run(lines_of(downloads))
    with pytest.raises(sd.CheckpointError, match="disk"):  # and one may ask again
        asyncio.run(lines_of(downloads))


def test_visitors_share_one_download():
    started = []

    def command(name):
        started.append(name)
        return [sys.executable, "-c", SLOW]

    downloads = Downloads(command)

    async def three():
        first = asyncio.create_task(lines_of(downloads))
        await asyncio.sleep(0.5)
        with pytest.raises(sd.CheckpointError, match="one is being downloaded: ask for other when that is done"):
            await lines_of(downloads, "other")
        await lines_of(downloads, most=1)  # one who leaves early stops nobody
        return await first

    assert int(asyncio.run(three())[-1].split()[1]) > 70
    assert started == ["one"]


def test_it_ends_when_the_last_watcher_leaves():
    downloads = running(SLOW)

    async def leave():
        watching = asyncio.create_task(lines_of(downloads))
        await asyncio.sleep(0.6)
        watching.cancel()
        with pytest.raises(asyncio.CancelledError):
            await watching
        began = time.monotonic()
        lines = await lines_of(downloads, most=3)  # asked again at once: waits for the end, then begins anew
        return time.monotonic() - began, lines

    seconds, lines = asyncio.run(leave())
    assert seconds < 5
    assert "Asking for the files of one …" in lines
