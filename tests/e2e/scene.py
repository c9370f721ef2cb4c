"""A cluster under streams in which things go wrong, so that dashboards have something to show."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx
import psutil

from rillcast.testing.eventually import eventually
from rillcast.testing.otlp import OtlpReceiver, otlp_receiver
from rillcast.testing.receiver import receiver
from rillcast.testing.servers import free_port
from tests.e2e.cluster import Cluster, cluster, process_of
from tests.e2e.load import publishing, started
from tests.e2e.prometheus import Prometheus, prometheus
from tests.e2e.publishers import ffmpeg_whip, killed, make_source
from tests.e2e.test_bus_stalls import frozen
from tests.e2e.test_drains import drain

APP = "LiveApp"
LADDER = {"encoderSettings": [{"height": 180, "videoBitrate": 300_000}], "vp8Enabled": True}
SETTINGS = {
    "RILLCAST_DISCOVERY": "nats",
    "RILLCAST_REGION": "home",
    "RILLCAST_ZONE": "a",
    "RILLCAST_EDGE_MAX_SESSIONS": "20",
}
THIN = ("--limit", "3M/250k@8/3M@25,none,120k", "--link-loss", "0.02")
"""Links that become thin for a while, that are fast, and that carry next to nothing."""
NODES = 7
SDP = {"Content-Type": "application/sdp"}
MANY = 60
"""Joins at once: more than have a trace of their own when they are refused."""
STALL_S = 12
"""Longer than the patience of the client of NATS (9 s)."""


@asynccontextmanager
async def played(folder: Path) -> AsyncIterator[tuple[Cluster, Prometheus]]:
    """The cluster at the end of the scene, still under streams, and a Prometheus that has seen all of it."""
    async with AsyncExitStack() as stack:
        collector = await stack.enter_async_context(otlp_receiver())
        hook = await stack.enter_async_context(receiver())
        own = {
            "RILLCAST_OTLP_ENDPOINT": collector.url,
            "RILLCAST_SIGNALING_APPS_FILE": str(apps(folder, hook.url)),
        }
        running = await stack.enter_async_context(cluster(folder, edges=2, origins=2, settings=SETTINGS | own))
        there = await stack.enter_async_context(prometheus(folder / "prometheus", running))
        await there.until_all_are_up(NODES)
        settings = f"{running.base}/rest/v2/applications/settings/{APP}"
        assert (await running.request("POST", settings, json=LADDER)).is_success
        source = await make_source(folder)
        await stack.enter_async_context(killed(*ffmpeg_whip(source, running.whip("camera")), log=folder / "ffmpeg.log"))
        layers = await started("publish", running.whip("layers"), "--simulcast", "--seconds", "300")
        stack.push_async_callback(gone, [layers])
        await running.live("camera")
        await running.live("layers")
        crowds = [
            await started(*("viewers", running.whep("camera"), "-n", "6", "--rate", "3", "--seconds", "300", *THIN)),
            await started(
                *("viewers", running.whep("layers"), "-n", "6", "--rate", "3", "--seconds", "300"),
                *THIN,
            ),
            await started(
                *("viewers", running.websocket(), "--stream", "layers", "-n", "4", "--rate", "2", "--seconds", "300")
            ),
        ]
        stack.push_async_callback(gone, crowds)
        await eventually(lambda: watching(running, 16), 60, "everybody watches", every_s=0.5)
        await goes_wrong(running, collector)
        await stack.enter_async_context(publishing(running.whip("later"), "--simulcast"))
        await running.live("later")
        crowds += [
            await started(*("viewers", running.whep("later"), "-n", "5", "--rate", "3", "--seconds", "300")),
            await started(
                *("viewers", running.websocket(), "--stream", "later", "-n", "3", "--rate", "2", "--seconds", "300")
            ),
        ]
        await eventually(lambda: watching(running, 8), 60, "somebody watches again", every_s=0.5)
        yield running, there


async def watching(running: Cluster, count: int) -> bool:
    """Whether so many watch at both edges together, or more."""
    return sum([await running.metric(f"edge-{n}", "rillcast_edge_viewers") for n in (1, 2)]) >= count


async def gone(crowds: list[asyncio.subprocess.Process]) -> None:
    """The viewers end at once."""
    for crowd in crowds:
        if crowd.returncode is None:
            crowd.kill()
        await crowd.wait()


def apps(folder: Path, answers: str) -> Path:
    """Beside the one with the streams: one whose webhook is not there, one whose webhook lets everybody in, and one
    with a limit."""
    settings = {
        APP: {},
        "told": {"listenerHookURL": f"http://127.0.0.1:{free_port()}/"},
        "asked": {"webhookAuthenticateURL": answers},
        "few": {"webRTCViewerLimit": 1},
    }
    file = folder / "apps.json"
    file.write_text(json.dumps(settings))
    return file


async def goes_wrong(running: Cluster, collector: OtlpReceiver) -> None:
    """One fault after the other, each over before the next."""
    await nobody(running)
    await elsewhere(running)
    process_of(running, "edge-1").send_signal(signal.SIGKILL)
    await running.another_is_ready("edge-2")
    await running.another_is_ready("edge-1")
    code, said = await drain(running, "edge-2", "--deadline", "20")
    assert code in (0, 3), said
    assert (await drain(running, "edge-2", "--undo"))[0] == 0
    too_many = await started(
        *("viewers", running.whep("layers"), "-n", "60", "--rate", "20", "--seconds", "3"),
    )
    await too_many.communicate()
    origin = (await running.live("layers")).origin
    psutil.Process(process_of(running, origin).pid).send_signal(signal.SIGKILL)
    await running.another_is_ready("origin-1")
    await running.another_is_ready("origin-2")
    collector.answers.clear()
    with frozen(running, "nats-server"):
        await asyncio.sleep(STALL_S)
    collector.answers.set()
    await emptied(running)


async def nobody(running: Cluster) -> None:
    """Who comes and goes, and requests that cannot be carried out: a stream that is not there, no right, no sense."""
    await (await started("publish", running.whip("short"), "--seconds", "2")).communicate()
    leaving = ("viewers", running.websocket(), "--stream", "camera", "-n", "2", "--rate", "5", "--seconds", "1")
    await (await started(*leaving)).communicate()
    missing = await started("viewers", running.whep("nobody"), "-n", "5", "--rate", "20", "--seconds", "1")
    await missing.communicate()
    async with httpx.AsyncClient(trust_env=False) as stranger:
        assert (await stranger.get(f"{running.base}/rest/v2/applications")).is_client_error
    await running.request("POST", f"{running.base}/rest/v2/applications/settings/{APP}", content=b"{")
    await running.request("POST", running.whep("layers"), content=b"v=0", headers=SDP)
    await oddities(running)


async def elsewhere(running: Cluster) -> None:
    """What happens in the other apps: a webhook that is told and one that is asked, and a limit that is reached."""
    for app in ("told", "asked"):
        await (await started("publish", running.whip("short", app=app), "--seconds", "2")).communicate()
    async with publishing(running.whip("", app="few"), "--stream", "full"):
        await running.live("full")
        crowd = await started("viewers", running.whep("full", app="few"), "-n", "3", "--rate", "5", "--seconds", "2")
        await crowd.communicate()


async def oddities(running: Cluster) -> None:
    """What players report, who cannot sign in, and what is not there."""
    events = f"{running.base}/{APP}/analytic/events"
    report = {"streamId": "camera", "protocol": "webrtc"}
    async with httpx.AsyncClient(trust_env=False) as stranger:
        played = {"event": "playStarted", "firstFrameMs": 321}
        assert (await stranger.post(f"{events}/play", json=report | played)).is_success
        watched = {"watchTimeMs": 60_000, "freezes": 1, "frozenMs": 900}
        assert (await stranger.post(f"{events}/watch-time", json=report | watched)).is_success
        nobody_knows = {"email": "nobody@example.com", "password": "wrong"}
        await stranger.post(f"{running.base}/rest/v2/users/authenticate", json=nobody_knows)
        await stranger.get(f"{running.base}/rest/v2/applications", headers={"Authorization": "Bearer none"})
        await stranger.get(f"{running.base}/rest/v2/applications", headers={"Host": "elsewhere.example.com"})
        node = (await running.status()).nodes[0].info
        assert (await stranger.get(f"http://{node.admin_address}/metrics", headers={"Host": "a.example"})).is_error
        joins = [stranger.post(running.whep("nobody"), content=b"v=0", headers=SDP) for _ in range(MANY)]
        await asyncio.gather(*joins)
    await running.request("PUT", f"{running.base}/{APP}/rest/v2/broadcasts/camera/recording/true")


async def emptied(running: Cluster) -> None:
    """An origin and a transcoder that drain."""
    camera = (await running.live("camera")).origin
    await running.another_is_ready(camera)  # the one that was killed may be starting still
    for node in ("origin-2" if camera == "origin-1" else "origin-1", "transcoder-1"):
        code, said = await drain(running, node, "--deadline", "20")
        assert code in (0, 3), said
        assert (await drain(running, node, "--undo"))[0] == 0
