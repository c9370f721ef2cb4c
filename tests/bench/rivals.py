"""Item (g): Janus from Debian and the cluster, one after the other, with the same viewers and the same media."""

from __future__ import annotations

import tempfile
from pathlib import Path

from rillcast.load.run import Plan
from tests.bench.fanout import Say
from tests.bench.janus_server import AUDIO_TYPE, VIDEO_TYPE, janus
from tests.bench.janus_viewers import JanusJoining
from tests.bench.loopback import VIDEO_BPS
from tests.bench.machine import Halves, halves, keep_on
from tests.bench.results import Rival
from tests.bench.rtp_feed import rtp_feed
from tests.bench.scale import Scale
from tests.bench.watching import APP, Meter, published, roles_of, watch
from tests.e2e.cluster import cluster

STREAM = "rival"
JOIN_RATE = 20.0
"""Per second: Janus takes long over a handshake when many come at once."""
KINDS = {0: "Janus, a thread per viewer (its default)", 1: "Janus, one event loop"}


async def measure(scale: Scale, say: Say) -> tuple[Rival, ...]:
    """Raises Skipped where Janus is not installed. The server has one CPU, generator and source the rest."""
    with halves() as split:
        found = [await _janus(scale, say, split, loops) for loops in KINDS]
        return (await _ours(scale, say, split), *found)


def _plan(scale: Scale, split: Halves, url: str) -> Plan:
    return Plan(url=url, count=scale.janus, rate=JOIN_RATE, seconds=scale.janus_s, cpu=min(split.rest))


async def _janus(scale: Scale, say: Say, split: Halves, loops: int) -> Rival:
    say(f"rivals: {KINDS[loops]}, {scale.janus} viewers")
    with tempfile.TemporaryDirectory() as folder:
        async with (
            janus(Path(folder), event_loops=loops) as server,
            rtp_feed(VIDEO_BPS, server.video, VIDEO_TYPE, server.audio, AUDIO_TYPE),
        ):
            keep_on([server.process], split.subject)
            meter = Meter({"janus": [server.process]}, "janus")
            joining = JanusJoining(server.url)
            step = await watch(_plan(scale, split, server.url), meter, join_by=joining, own_ports=True)
            return Rival(name=KINDS[loops], version=server.version, roles=("janus",), step=step)


async def _ours(scale: Scale, say: Say, split: Halves) -> Rival:
    say(f"rivals: Rillcast, {scale.janus} viewers")
    with tempfile.TemporaryDirectory() as folder:
        async with cluster(Path(folder), as_shipped=True) as running, published(running, STREAM, VIDEO_BPS):
            roles = roles_of(running)
            keep_on(roles["edge"], split.subject)
            plan = _plan(scale, split, running.whep(STREAM, APP))
            step = await watch(plan, Meter(roles, "edge"), own_ports=True)
            return Rival(name="Rillcast", version="this one", roles=("edge", "origin"), step=step)
