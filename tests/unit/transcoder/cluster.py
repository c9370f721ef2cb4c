"""A cluster around transcoders for tests: store, bus, an origin that grants relays, and nodes on fake planes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec

from rillcast.contracts import ids
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import (
    AppName,
    ClaimId,
    JobKind,
    NodeId,
    RelayId,
    SessionId,
    StreamId,
    TrackId,
    job_key,
    stream_key,
)
from rillcast.contracts.messages import (
    Ack,
    NodeInfo,
    RelayAnswer,
    RelayClose,
    RelayGrant,
    RelayOpen,
)
from rillcast.contracts.records import (
    AppSettings,
    BroadcastRecord,
    LadderRung,
    RenditionRecord,
    StreamRecord,
    TrackRecord,
)
from rillcast.contracts.subjects import media_relay_close, media_relay_open
from rillcast.contracts.words import MediaKind, NodeKind
from rillcast.media.protocol import AddRelaySource, SourceId, Tap
from rillcast.node.events import PlaneEvents
from rillcast.node.media_node import MediaNode
from rillcast.runtime.tasks.cancel import cancelled
from rillcast.testing.bus import FakeBroker, FakeBus
from rillcast.testing.eventually import within
from rillcast.testing.kv import FakeKeyValue
from rillcast.testing.plane import FakePlane
from rillcast.testing.relay_keys import PlainRelayKeys
from services.transcoder.app import Transcoder
from services.transcoder.config import TranscoderSettings
from services.transcoder.ports import StartCodecs
from services.transcoder.usecases.ladder_wishes import LadderWishes
from services.transcoder.usecases.work import WorkKind
from tests.unit.transcoder.fake_codecs import FakeMachine, FakePictures
from tests.unit.transcoder.pictures import Camera

APP, STREAM = AppName("live"), StreamId("show")
KEY = stream_key(APP, STREAM)
ORIGIN = NodeId("origin-1")
VIDEO = TrackRecord(track=TrackId("v0"), mid="v0", kind=MediaKind.VIDEO, codec="H264", clock_rate=90_000)
SIZED = msgspec.structs.replace(VIDEO, width=640, height=360)
AUDIO = TrackRecord(track=TrackId("a0"), mid="a0", kind=MediaKind.AUDIO, codec="opus", clock_rate=48_000, channels=2)
LADDER = (LadderRung(height=180, video_bitrate=300_000), LadderRung(height=90, video_bitrate=100_000))


class TestNode:
    """One transcoder."""

    __test__ = False

    def __init__(self, cluster: Cluster, name: str, settings: dict[str, object]) -> None:
        self._cluster = cluster
        self.name = NodeId(name)
        self.bus = FakeBus(cluster.broker)
        self.plane = FakePlane()
        info = NodeInfo(
            node=self.name,
            kind=NodeKind.TRANSCODER,
            version="0",
            admin_address="127.0.0.1:1",
            incarnation=name,
            relay_address="127.0.0.1",
        )
        settings_of_node = TranscoderSettings.model_validate(
            {"node_id": name, "preset": "ultrafast", "linger_s": 0.0, **settings}
        )
        events = PlaneEvents()
        self.plane.on_event = events
        self.events = events
        self.media = MediaNode(
            settings_of_node,
            info,
            plane=self.plane,
            events=events,
            bus=self.bus,
            streams=cluster.streams,
            renditions=cluster.renditions,
            relay_keys=PlainRelayKeys(),
            clock=cluster.clock,
            lease_s=cluster.lease_s,
        )
        self.wishes = LadderWishes(cluster.apps, cluster.broadcasts)
        made = Transcoder(
            settings_of_node,
            self.media,
            wishes=self.wishes,
            codecs=cluster.codecs,
            peers=self,
            pictures=cluster.pictures,
            more_kinds=cluster.kinds_for(self),
        )
        self.service = made
        self.jobs, self.running, self.watch = made.jobs, made.running, self.media.watch
        self._task: asyncio.Task[None] | None = None

    def have_room(self) -> bool:
        """`ports.Peers`: another node is there."""
        return any(node is not self for node in self._cluster.nodes)

    async def start(self) -> None:
        await self.service.serve()
        self._task = asyncio.create_task(self.media.run())

    async def kill(self) -> None:
        """As SIGKILL: nothing is given back, since neither bus nor store hears of the end."""
        self.bus.connected = False
        self._cluster.renditions.available = False
        await self._end()
        self._cluster.renditions.available = True

    async def stop(self) -> None:
        await self.jobs.close()
        await self._end()
        self.bus.connected = False

    async def _end(self) -> None:
        if self._task is not None:
            await cancelled(self._task, *self.media.tasks._tasks)

    def feed_source(self) -> SourceId | None:
        """The source that comes in, once it is tapped."""
        taps = self.plane.of(Tap)
        return taps[-1].source if taps and taps[-1].enabled else None

    def feed(self, camera: Camera, frames: int) -> None:
        """Let the tapped source deliver frames."""
        source = self.feed_source()
        assert source is not None
        for _ in range(frames):
            for packet in camera.frame():
                self.running.on_packet(source, packet)

    def pushed(self, source: SourceId) -> list[bytes]:
        """All packets pushed into a source."""
        return [packet for pushed, packets in self.plane.pushed if pushed == source for packet in packets]


def claim_of(epoch: int) -> ClaimId:
    """The claim of an epoch that nobody claimed over, as the records of these tests name it."""
    return ClaimId(f"c{epoch}")


class Cluster:
    """Everything the transcoders share."""

    def __init__(self, lease_s: float = 2.0, codecs: StartCodecs | None = None) -> None:
        """`codecs`: real ones; otherwise the nodes run on `machine`."""
        self.lease_s = lease_s
        self.clock = clock = asyncio.get_running_loop().time
        self.machine = FakeMachine()
        self.codecs = codecs or self.machine
        self.pictures = FakePictures()
        self.broker = FakeBroker()
        self.bus = FakeBus(self.broker)
        self.streams = FakeKeyValue("streams", clock=clock)
        self.renditions = FakeKeyValue("renditions", ttl_s=lease_s, clock=clock)
        self.apps = FakeKeyValue("apps")
        self.broadcasts = FakeKeyValue("broadcasts")
        self.opened: list[RelayOpen] = []
        self.closed: list[RelayClose] = []
        self.refusing = False
        self.silent = False
        """Whether the origin lets whoever asks it wait for an answer that never comes."""
        self.nodes: list[TestNode] = []
        self._records: dict[str, StreamRecord] = {}

    async def origin(self, node: NodeId = ORIGIN) -> None:
        """An origin that grants whatever is asked for."""

        async def open_relay(request: RelayOpen) -> RelayAnswer:
            self.opened.append(request)
            await self._answer_if_heard()
            if self.refusing:
                raise RillcastError(ErrorCode.HIGH_RESOURCE_USAGE, "no")
            grant = RelayGrant(
                parent_address="127.0.0.1:9",
                ssrc=7,
                payload_type=96,
                srtp_key="k",
                srtcp_key="c",
                claim=request.claim,
                track=self._track(request),
            )
            return RelayAnswer(grant=grant)

        async def close_relay(request: RelayClose) -> Ack:
            self.closed.append(request)
            await self._answer_if_heard()
            return Ack()

        await self.bus.serve(media_relay_open(node), RelayOpen, open_relay)
        await self.bus.serve(media_relay_close(node), RelayClose, close_relay)

    async def _answer_if_heard(self) -> None:
        if self.silent:
            await asyncio.Event().wait()

    async def node(self, name: str = "transcoder-1", **settings: object) -> TestNode:
        node = TestNode(self, name, settings)
        self.nodes.append(node)
        await node.start()
        return node

    async def ladder(self, *rungs: LadderRung, vp8: bool = False, always: bool = False) -> None:
        settings = AppSettings(app_name=APP, encoder_settings=rungs, vp8_enabled=vp8, always_encode=always)
        await self.apps.put(APP, msgspec.json.encode(settings))

    async def broadcast_ladder(self, *rungs: LadderRung) -> None:
        record = BroadcastRecord(stream_id=STREAM, encoder_settings_list=rungs)
        await self.broadcasts.put(KEY, msgspec.json.encode(record))

    async def publish(
        self,
        *tracks: TrackRecord,
        owner: NodeId = ORIGIN,
        epoch: int = 5,
        flowing: bool = True,
        stream: StreamId = STREAM,
    ) -> None:
        """Write the stream's record, and go on writing it as an owner does."""
        record = StreamRecord(
            app=APP,
            stream=stream,
            owner=owner,
            publisher_session=SessionId("s"),
            tracks=tracks or (VIDEO, AUDIO),
            media_flowing=flowing,
            epoch=epoch,
            claim=claim_of(epoch),
        )
        self._records[stream_key(APP, stream)] = record
        await self.streams.put(stream_key(APP, stream), msgspec.json.encode(record))

    async def unpublish(self) -> None:
        del self._records[KEY]
        await self.streams.delete(KEY)

    async def renew(self) -> None:
        """The origin's part: rewrite the records in time, until cancelled."""
        while True:
            await asyncio.sleep(self.lease_s / 4)
            for key, record in tuple(self._records.items()):
                await self.streams.put(key, msgspec.json.encode(record))

    def _track(self, request: RelayOpen) -> TrackRecord:
        record = self._records.get(stream_key(request.app, request.stream))
        if record is None:
            raise RillcastError(ErrorCode.NO_STREAM_EXIST, "the stream is over")
        return next(track for track in record.tracks if track.track == request.track)

    def kinds_for(self, node: TestNode) -> tuple[WorkKind, ...]:
        """Kinds of work besides ladders that the node does."""
        return ()

    async def rendition(self, stream: StreamId = STREAM, kind: JobKind = ids.LADDER) -> RenditionRecord | None:
        """The job as it lies in the store."""
        entry = await self.renditions.get(job_key(stream_key(APP, stream), kind))
        return msgspec.json.decode(entry.value, type=RenditionRecord) if entry and entry.value else None

    async def announced(
        self, timeout_s: float = 10.0, *, stream: StreamId = STREAM, **wanted: object
    ) -> RenditionRecord:
        """Wait for a record with these field values and at least one rung."""
        async with within(timeout_s, "the record of the rungs"):
            while True:
                record = await self.rendition(stream)
                if record and record.tracks and all(getattr(record, name) == value for name, value in wanted.items()):
                    return record
                await asyncio.sleep(0.02)

    async def watch_rung(
        self, track: str, node: NodeId, *, claim: ClaimId | None = None, child: str = "edge-1"
    ) -> RelayGrant:
        """What an edge does when a viewer wants the rung: under the claim of the job as it lies in the store, or under
        another one."""
        record = await self.rendition()
        request = RelayOpen(
            app=APP,
            stream=STREAM,
            track=TrackId(track),
            claim=claim if claim is not None else record.claim if record else ClaimId("none"),
            child=NodeId(child),
            relay=RelayId(f"{child}-{track}"),
            child_address="127.0.0.1:1",
        )
        answer = await self.bus.request(media_relay_open(node), request, RelayAnswer)
        assert answer.grant is not None
        return answer.grant

    async def unwatch_rung(self, track: str, node: NodeId, child: str = "edge-1") -> None:
        request = RelayClose(relay=RelayId(f"{child}-{track}"), child=NodeId(child))
        await self.bus.request(media_relay_close(node), request, Ack)

    def fed(self, node: TestNode) -> AddRelaySource:
        """The feed the node opened last."""
        return node.plane.of(AddRelaySource)[-1]


@asynccontextmanager
async def cluster(lease_s: float = 2.0, codecs: StartCodecs | None = None) -> AsyncIterator[Cluster]:
    """A cluster with an origin; everything ends with it."""
    made = Cluster(lease_s, codecs)
    await made.origin()
    renewing = asyncio.create_task(made.renew())
    try:
        yield made
    finally:
        renewing.cancel()
        for node in made.nodes:
            await node.stop()
            await node.bus.close()
        await made.bus.close()
