"""WHEP viewers that are no browsers: GStreamer decodes what it is sent."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.browser import Strangers
from tests.e2e.cluster import Cluster, until
from tests.e2e.conftest import need
from tests.e2e.publishers import HERE, ffmpeg_whip, has_gstreamer, running, tail


async def decodes(url: str, codec: str, log: Path) -> None:
    """Until GStreamer has decoded some seconds of picture and sound."""
    command = ("/usr/bin/python3", str(HERE / "gstreamer_whep.py"), url, codec)

    async def said() -> str:
        return tail(log)

    async with running(*command, log=log):
        await until(said, lambda text: "video 100" in text and "audio 100" in text, "GStreamer decodes")


async def test_gstreamer_watches_what_ffmpeg_publishes(
    rillcast: Cluster, stream: str, source: Path, tmp_path: Path
) -> None:
    need(has_gstreamer(), "GStreamer with Python")
    async with running(*ffmpeg_whip(source, rillcast.whip(stream)), log=tmp_path / "ffmpeg.log"):
        await rillcast.live(stream)
        await decodes(rillcast.whep(stream), "H264", tmp_path / "gst.log")
        await until(lambda: rillcast.stream(stream), lambda entry: entry and entry.viewers == 0, "DELETE ended it")


async def test_gstreamer_watches_what_a_browser_publishes(
    rillcast: Cluster, strangers: Strangers, stream: str, tmp_path: Path
) -> None:
    need(has_gstreamer(), "GStreamer with Python")
    async with strangers.open(camera=True) as publisher:
        await publisher.call("whipPublish", url=rillcast.whip(stream), codec="VP8")
        await rillcast.live(stream)
        await decodes(rillcast.whep(stream), "VP8", tmp_path / "gst.log")
