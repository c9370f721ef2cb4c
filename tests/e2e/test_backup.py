"""A publisher that freezes: its viewers are shown the backup that was set, and then their publisher again, in the same
peer connections."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import imageio_ffmpeg

from tests.e2e.browser import Observation, Stranger, Strangers
from tests.e2e.cluster import ROOT, Cluster, until
from tests.e2e.publishers import ffmpeg_whip, killed, running

SHOW_WIDTH, SLATE_WIDTH = 640, 320


async def make_slate(folder: Path) -> Path:
    """A still picture."""
    path = folder / "slate.png"
    picture = ("-f", "lavfi", "-i", f"smptebars=size={SLATE_WIDTH}x180", "-frames:v", "1", str(path))
    process = await asyncio.create_subprocess_exec(
        *(imageio_ffmpeg.get_ffmpeg_exe(), "-loglevel", "error", "-y", *picture)
    )
    assert await process.wait() == 0
    return path


def documented(picture: Path, url: str) -> tuple[str, ...]:
    """The command that docs/backup.md shows, for this picture and address."""
    page = (ROOT / "docs" / "backup.md").read_text()
    found = re.search(r"^  (ffmpeg .*?)\n  sleep 1$", page, re.MULTILINE | re.DOTALL)
    assert found is not None
    _, *words = shlex.split(found[1].replace("\\\n", " "))
    words[words.index("slate.png")], words[-1] = str(picture), url
    return imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", *words


@contextmanager
def frozen(process: asyncio.subprocess.Process) -> Iterator[None]:
    """It stands still until the end of the block, and nobody is told."""
    os.kill(process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process.pid, signal.SIGCONT)


def shows(width: int) -> Callable[[Observation], bool]:
    return lambda seen: seen.picture.width == width and seen.picture.shows_something()


async def all_show(width: int, what: str, *viewers: Stranger) -> None:
    await asyncio.gather(*(viewer.until(shows(width), what) for viewer in viewers))


async def stayed(viewer: Stranger, before: Observation) -> None:
    """The page has the one peer connection with which it watched before, as it was agreed on."""
    seen = await viewer.until_watching()
    assert (seen.made, len(seen.connections)) == (before.made, 1)
    assert seen.first is not None
    assert (seen.first.state, seen.first.tracks, seen.first.negotiations) == ("connected", 2, 1)
    assert not seen.heard_since(before, "play_finished")


async def test_a_frozen_publisher_is_stood_in_for_and_comes_back(
    rillcast: Cluster, strangers: Strangers, stream: str, source: Path, tmp_path: Path
) -> None:
    slate = f"{stream}-slate"
    show = ffmpeg_whip(source, rillcast.whip(stream))
    backup = documented(await make_slate(tmp_path), rillcast.whip(slate))
    async with (
        killed(*show, log=tmp_path / "show.log") as publisher,
        running(*backup, log=tmp_path / "slate.log"),
        strangers.open() as by_sdk,
        strangers.open() as by_whep,
        strangers.open() as late,
    ):
        await asyncio.gather(rillcast.live(stream), rillcast.live(slate))
        url = f"{rillcast.base}/LiveApp/rest/v2/broadcasts/{stream}"
        assert (await rillcast.request("PUT", url, json={"backupStreamId": slate})).json()["success"]
        await by_sdk.call("sdkPlay", url=rillcast.websocket(), stream=stream)
        await by_whep.call("whepPlay", url=rillcast.whep(stream))
        before = list(await asyncio.gather(by_sdk.until_watching(), by_whep.until_watching()))

        with frozen(publisher):
            await all_show(SLATE_WIDTH, "the backup", by_sdk, by_whep)
            await until(
                lambda: rillcast.stream(stream), lambda entry: entry and entry.backup == slate, "the status tells of it"
            )
            await late.call("whepPlay", url=rillcast.whep(stream))
            await all_show(SLATE_WIDTH, "the backup for who joins meanwhile", late)
            goes_on = await asyncio.gather(*(viewer.until_frames_go_on() for viewer in (by_sdk, by_whep, late)))
            before.append(goes_on[-1])

        await all_show(SHOW_WIDTH, "the publisher", by_sdk, by_whep, late)
        await asyncio.gather(*map(stayed, (by_sdk, by_whep, late), before))
        await until(lambda: rillcast.stream(stream), lambda entry: entry and entry.backup is None, "no backup is shown")
        path = f"{rillcast.base}/rillcast/v1/apps/LiveApp/broadcasts/{stream}/backup"
        shown = (await rillcast.request("GET", path)).json()
        assert (shown["backupStreamId"], shown["onBackup"]) == (slate, None)
