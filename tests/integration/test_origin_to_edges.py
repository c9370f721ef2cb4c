"""Origins and edges as real processes on a real bus; aiortc publishes and watches, the test stands in for signaling."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import av
import httpx
import msgspec
import nats
from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack

from rillcast.contracts import subjects
from rillcast.contracts.errors import RillcastError
from rillcast.contracts.ids import AppName, NodeId, SessionId, StreamId, new_session_id, stream_key
from rillcast.contracts.messages import (
    Ack,
    AnswerRequest,
    CloseAnswer,
    CloseRequest,
    PlayRequest,
    PlaySubscription,
    PublishRequest,
    SessionAnswer,
    SessionChanged,
)
from rillcast.contracts.records import StreamRecord
from rillcast.contracts.words import EndReason, NodeKind
from rillcast.runtime.bus.nats_bus import NatsBus
from rillcast.runtime.bus.nats_connection import NatsConnection
from rillcast.runtime.settings import NodeSettings
from rillcast.testing.eventually import eventually, within
from rillcast.testing.pictures import FRAMES_PER_SECOND, MovingPicture
from rillcast.testing.servers import NatsServer, free_port, nats_server
from rillcast.testing.services import MAX_LOOP_LAG_MS

APP, STREAM = AppName("live"), StreamId("s1")
SIGNALING = NodeId("sig-test")
ANSWER_S = 10.0
"""Of a node on a busy machine."""


class Service:
    """One process of a service."""

    def __init__(self, kind: str, name: str, nats_url: str) -> None:
        self.node = NodeId(name)
        self.admin_port = free_port()
        prefix = f"RILLCAST_{kind.upper()}_"
        values = {
            "NODE_ID": name,
            "NATS_URL": nats_url,
            "ADMIN_PORT": self.admin_port,
            "ADVERTISE_ADDRESS": "127.0.0.1",
            "MEDIA_BIND": "127.0.0.1",
            "RELAY_BIND": "127.0.0.1",
            "LOG_LEVEL": "warning",
            "DRAIN_TIMEOUT_S": 1,
            "MAX_LOOP_LAG_MS": MAX_LOOP_LAG_MS,
        }
        self._environment = {**os.environ, **{prefix + key: str(value) for key, value in values.items()}}
        self._kind = kind
        self.process: asyncio.subprocess.Process

    async def start(self) -> None:
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", f"services.{self._kind}", env=self._environment
        )
        await eventually(self._wired, 90, f"{self._kind} being wired", every_s=0.05)

    async def kill(self) -> None:
        if self.process.returncode is None:
            self.process.kill()
            await self.process.wait()

    async def metric(self, name: str) -> float:
        """A gauge or counter: of all its labels together, or of those that `name` has as they are written."""
        async with httpx.AsyncClient(trust_env=False) as client:
            text = (await client.get(f"http://127.0.0.1:{self.admin_port}/metrics")).text
        return sum(
            float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith((name + " ", name + "{"))
        )

    async def _wired(self) -> bool:
        """Ready, but for the license: no license service runs here."""
        async with httpx.AsyncClient(trust_env=False) as client:
            try:
                answer = (await client.get(f"http://127.0.0.1:{self.admin_port}/readyz")).json()
            except httpx.HTTPError:
                return False
        return "starting" not in answer["reasons"] and "bus" not in answer["reasons"]


class Cluster:
    """The processes, and the bus as signaling sees it."""

    def __init__(self, nats: NatsServer, bus: NatsBus, services: dict[str, Service]) -> None:
        self.nats = nats
        self.bus = bus
        self.services = services
        self.changes: list[SessionChanged] = []

    async def publish(self, pc: RTCPeerConnection, origin: str, digest: str = "mine") -> SessionAnswer:
        pc.addTrack(MovingPicture())
        pc.addTrack(AudioStreamTrack())
        await pc.setLocalDescription(await pc.createOffer())
        request = PublishRequest(
            app=APP,
            stream=STREAM,
            session=new_session_id(),
            signaling=SIGNALING,
            sdp_offer=pc.localDescription.sdp,
            credential_digest=digest,
            has_credentials=True,
        )
        subject = subjects.origin_publish(NodeId(origin))
        answer = await self.bus.request(subject, request, SessionAnswer, timeout_s=ANSWER_S)
        await pc.setRemoteDescription(RTCSessionDescription(answer.sdp, "answer"))
        return answer

    async def watch(self, pc: RTCPeerConnection, edge: str) -> SessionId:
        """WHEP: the viewer offers."""
        for kind in ("video", "audio"):
            pc.addTransceiver(kind, "recvonly")
        await pc.setLocalDescription(await pc.createOffer())
        answer = await self._play(edge, sdp_offer=pc.localDescription.sdp)
        await pc.setRemoteDescription(RTCSessionDescription(answer.sdp, "answer"))
        return answer.session

    async def watch_offered(self, pc: RTCPeerConnection, edge: str) -> SessionId:
        """As Ant Media's clients: the edge offers."""
        offer = await self._play(edge)
        await pc.setRemoteDescription(RTCSessionDescription(offer.sdp, "offer"))
        await pc.setLocalDescription(await pc.createAnswer())
        accept = AnswerRequest(session=offer.session, sdp_answer=pc.localDescription.sdp)
        await self.bus.request(subjects.edge_accept(NodeId(edge)), accept, Ack, timeout_s=ANSWER_S)
        return offer.session

    async def can_play(self, edge: str) -> bool:
        """Whether the edge answers a play, which is then left alone."""
        try:
            await self._play(edge)
        except RillcastError:
            return False
        return True

    async def close(self, node: str, session: SessionId) -> None:
        await self.bus.request(
            subjects.session_close(NodeKind(node.partition("-")[0]), NodeId(node)),
            CloseRequest(session=session, reason=EndReason.STOPPED),
            CloseAnswer,
            timeout_s=ANSWER_S,
        )

    async def state(self, session: SessionId, wanted: str) -> None:
        def reached() -> bool:
            states = [change.state for change in self.changes if change.session == session]
            assert wanted in states, states
            return True

        await eventually(reached, 40, f"{wanted} of {session}")

    async def shows(self, node: str, metric: str, wanted: float) -> None:
        """Wait until a gauge of a node is so high."""

        async def is_so() -> bool:
            seen = await self.services[node].metric(metric)
            assert seen == wanted, seen
            return True

        await eventually(is_so, 20, f"{metric} of {node} being {wanted:g}", every_s=0.1)

    async def has_counted(self, *, bytes_at_least: int, packets_at_least: int) -> None:
        """Wait until the record of the stream says that so much has come."""
        connection = await nats.connect(self.nats.url)
        try:
            bucket = await connection.jetstream().key_value(subjects.BUCKET_STREAMS)

            async def is_so() -> bool:
                entry = await bucket.get(stream_key(APP, STREAM))
                figures = msgspec.json.decode(entry.value or b"", type=StreamRecord).figures
                assert figures.received_bytes >= bytes_at_least and figures.packets >= packets_at_least, figures
                return True

            await eventually(is_so, 20, "what has come being in the record", every_s=0.1)
        finally:
            await connection.close()

    async def heard(self, _subject: str, change: SessionChanged) -> None:
        self.changes.append(change)

    async def _play(self, edge: str, **fields: Any) -> SessionAnswer:
        request = PlayRequest(
            subscriptions=(PlaySubscription(app=APP, stream=STREAM),),
            session=new_session_id(),
            signaling=SIGNALING,
            **fields,
        )
        return await self.bus.request(subjects.edge_play(NodeId(edge)), request, SessionAnswer, timeout_s=ANSWER_S)


@asynccontextmanager
async def cluster(*names: str) -> AsyncIterator[Cluster]:
    """Services named ``origin-…`` and ``edge-…``."""
    async with AsyncExitStack() as stack:
        nats = await stack.enter_async_context(nats_server())
        connection = NatsConnection(NodeSettings(nats_url=nats.url), SIGNALING)
        await connection.open()
        stack.push_async_callback(connection.close)
        bus = NatsBus(connection)
        stack.push_async_callback(bus.close)
        services = {name: Service(name.partition("-")[0], name, nats.url) for name in names}
        for service in services.values():
            stack.push_async_callback(service.kill)
        await asyncio.gather(*(service.start() for service in services.values()))
        running = Cluster(nats, bus, services)
        await bus.listen(subjects.session_changed(SIGNALING), SessionChanged, running.heard)
        yield running


@asynccontextmanager
async def peers(count: int) -> AsyncIterator[list[RTCPeerConnection]]:
    connections = [RTCPeerConnection() for _ in range(count)]
    try:
        yield connections
    finally:
        await asyncio.gather(*(pc.close() for pc in connections))


async def moving_frames(pc: RTCPeerConnection, count: int = 10) -> None:
    """Decode frames until the picture moved. On a busy machine there are fewer a second than the publisher means to
    send."""
    track = next(t.receiver.track for t in pc.getTransceivers() if t.kind == "video")
    async with within(20 + 5 * count / FRAMES_PER_SECOND, "the pictures of the track"):
        frames = [await track.recv() for _ in range(count)]
    greys = {round(float(f.to_ndarray(format="gray").mean())) for f in frames if isinstance(f, av.VideoFrame)}
    assert len(greys) > 2


async def test_viewers_on_two_edges_watch_one_publisher_through_one_copy_per_edge() -> None:
    async with cluster("origin-1", "edge-1", "edge-2") as c, peers(4) as (publisher, one, two, three):
        published = await c.publish(publisher, "origin-1")
        await c.state(published.session, "media")

        sessions = [await c.watch(one, "edge-1"), await c.watch_offered(two, "edge-1"), await c.watch(three, "edge-2")]

        await asyncio.gather(*(moving_frames(pc) for pc in (one, two, three)))
        for session in sessions:
            await c.state(session, "media")
        await c.shows("origin-1", "rillcast_origin_relays", 4)
        await c.shows("edge-1", "rillcast_edge_relays", 2)
        await c.has_counted(bytes_at_least=5_000, packets_at_least=20)
        await c.close("origin-1", published.session)
        for session in sessions:
            await c.state(session, "closed")


async def test_media_goes_on_while_nats_is_gone_and_joins_work_when_it_is_back() -> None:
    async with cluster("origin-1", "edge-1") as c, peers(3) as (publisher, viewer, late):
        published = await c.publish(publisher, "origin-1")
        await c.state(published.session, "media")
        await c.watch(viewer, "edge-1")
        await moving_frames(viewer)

        await c.nats.kill()
        await moving_frames(viewer, count=180)  # nine seconds: longer than a lease
        await c.nats.start()

        await eventually(lambda: c.can_play("edge-1"), 30, "the edge that takes viewers again", every_s=0.2)
        await c.watch(late, "edge-1")
        await moving_frames(late)
        await moving_frames(viewer)
        assert await c.services["edge-1"].metric("rillcast_edge_relay_moves_total") == 0


async def test_a_killed_origin_is_replaced_under_living_viewers() -> None:
    async with cluster("origin-1", "origin-2", "edge-1") as c, peers(3) as (publisher, again, viewer):
        published = await c.publish(publisher, "origin-1")
        await c.state(published.session, "media")
        session = await c.watch(viewer, "edge-1")
        await moving_frames(viewer)

        await c.services["origin-1"].kill()
        restored = await c.publish(again, "origin-2")
        await c.state(restored.session, "media")

        assert restored.restored
        await moving_frames(viewer, count=60)
        assert not any(change.session == session and change.state == "closed" for change in c.changes)
        await c.shows("edge-1", "rillcast_edge_relays", 2)


async def test_the_publisher_returns_to_its_origin_and_viewers_keep_their_sessions() -> None:
    async with cluster("origin-1", "edge-1") as c, peers(3) as (publisher, again, viewer):
        published = await c.publish(publisher, "origin-1")
        await c.state(published.session, "media")
        session = await c.watch(viewer, "edge-1")
        await moving_frames(viewer)

        restored = await c.publish(again, "origin-1")
        await c.state(restored.session, "media")
        await c.state(published.session, "closed")

        assert restored.restored
        await moving_frames(viewer, count=60)
        assert not any(change.session == session and change.state == "closed" for change in c.changes)
        assert await c.services["edge-1"].metric('rillcast_edge_relay_opens_total{outcome="ok"}') == 2
