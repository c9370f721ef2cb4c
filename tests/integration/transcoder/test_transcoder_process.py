"""Real processes: a transcoder between an origin's and an edge's media plane, over NATS; then it is killed."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from asyncio.subprocess import Process
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import pytest

from rillcast.contracts.errors import RillcastError
from rillcast.contracts.ids import AppName, ClaimId, NodeId, RelayId, SessionId, StreamId, TrackId, stream_key
from rillcast.contracts.messages import Ack, NodeInfo, NodeLoad, NodeReport, RelayAnswer, RelayClose, RelayOpen
from rillcast.contracts.records import AppSettings, LadderRung, RenditionRecord, StreamRecord, TrackRecord
from rillcast.contracts.subjects import (
    BUCKET_LADDERS,
    BUCKET_RENDITIONS,
    BUCKET_STREAMS,
    STREAM_LEASE_S,
    media_relay_close,
    media_relay_open,
    node_reported,
)
from rillcast.contracts.words import MediaKind, NodeKind
from rillcast.media.protocol import (
    AddPushSource,
    AddRelaySource,
    ClockSeen,
    Event,
    KeyframeWanted,
    PlaneConfig,
    RequestKeyframe,
    SetClock,
    SourceId,
    Tap,
)
from rillcast.node.relay_keys import SealedRelayKeys
from rillcast.relay.books import ParentRelays
from rillcast.runtime.bus.nats_bus import NatsBus
from rillcast.runtime.bus.nats_connection import NatsConnection
from rillcast.runtime.discovery.beats import statement
from rillcast.runtime.discovery.directory import NodeDirectory
from rillcast.runtime.discovery.nats_discovery import feed_directory
from rillcast.runtime.process.identity import NodeIdentity
from rillcast.runtime.settings import NodeSettings
from rillcast.runtime.store.nats_kv import NatsKeyValue
from rillcast.testing.eventually import eventually
from rillcast.testing.servers import NatsServer, nats_server
from tests.unit.transcoder.pictures import Camera, bar_position, decode, frames_of

pytest.importorskip("rillcast_native")
from rillcast.media.plane import NativePlane

APP, STREAM = AppName("live"), StreamId("show")
KEY = stream_key(APP, STREAM)
ORIGIN, EDGE = NodeId("origin-test"), NodeId("edge-test")
VIDEO = TrackRecord(
    track=TrackId("v0"), mid="v0", kind=MediaKind.VIDEO, codec="H264", clock_rate=90_000, width=640, height=360
)
CONFIG = PlaneConfig(media_bind=("127.0.0.1",), relay_bind="127.0.0.1")
NTP = 0xE800_0000_0000_0000


class Studio:
    """Origin and edge in one: a camera on one plane, a receiver on another, the store's records."""

    def __init__(self, server: NatsServer) -> None:
        self.connection = NatsConnection(NodeSettings(nats_url=server.url), "studio")
        self.camera = Camera(first_ts=900_000)
        self.relays = ParentRelays()
        self.keyframe = True
        self.events: list[Event] = []
        self.members: list[tuple[NodeReport, NodeIdentity]] = []
        self.beats = 0
        self.received: list[bytes] = []
        self.origin = NativePlane(CONFIG, self._origin_event)
        self.edge = NativePlane(CONFIG, self.events.append, lambda _source, packet: self.received.append(packet))
        self._source = 100
        self.directory = NodeDirectory()
        self.origin_keys = self._member(ORIGIN, NodeKind.ORIGIN)
        self.edge_keys = self._member(EDGE, NodeKind.EDGE)

    def _member(self, node: NodeId, kind: NodeKind) -> SealedRelayKeys:
        """A node that others know by its heartbeats."""
        identity = NodeIdentity()
        info = NodeInfo(
            node=node, kind=kind, version="0", admin_address="a:1", incarnation="i", identity=identity.public
        )
        self.members.append((NodeReport(info=info, load=NodeLoad(), ready=True), identity))
        return SealedRelayKeys(node, identity, self.directory.get, self.directory.until)

    async def beat(self) -> None:
        self.beats += 1
        for said, identity in self.members:
            report = msgspec.structs.replace(said, beat=self.beats)
            report = msgspec.structs.replace(report, signature=identity.sign(statement(report)))
            await self.bus.emit(node_reported(report.info.kind, report.info.node), report)

    async def open(self) -> None:
        await self.connection.open()
        self.bus = NatsBus(self.connection)
        self.streams = await self._bucket(BUCKET_STREAMS, STREAM_LEASE_S)
        self.renditions = await self._bucket(BUCKET_RENDITIONS, STREAM_LEASE_S)
        apps = await self._bucket(BUCKET_LADDERS, None)
        ladder = (LadderRung(height=180, video_bitrate=400_000), LadderRung(height=90, video_bitrate=150_000))
        await apps.put(APP, msgspec.json.encode(AppSettings(app_name=APP, encoder_settings=ladder)))
        self.origin.execute(
            AddPushSource(source=SourceId(1), worker=0, kind=MediaKind.VIDEO, codec="H264", clock_rate=90_000)
        )
        await feed_directory(self.bus, self.directory)
        await self.bus.serve(media_relay_open(ORIGIN), RelayOpen, self._open_relay)
        await self.bus.serve(media_relay_close(ORIGIN), RelayClose, self._close_relay)

    async def close(self) -> None:
        await self.bus.close()
        await self.connection.close()
        self.origin.close()
        self.edge.close()

    async def perform(self) -> None:
        """Film at 30 frames/s and keep the stream's record, until cancelled."""
        record = StreamRecord(
            app=APP,
            stream=STREAM,
            owner=ORIGIN,
            publisher_session=SessionId("s"),
            tracks=(VIDEO,),
            media_flowing=True,
            epoch=1,
            claim=ClaimId("c1"),
        )
        begin = time.monotonic()
        while True:
            if self.camera.index % 30 == 0:
                await self.beat()
                await self.streams.put(KEY, msgspec.json.encode(record))
                ntp = NTP + (self.camera.index << 32) // 30
                self.origin.execute(SetClock(source=SourceId(1), ntp=ntp, rtp_ts=self.camera.rtp_ts))
            packets = self.camera.frame(keyframe=self.keyframe)
            self.keyframe = False
            self.origin.push_rtp(SourceId(1), packets)
            await asyncio.sleep(max(0.0, begin + self.camera.index / 30 - time.monotonic()))

    async def announced(self, timeout_s: float = 60.0, *, but_not: str = "") -> RenditionRecord:

        async def look() -> RenditionRecord | None:
            entries = [entry.value or b"" for entry in await self.renditions.entries()]
            records = [msgspec.json.decode(value, type=RenditionRecord) for value in entries]
            return next((record for record in records if record.tracks and record.owner != but_not), None)

        record = await eventually(look, timeout_s, f"rungs of a transcoder other than {but_not!r}", every_s=0.1)
        assert record is not None
        return record

    async def watch(self, record: RenditionRecord, height: int) -> None:
        """As an edge does for its first viewer of a rung."""
        self._source += 1
        self.received.clear()
        request = RelayOpen(
            app=APP,
            stream=STREAM,
            track=TrackId(f"v0.{height}p"),
            claim=record.claim,
            child=EDGE,
            relay=RelayId(f"relay-{self._source}"),
            child_address=f"127.0.0.1:{self.edge.workers[0].relay_port}",
        )
        asking = self.edge_keys.ask(request, record.owner)
        answer = await self.bus.request(media_relay_open(record.owner), asking.request, RelayAnswer, timeout_s=10)
        assert answer.grant is not None, "a transcoder refers nobody"
        grant = asking.open(answer.grant)
        self.edge.execute(
            AddRelaySource(
                source=SourceId(self._source),
                worker=0,
                kind=MediaKind.VIDEO,
                codec=grant.track.codec,
                clock_rate=90_000,
                parent=grant.parent_address,
                ssrc=grant.ssrc,
                srtp_key=grant.srtp_key,
                srtcp_key=grant.srtcp_key,
            )
        )
        self.edge.execute(Tap(source=SourceId(self._source), enabled=True))
        self.edge.execute(RequestKeyframe(source=SourceId(self._source)))

    def clocks(self) -> list[ClockSeen]:
        """As the publisher reports them. Until its first report comes, nodes guess by their own clock."""
        seen = (event for event in self.events if isinstance(event, ClockSeen))
        return [clock for clock in seen if abs(clock.ntp - NTP) < 3_600 << 32]

    async def _bucket(self, name: str, ttl_s: float | None) -> NatsKeyValue:
        bucket = NatsKeyValue(self.connection, name, ttl_s, storage="memory")
        await bucket.open()
        return bucket

    async def _open_relay(self, request: RelayOpen) -> RelayAnswer:
        self.origin_keys.check(request)
        relay, _ = self.relays.open(
            key=KEY, track=request.track, source=SourceId(1), child=request.child, relay=request.relay
        )
        self.origin.execute(relay.command())
        grant = relay.grant(f"127.0.0.1:{self.origin.workers[0].relay_port}", request.claim, VIDEO)
        return RelayAnswer(grant=self.origin_keys.seal(request, grant))

    async def _close_relay(self, request: RelayClose) -> Ack:
        return Ack()

    def _origin_event(self, event: Event) -> None:
        if isinstance(event, KeyframeWanted):
            self.keyframe = True


@asynccontextmanager
async def process(server: NatsServer, service: str, **env: str) -> AsyncIterator[Process]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RILLCAST_")}
    shared = {
        "RILLCAST_NATS_URL": server.url,
        "RILLCAST_KV_STORAGE": "memory",
        "RILLCAST_ADVERTISE_ADDRESS": "127.0.0.1",
    }
    started = await asyncio.create_subprocess_exec(
        sys.executable, "-m", f"services.{service}", env={**kept, **shared, **env}
    )
    try:
        yield started
    finally:
        if started.returncode is None:
            started.kill()
        await started.wait()


async def received_pictures(studio: Studio, count: int, timeout_s: float = 60.0) -> None:
    await eventually(
        lambda: len(frames_of("H264", studio.received)) >= count, timeout_s, f"{count} pictures of the rung"
    )


async def test_a_rung_reaches_the_edge_and_again_after_the_transcoder_was_killed() -> None:
    async with nats_server() as server, process(server, "license"):
        studio = Studio(server)
        await studio.open()
        filming = asyncio.create_task(studio.perform())
        try:
            async with process(server, "transcoder", RILLCAST_TRANSCODER_NODE_ID="transcoder-a") as first:
                record = await studio.announced()
                assert [track.height for track in record.tracks] == [180, 90]
                await studio.watch(record, 180)
                await received_pictures(studio, 45)
                frames = frames_of("H264", studio.received)
                pictures = decode("H264", frames)
                assert {(picture.width, picture.height) for picture in pictures} == {(320, 180)}
                assert {frame.rtp_ts % 3000 for frame in frames} == {0}
                for frame, picture in zip(frames, pictures, strict=False):
                    index = (frame.rtp_ts - 900_000) // 3000
                    assert bar_position(picture) == pytest.approx((index * 640 // 60 % 600 + 20) / 640, abs=0.02), (
                        "every picture carries its own timestamp"
                    )
                await eventually(studio.clocks, what="the source's sender reports coming along")
                for clock in studio.clocks():
                    media_s = (clock.rtp_ts - 900_000) / 90_000
                    assert (clock.ntp - NTP) / (1 << 32) == pytest.approx(media_s, abs=0.005)
                async with process(server, "transcoder", RILLCAST_TRANSCODER_NODE_ID="transcoder-b"):
                    first.kill()
                    record = await studio.announced(but_not="transcoder-a")
                    assert record.owner == "transcoder-b"
                    await studio.watch(record, 90)
                    await received_pictures(studio, 30)
                    sizes = Counter(
                        (picture.width, picture.height)
                        for picture in decode("H264", frames_of("H264", studio.received))
                    )
                    assert sizes[160, 90] >= 30
                with pytest.raises(RillcastError):
                    await studio.watch(record, 90)
        finally:
            filming.cancel()
            await asyncio.wait([filming])
            await studio.close()
