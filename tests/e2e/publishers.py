"""Publishers that are no browsers: ffmpeg's WHIP muxer and a GStreamer pipeline, as separate processes."""

from __future__ import annotations

import asyncio
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import imageio_ffmpeg

HERE = Path(__file__).resolve().parent
SOURCE_S = 10
END_TIMEOUT_S = 20.0
LOG_TAIL = 2_000


@asynccontextmanager
async def running(*argv: str, log: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process until the end of the block: SIGINT, then SIGKILL. Its output goes to `log`."""
    with log.open("wb") as sink:
        process = await asyncio.create_subprocess_exec(
            *argv, stdin=asyncio.subprocess.DEVNULL, stdout=sink, stderr=sink
        )
    try:
        yield process
        assert process.returncode is None, f"{argv[0]} ended by itself"
    except AssertionError as error:
        error.add_note(f"{argv[0]} said: {tail(log)}")
        raise
    finally:
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGINT)
        try:
            async with asyncio.timeout(END_TIMEOUT_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


@asynccontextmanager
async def killed(*argv: str, log: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process until the end of the block: SIGKILL, so it says goodbye to nobody."""
    with log.open("wb") as sink:
        process = await asyncio.create_subprocess_exec(
            *argv, stdin=asyncio.subprocess.DEVNULL, stdout=sink, stderr=sink
        )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def tail(log: Path) -> str:
    """The end of what a process has said."""
    return log.read_text(errors="replace")[-LOG_TAIL:]


async def make_source(folder: Path, *, keyframe_s: int = 1) -> Path:
    """A moving picture with a tone, H.264 and Opus, a keyframe each second or each `keyframe_s`."""
    path = folder / ("source.mkv" if keyframe_s == 1 else f"source-{keyframe_s}.mkv")
    length = str(-(-SOURCE_S // keyframe_s) * keyframe_s)
    process = await asyncio.create_subprocess_exec(
        *(imageio_ffmpeg.get_ffmpeg_exe(), "-loglevel", "error", "-y", "-t", length),
        *("-f", "lavfi", "-i", "testsrc2=size=640x360:rate=30", "-t", length),
        *("-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000"),
        *("-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-profile:v", "baseline"),
        *("-pix_fmt", "yuv420p", "-g", str(30 * keyframe_s), "-keyint_min", str(30 * keyframe_s)),
        *("-sc_threshold", "0", "-b:v", "800k", "-c:a", "libopus", "-ac", "2", str(path)),
    )
    assert await process.wait() == 0
    return path


def ffmpeg_whip(source: Path, url: str, *options: str) -> tuple[str, ...]:
    """Sends a file over and over, at its own speed, without encoding."""
    return (
        *(imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-stream_loop", "-1", "-re", "-i", str(source)),
        *("-c", "copy", "-f", "whip", *options, url),
    )


def gstreamer_whip(url: str, codec: str = "VP8") -> tuple[str, ...]:
    """A video and Opus by GStreamer's webrtcbin. Debian's Python, which has the bindings."""
    return ("/usr/bin/python3", str(HERE / "gstreamer_whip.py"), url, codec)


def has_gstreamer(*elements: str) -> bool:
    """Whether the bindings and webrtcbin are there, and these elements."""
    check = (
        "import gi; gi.require_version('GstWebRTC', '1.0'); from gi.repository import Gst, GstWebRTC; Gst.init(None)"
    )
    check += f"; assert all(map(Gst.ElementFactory.find, {elements!r}))"
    return subprocess.run(["/usr/bin/python3", "-c", check], capture_output=True, check=False).returncode == 0
