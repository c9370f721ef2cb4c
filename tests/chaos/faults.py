"""The faults: a row each, with what is done, how it is undone, and what viewers may notice of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from rillcast.contracts.words import NodeKind
from rillcast.testing.servers import ServerProcess
from tests.chaos.cluster import NATS_PORT, ROUTE_PORT, Node
from tests.chaos.results import CONTROL, Goal
from tests.chaos.scene import Do, Scene, Skipped
from tests.chaos.service_faults import (
    SERVICES,
    SLOW_S,
    frozen,
    killed,
    service_blackholed,
    service_frozen,
    service_killed,
    service_slow,
)
from tests.chaos.viewers import LADDER, SDK, WHIP, Page, Stage, Watchers, watching_a_rung

RESTART_AFTER_S = 4.0
"""So long a killed process is away."""


@dataclass(frozen=True)
class Fault:
    """One row."""

    name: str
    what: str
    do: Do
    goal: Goal
    replaced: str = ""
    """Why clients may replace their PeerConnection by themselves."""
    extra: Callable[[Stage], AbstractAsyncContextManager[Page]] | None = None
    """One more page, that is there for this fault only."""
    watchers: Watchers | None = None
    """How many watch this one by `rillcast bench`; None: as many as others."""
    short: bool = True
    """Whether it is over within half a minute, so that it can be repeated."""
    early: bool = False
    """Whether it is made first, while viewers are spread over the edges as they came."""


@asynccontextmanager
async def _nodes_killed(scene: Scene, *servers: ServerProcess) -> AsyncIterator[None]:
    await asyncio.gather(*(server.kill() for server in servers))
    yield
    await asyncio.sleep(RESTART_AFTER_S)
    scene.starts_again()
    await asyncio.gather(*(server.start() for server in servers))


def _edge_killed(scene: Scene) -> AbstractAsyncContextManager[None]:
    return _on(scene.watched_edge(), lambda edge: _nodes_killed(scene, edge))


def _edge_frozen(scene: Scene) -> AbstractAsyncContextManager[None]:
    return _on(scene.watched_edge(), lambda edge: frozen([edge], 2.0))


def _edge_frozen_long(scene: Scene) -> AbstractAsyncContextManager[None]:
    return _on(scene.watched_edge(), lambda edge: frozen([edge], 10.0))


@asynccontextmanager
async def _on(
    choice: Awaitable[Node], then: Callable[[Node], AbstractAsyncContextManager[None]]
) -> AsyncIterator[None]:
    """Choose, and do it to what was chosen."""
    async with then(await choice):
        yield


@asynccontextmanager
async def _machine_gone(scene: Scene, node: Node) -> AsyncIterator[None]:
    """No packet comes from it any more, none reaches it, and nothing was said. Later it boots anew."""
    async with scene.cluster.net.dropped(_both(node.machine.address, "all")):
        yield
        await asyncio.sleep(2 * RESTART_AFTER_S)
        await node.kill()
    scene.starts_again()
    await node.start()


def _edge_gone(scene: Scene) -> AbstractAsyncContextManager[None]:
    return _on(scene.watched_edge(), lambda edge: _machine_gone(scene, edge))


@asynccontextmanager
async def _drained(scene: Scene, node: Node) -> AsyncIterator[None]:
    yield
    await node.drain()
    await asyncio.sleep(RESTART_AFTER_S)
    scene.starts_again()
    await node.start()


def _edge_drained(scene: Scene) -> AbstractAsyncContextManager[None]:
    return _on(scene.watched_edge(), lambda edge: _drained(scene, edge))


def _origin(stream: str, what: Callable[[Scene, Node], AbstractAsyncContextManager[None]]) -> Do:
    return lambda scene: _on(scene.origin_of(stream), lambda origin: what(scene, origin))


@asynccontextmanager
async def _nothing(scene: Scene) -> AsyncIterator[None]:
    yield
    await asyncio.sleep(scene.hold_s)


async def _parent(scene: Scene) -> Node:
    """An edge that feeds others. Only viewers at those count: they keep their sessions."""
    view = scene.cluster.views[scene.rng.choice(sorted(scene.cluster.views))]
    trees = {report.info.node: report.tree for report in (await view.status()).nodes if report.tree is not None}
    fed = {parent: {node for node, tree in trees.items() if parent in tree.parents} for parent in trees}
    parents = sorted(parent for parent, children in fed.items() if children)
    if not parents:
        raise Skipped("no edge feeds another one right now")
    parent = scene.rng.choice(parents)
    scene.edges, scene.hit = frozenset(fed[parent] - {parent}), parent
    return scene.cluster.nodes[parent]


def _parent_killed(scene: Scene) -> AbstractAsyncContextManager[None]:
    return _on(_parent(scene), lambda edge: _nodes_killed(scene, edge))


@asynccontextmanager
async def _transcoder_killed(scene: Scene) -> AsyncIterator[None]:
    nodes = scene.cluster.of(NodeKind.TRANSCODER)
    if not nodes:
        raise Skipped("no transcoder runs")
    scene.hit, scene.streams = nodes[0].name, frozenset({LADDER})
    async with _nodes_killed(scene, nodes[0]):
        yield


@asynccontextmanager
async def _signaling(
    scene: Scene, what: Callable[[Scene, Node], AbstractAsyncContextManager[None]]
) -> AsyncIterator[None]:
    """To the instance that has the most sockets: the door leads to the first one that takes them."""
    nodes, sockets = scene.cluster.of(NodeKind.SIGNALING), dict[str, float]()
    for node in nodes:
        sockets[node.name] = await scene.cluster.views[node.name].metric(node.name, "rillcast_signaling_sockets")
    node = max(nodes, key=lambda one: sockets[one.name])
    scene.hit = node.name
    async with what(scene, node):
        yield
    scene.cluster.learn_token(node.name)


def _signaling_killed(scene: Scene) -> AbstractAsyncContextManager[None]:
    return _signaling(scene, _nodes_killed)


def _signaling_drained(scene: Scene) -> AbstractAsyncContextManager[None]:
    return _signaling(scene, _drained)


def _both(one: str, other: str) -> list[tuple[str, str]]:
    return [(one, other), (other, one)]


@asynccontextmanager
async def _one_nats_killed(scene: Scene) -> AsyncIterator[None]:
    name = scene.rng.choice(sorted(scene.cluster.nats))
    scene.hit = name
    async with killed([scene.cluster.nats[name]], scene.hold_s / 2):
        yield


@asynccontextmanager
async def _routes_cut(scene: Scene) -> AsyncIterator[None]:
    """Every nats-server is alone with its clients."""
    addresses = scene.cluster.addresses("nats")
    ways = [(one, other) for one in addresses for other in addresses if one != other]
    async with scene.cluster.net.dropped(ways, ROUTE_PORT):
        yield
        await asyncio.sleep(scene.hold_s)


@asynccontextmanager
async def _one_way(scene: Scene) -> AsyncIterator[None]:
    """What a watched edge sends to the bus is lost; what the bus sends arrives."""
    edge = await scene.watched_edge()
    ways = [(edge.machine.address, address) for address in scene.cluster.addresses("nats")]
    async with scene.cluster.net.dropped(ways, NATS_PORT):
        yield
        await asyncio.sleep(scene.hold_s)


@asynccontextmanager
async def _disks_full(scene: Scene) -> AsyncIterator[None]:
    fillers = [server.folder / "data" / "filler" for server in scene.cluster.nats.values()]
    for filler in fillers:
        await asyncio.to_thread(_fill, filler)
    try:
        yield
        await asyncio.sleep(scene.hold_s)
    finally:
        for filler in fillers:
            filler.unlink(missing_ok=True)
    # nats-server gives JetStream up on a full disk, until it is started anew.
    for server in scene.cluster.nats.values():
        await server.stop()
        await server.start()


def _fill(filler: Path) -> None:
    with filler.open("wb") as out:
        try:
            while True:
                out.write(bytes(1 << 20))
                out.flush()
        except OSError:
            return


@asynccontextmanager
async def _old_store(scene: Scene) -> AsyncIterator[None]:
    """One nats-server starts with what it had a while ago."""
    name = scene.rng.choice(sorted(scene.cluster.nats))
    server, scene.hit = scene.cluster.nats[name], name
    await server.stop()
    server.copy_data()
    await server.start()
    await asyncio.sleep(2 * RESTART_AFTER_S)
    await server.stop()
    yield
    server.restore_data()
    await server.start()


@asynccontextmanager
async def _edge_and_nats(scene: Scene) -> AsyncIterator[None]:
    edge = await scene.watched_edge()
    name = scene.rng.choice(sorted(scene.cluster.nats))
    scene.hit = f"{edge.name}, {name}"
    async with _nodes_killed(scene, edge, scene.cluster.nats[name]):
        yield


@asynccontextmanager
async def _edge_and_origin(scene: Scene) -> AsyncIterator[None]:
    edge, origin = await scene.watched_edge(), await scene.origin_of(SDK)
    scene.edges, scene.hit = None, f"{edge.name}, {origin.name}"
    async with _nodes_killed(scene, edge, origin):
        yield


@asynccontextmanager
async def _rolling(scene: Scene) -> AsyncIterator[None]:
    """Every node, one after the other, is drained and started again. As elsewhere, what its start costs on this machine
    is told apart; so are what the SDK does by itself when the socket ends that it has to a signaling instance, and the
    stream of a publisher by WHIP, who begins anew by itself: both have a line of their own."""
    scene.streams, scene.hit = frozenset({SDK}), "every node"
    yield
    for node in scene.cluster.nodes.values():
        with scene.span(f"{node.name} goes", counted=node.kind is not NodeKind.SIGNALING):
            await node.drain()
            await asyncio.sleep(2.0)
        with scene.span(f"{node.name} starts", counted=False):
            await node.start()
            if node.kind is NodeKind.SIGNALING:
                scene.cluster.learn_token(node.name)
            await asyncio.sleep(2.0)


_NO_GAP = Goal()
_OWN_DOING = "the SDK tears its media down when its socket closes"


def _s(p50: float, p95: float, *, ours: bool = False) -> Goal:
    return Goal(p50_ms=p50 * 1000, p95_ms=p95 * 1000, ours=ours)


FAULTS = (
    Fault(CONTROL, "nothing is done, for comparison", _nothing, _NO_GAP),
    Fault("edge-killed", "an edge is killed", _edge_killed, _s(0.8, 1.5)),
    Fault("edge-gone", "an edge's machine is gone: no packet more, no FIN", _edge_gone, _s(2, 3)),
    Fault("edge-drained", "an edge is drained (SIGTERM)", _edge_drained, _s(0.1, 0.15)),
    Fault(
        "origin-killed",
        "the origin is killed, publisher by the SDK",
        _origin(SDK, _nodes_killed),
        _s(1.5, 2.5),
    ),
    Fault(
        "origin-killed-whip",
        "the origin is killed, publisher by WHIP (a loop starts ffmpeg anew after 0.3 s)",
        _origin(WHIP, _nodes_killed),
        _s(1.0, 1.5),  # as fast as the client comes back, and 0.3 s
    ),
    Fault("origin-drained", "the origin is drained", _origin(SDK, _drained), _s(0.15, 0.3)),
    Fault(
        "origin-drained-whip",
        "the origin is drained, publisher by WHIP (a loop starts ffmpeg anew after 0.3 s)",
        _origin(WHIP, _drained),
        _s(1.0, 1.5),  # a client of WHIP cannot be told to come back
    ),
    Fault(
        "parent-killed",
        "an edge is killed that feeds others, whose viewers count",
        _parent_killed,
        _s(0.5, 1),
        early=True,
    ),
    Fault(
        "transcoder-killed",
        "the transcoder is killed, under a viewer of a rung",
        _transcoder_killed,
        _s(1, 1),
        extra=watching_a_rung,
    ),
    Fault("signaling-killed", "signaling is killed, another is up", _signaling_killed, _s(1.2, 2), _OWN_DOING),
    Fault("signaling-drained", "signaling is drained, another is up", _signaling_drained, _s(1.2, 2), _OWN_DOING),
    *(
        Fault(f"{service}-{how}", f"{service} {words}", do(service), _NO_GAP, short=False)
        for service in SERVICES
        for how, words, do in (
            ("killed", "is killed, all of its servers", service_killed),
            ("frozen", "is frozen, all of its servers", service_frozen),
            ("blackholed", "loses every packet to and from it", service_blackholed),
            ("slow", f"is reached by a link of {SLOW_S:g} s each way", service_slow),
        )
        if (service, how) != ("license", "slow")
    ),
    Fault("all-killed", "NATS, Consul and license are killed at once", service_killed(*SERVICES), _NO_GAP, short=False),
    Fault("all-frozen", "NATS, Consul and license are frozen at once", service_frozen(*SERVICES), _NO_GAP, short=False),
    Fault("one-nats-killed", "one of three nats-servers is killed", _one_nats_killed, _NO_GAP),
    Fault("routes-cut", "the routes between nats-servers are cut", _routes_cut, _NO_GAP, short=False),
    Fault("bus-one-way", "an edge hears the bus, and is not heard", _one_way, _NO_GAP, short=False),
    Fault("disks-full", "the disks of JetStream are full", _disks_full, _NO_GAP, short=False),
    Fault("old-store", "one nats-server starts with an old copy of its store", _old_store, _NO_GAP),
    Fault("edge-frozen", "an edge is frozen for 2 s", _edge_frozen, _s(2.6, 3, ours=True)),
    Fault("edge-frozen-long", "an edge is frozen for 10 s, and wakes up", _edge_frozen_long, _s(6, 7, ours=True)),
    Fault(
        "origin-frozen",
        "an origin is frozen for 2 s",
        _origin(SDK, lambda scene, node: frozen([node], 2.0)),
        _s(2.6, 3, ours=True),
    ),
    Fault(
        "origin-frozen-long",
        "an origin is frozen for 10 s, and wakes up",
        _origin(SDK, lambda scene, node: frozen([node], 10.0)),
        _s(10, 12, ours=True),
    ),
    Fault("edge-and-nats", "an edge and a nats-server are killed at once", _edge_and_nats, _s(0.8, 1.5)),
    Fault("edge-and-origin", "an edge and the origin are killed at once", _edge_and_origin, _s(3, 4, ours=True)),
    Fault(
        "rolling",
        "every node is replaced, one after the other, under 200 viewers (publisher by the SDK)",
        _rolling,
        _s(0.3, 0.3),
        _OWN_DOING,
        watchers=Watchers(sdk=140, whip=50, whep=10),
        short=False,
    ),
)
