"""The release whose pods are processes: its start, who publishes, who watches, and what the edges say."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from rillcast.cli.kubernetes.costs import LOSES, cost_in
from rillcast.contracts.words import NodeKind
from rillcast.testing.eventually import eventually
from tests.chaos.viewers import APP, Crowd, Ffmpeg, crowd, ffmpeg_again_and_again
from tests.e2e.publishers import make_source
from tests.kubernetes.api import Json, Refused
from tests.kubernetes.chart import is_settled, workloads
from tests.kubernetes.control_plane import LIVE, Cluster, condition, make_namespace, make_volumes
from tests.kubernetes.enclosure import LAB, consul
from tests.kubernetes.helm import CHART, RELEASE, chosen, helm
from tests.kubernetes.kubelet import PODS, Ended, Kubelet, kubelet
from tests.kubernetes.names import TARGETS, Names, names
from tests.kubernetes.pod import PodRun
from tests.kubernetes.results import Move, Start

Say = Callable[[str], None]
VALUES = Path(__file__).with_name("values.yaml")
STREAM = "live"
NOT_YET = (AssertionError, Refused, httpx.HTTPError)
START_S = 420.0
VOLUMES = 2
EDGE = f"{RELEASE}-edge"
DEPLOYMENTS = f"/apis/apps/v1/namespaces/{LIVE}/deployments"
ADMIN_PORT = {NodeKind.ORIGIN: 9101, NodeKind.EDGE: 9102, NodeKind.TRANSCODER: 9103}


def discovery() -> str:
    """`consul` where there is one, else `nats`."""
    return "consul" if consul() else "nats"


def options() -> list[str]:
    """Values of this release."""
    return chosen([VALUES], [f"discovery={discovery()}"])


@dataclass
class Live:
    """What runs."""

    cluster: Cluster
    pods: Kubelet
    names: Names
    http: httpx.AsyncClient
    ffmpeg: Ffmpeg = field(default_factory=Ffmpeg)
    told: dict[str, int] = field(default_factory=dict)
    """Viewers of each edge when it was told to end."""

    @property
    def socket(self) -> str:
        """Where viewers connect."""
        return f"{self.names.way_in.replace('http', 'ws')}/{APP}/websocket"

    async def viewers_of(self, run: PodRun) -> int:
        """How many an edge has, as it says itself; -1 when it says nothing."""
        url = f"http://{run.place.address}:{ADMIN_PORT[NodeKind.EDGE]}/metrics"
        try:
            text = (await self.http.get(url)).raise_for_status().text
            return cost_in(text, LOSES[NodeKind.EDGE])
        except (httpx.HTTPError, ValueError):
            return -1

    async def edges(self) -> Json:
        """The Deployment."""
        return await self.cluster.api.get(f"{DEPLOYMENTS}/{EDGE}")

    def moves(self, since: int) -> tuple[Move, ...]:
        """Pods that have ended after so many others."""
        return tuple(self._move(one) for one in self.pods.ended[since:] if one.kind != "keys")

    def _move(self, one: Ended) -> Move:
        there = self.told.get(one.name, -1)
        return Move(pod=one.name, kind=one.kind, viewers=there, took_s=one.took_s, killed=bool(one.killed))


@asynccontextmanager
async def live(cluster: Cluster, say: Say) -> AsyncIterator[tuple[Live, Start]]:
    """From `helm install` to the end of the block, with a publisher who never gives up."""
    await make_namespace(cluster.api, LIVE)
    await make_volumes(cluster.api, LAB / "volumes", VOLUMES, LIVE)
    source = await make_source(cluster.folder)
    async with AsyncExitStack() as stack:
        known = await stack.enter_async_context(names(cluster.api, LAB / "names", cluster.folder / TARGETS, RELEASE))
        pods = await stack.enter_async_context(kubelet(cluster, known.file))
        http = await stack.enter_async_context(httpx.AsyncClient(trust_env=False, timeout=5))
        made = Live(cluster, pods, known, http)
        url = f"{known.way_in}/{APP}/whip/{STREAM}"
        publishing = ffmpeg_again_and_again(source, url, cluster.folder)

        async def publish() -> None:
            made.ffmpeg = await stack.enter_async_context(publishing)

        yield made, await _start(made, publish, say)


async def _start(on: Live, publish: Callable[[], Awaitable[None]], say: Say) -> Start:
    began = time.monotonic()
    marks: dict[str, float] = {}

    def mark(what: str) -> None:
        marks[what] = round(time.monotonic() - began, 1)
        say(f"{what} after {marks[what]} s")

    async def installed() -> None:
        wait = f"--timeout={START_S:.0f}s"
        await helm(on.cluster, "install", RELEASE, CHART, f"--namespace={LIVE}", wait, *options())
        mark("helm")

    async def keys() -> None:
        secrets = f"/api/v1/namespaces/{LIVE}/secrets"

        async def there() -> bool:
            return len(await on.cluster.api.items(secrets)) >= 10

        await eventually(there, START_S, "the Secrets", every_s=0.2)
        mark("keys")

    async def ready() -> None:
        await eventually(lambda: _is_whole(on), START_S, "all pods are ready", every_s=0.5)
        mark("nodes")

    async def picture() -> None:
        await eventually(lambda: bool(on.names.signaling), START_S, "an instance of signaling")
        mark("signaling")
        await publish()

        async def seen() -> bool:
            async with crowd("the first", on.socket, STREAM, 1):
                return True

        await eventually(seen, START_S, "a picture", not_yet=(AssertionError,), every_s=0.5)
        mark("picture")

    async with asyncio.TaskGroup() as tasks:
        for part in (installed, keys, ready, picture):
            tasks.create_task(part())
    return Start(**marks)


async def _is_whole(on: Live) -> bool:
    found = await workloads(on.cluster, LIVE)
    assert len(found) >= 6, f"{len(found)} workloads"
    waiting = [one["metadata"]["name"] for one in found if not is_settled(one)]
    assert not waiting, (waiting, on.pods.failures())
    return True


async def settled(on: Live, timeout_s: float) -> None:
    """Returns when all controllers have what they wish and no pod is ending any more."""

    async def done() -> bool:
        await _is_whole(on)
        assert not [run.name for run in on.pods.runs() if run.asked_to_end is not None]
        return True

    await eventually(
        done, timeout_s, "all is as wished", every_s=0.5, not_yet=(AssertionError, Refused, httpx.HTTPError)
    )


async def watch_ends(on: Live) -> None:
    """Note how many viewers each edge has, until it is told to end. Until it is cancelled."""
    while True:
        for run in on.pods.runs(NodeKind.EDGE):
            if run.asked_to_end is None and (seen := await on.viewers_of(run)) >= 0:
                on.told[run.name] = seen
        await asyncio.sleep(0.5)


def losses(crowds: Sequence[Crowd], *, socket_may_close: bool = False) -> list[str]:
    """Who has lost the picture, or was sent away, or never got in."""
    found = []
    for one in crowds:
        found += [f"{one.name} {viewer}: its picture stands" for viewer in one.lost()]
        found += [f"{one.name}: {why} ({n} ×)" for why, n in one.run.failures.items()]
        for why, n in one.run.ended.items():
            if not (socket_may_close and ("socket closed" in why or "server_will_stop" in why)):
                found.append(f"{one.name}: {why} ({n} ×)")
    return found


def gaps_ms(crowds: Sequence[Crowd], since_us: int = 0) -> tuple[int, ...]:
    """The longest standstill of each viewer."""
    longest = (one.run.standstills.longest_us(one.count, since_us) for one in crowds)
    return tuple(round(gap / 1000) for each in longest for gap in each)


async def is_ready(on: Live, name: str) -> bool:
    """Whether a pod of this name takes work."""
    return condition(await on.cluster.api.get(f"{PODS}/{name}"), "Ready") == "True"
