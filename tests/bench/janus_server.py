"""A Janus of our own: only the streaming plugin and the HTTP interface, ICE-lite as the edge is, fed by RTP."""

from __future__ import annotations

import asyncio
import re
import shutil
import socket
import subprocess
from asyncio.subprocess import DEVNULL, STDOUT
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import psutil

from tests.bench.null_device import Skipped
from tests.e2e.cluster import until

MOUNTPOINT = 1
START_TIMEOUT_S = 15.0
VIDEO_TYPE, AUDIO_TYPE = 102, 111

_MAIN = """general: {{ debug_level = 3, configs_folder = "{folder}", session_timeout = 0{loops} }}
media: {{ ipv6 = false, rtp_port_range = "{rtp}" }}
nat: {{ ice_lite = true, ice_enforce_list = "{address}" }}
plugins: {{ disable = "{plugins}" }}
transports: {{ disable = "{transports}" }}
events: {{ broadcast = false }}
"""
_HTTP = """general: {{ json = "compact", base_path = "/janus", http = true, port = {port}, ip = "127.0.0.1" }}
admin: {{ admin_http = false, admin_https = false }}
"""
_STREAMING = """bench: {{
  type = "rtp", id = {id}, audio = true, video = true,
  audioport = {audio}, audiopt = {audio_type}, audiocodec = "opus",
  videoport = {video}, videopt = {video_type}, videocodec = "h264",
  videofmtp = "profile-level-id=42e01f;packetization-mode=1"
}}
"""


class Janus:
    """A running server."""

    def __init__(self, pid: int, version: str, port: int, video_port: int, audio_port: int) -> None:
        self.process = psutil.Process(pid)
        self.version = version
        self.url = f"http://127.0.0.1:{port}/janus"
        self.video = ("127.0.0.1", video_port)
        self.audio = ("127.0.0.1", audio_port)


@asynccontextmanager
async def janus(folder: Path, *, event_loops: int) -> AsyncIterator[Janus]:
    """Until the end of the block. `event_loops` 0 = its default, a thread per viewer. Raises Skipped without Janus."""
    program = shutil.which("janus")
    if program is None:
        raise Skipped("Janus is not installed (apt-get install janus)")
    ports = _free_ports()
    _configure(folder, ports, event_loops)
    log = folder / "janus.log"
    with log.open("wb") as sink:
        process = await asyncio.create_subprocess_exec(
            *(program, "--configs-folder", str(folder), "--disable-colors"), stdin=DEVNULL, stdout=sink, stderr=STDOUT
        )
    try:

        async def answers() -> bool:
            if process.returncode is not None:
                raise RuntimeError(f"janus ended at once: {log.read_text(errors='replace')[-600:]}")
            with suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", ports[0])
                writer.close()
                return True
            return False

        await until(answers, bool, "Janus answers", START_TIMEOUT_S)
        yield Janus(process.pid, _version(program), *ports)
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(5):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


def _configure(folder: Path, ports: Sequence[int], event_loops: int) -> None:
    http, video, audio = ports
    plugins, transports = _others("plugins", "streaming"), _others("transports", "http")
    loops = f", event_loops = {event_loops}" if event_loops else ""
    written = {
        "janus.jcfg": _MAIN.format(
            folder=folder,
            loops=loops,
            rtp="31800-32700",
            address=_own_address(),
            plugins=plugins,
            transports=transports,
        ),
        "janus.transport.http.jcfg": _HTTP.format(port=http),
        "janus.plugin.streaming.jcfg": _STREAMING.format(
            id=MOUNTPOINT, audio=audio, video=video, audio_type=AUDIO_TYPE, video_type=VIDEO_TYPE
        ),
    }
    for name, text in written.items():
        (folder / name).write_text(text, encoding="utf-8")


def _others(kind: str, wanted: str) -> str:
    """All of Debian's but the one wanted, as Janus wants it: names separated by commas."""
    found = Path("/usr/lib").glob(f"*/janus/{kind}/libjanus_*.so")
    return ",".join(sorted(p.name for p in found if wanted not in p.name))


def _own_address() -> str:
    """Janus' ICE library sends by the network's interface only, so to no loopback address. Skipped without another."""
    for addresses in psutil.net_if_addrs().values():
        for a in addresses:
            if a.family == socket.AF_INET and not a.address.startswith("127."):
                return a.address
    raise Skipped("Janus sends to no loopback address, and this machine has no other address")


def _free_ports() -> tuple[int, int, int]:
    with (
        socket.socket() as http,
        socket.socket(type=socket.SOCK_DGRAM) as one,
        socket.socket(type=socket.SOCK_DGRAM) as two,
    ):
        for s in (http, one, two):
            s.bind(("127.0.0.1", 0))
        return http.getsockname()[1], one.getsockname()[1], two.getsockname()[1]


def _version(program: str) -> str:
    done = subprocess.run((program, "--version"), capture_output=True, text=True, timeout=10, check=False)
    found = re.search(r"\d+\.\d+\.\d+", done.stdout + done.stderr)
    return found[0] if found else "unknown"
