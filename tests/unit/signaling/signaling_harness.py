"""A whole signaling instance that is asked in process, with a cluster made of fakes: bus, store, nodes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Protocol

import httpx
import msgspec

from rillcast.contracts import subjects
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import AppName, SessionId, StreamId, TrackId, stream_key
from rillcast.contracts.messages import (
    CarriedStream,
    LicenseCheck,
    LicenseStatus,
    LicenseStatusRequest,
    LicenseUsage,
    LicenseUsageRequest,
    NodeLoad,
    NodeReport,
    PlayRequest,
    UsageReport,
)
from rillcast.contracts.records import AppSettings, StreamRecord, TrackRecord
from rillcast.contracts.words import LicenseState, MediaKind, NodeKind, SessionState
from rillcast.testing.bus import FakeBroker
from rillcast.testing.eventually import eventually, within
from services.signaling.app import Signaling
from services.signaling.config import SignalingSettings
from services.signaling.core.wire import read_files
from services.signaling.operators.domain.accounts import SYSTEM, Account, Role, account_key
from tests.unit.signaling.asgi_socket import AsgiSocket, asgi_socket
from tests.unit.signaling.fake_nodes import ANSWER, LIVE, OFFER, FakeHost, FakeMediaNode, info

Frame = dict[str, Any]
HASH = "$argon2id$v=19$m=8,t=1,p=1$CAZgX8Ko5fK2PlidxOwtuw$FsM5YuQ89M/6+hjaX3D57y8O4M6E1upFOk7abvkqsrQ"
PASSWORD = "correct horse battery"
ADMIN = Account(
    email="admin",
    password_hash=HASH,
    user_type=Role.ADMIN,
    scope=SYSTEM,
    app_name_user_type={SYSTEM: Role.ADMIN},
)
"""Whose password is `PASSWORD`; a cluster starts faster that has an operator already."""


class Cluster:
    """Signaling with one origin and two edges."""

    def __init__(self, settings: SignalingSettings) -> None:
        self.settings = settings
        self.broker = FakeBroker()
        self.host = FakeHost(self.broker)
        self.origin = FakeMediaNode("origin-1", NodeKind.ORIGIN, self.broker)
        self.edges = [FakeMediaNode(f"edge-{n}", NodeKind.EDGE, self.broker) for n in (1, 2)]

    @property
    def played(self) -> list[PlayRequest]:
        return [request for edge in self.edges for request in edge.played]

    def edge_of(self, session: SessionId) -> FakeMediaNode:
        asked = [edge for edge in self.edges if any(request.session == session for request in edge.played)]
        return next(edge for edge in asked if edge.refusal is None or len(asked) == 1)

    def report(self, node: FakeMediaNode, viewers: int = 0, **fields: Any) -> None:
        carried = (CarriedStream(app=LIVE, stream=StreamId("s1"), viewers=viewers),) if viewers else ()
        report = NodeReport(info=info(node.name, node.kind), load=NodeLoad(), ready=True, carried=carried)
        self.host.directory.heard(msgspec.structs.replace(report, **fields))

    async def go_live(self, stream: str = "s1", app: AppName = LIVE, **fields: Any) -> None:
        """The stream's record appears and signaling sees it."""
        record = StreamRecord(
            app=app,
            stream=StreamId(stream),
            owner=self.origin.name,
            publisher_session=SessionId("p"),
            tracks=(
                TrackRecord(
                    track=TrackId("v0"),
                    mid="v0",
                    kind=MediaKind.VIDEO,
                    codec="H264",
                    clock_rate=90_000,
                    width=1280,
                    height=720,
                    bitrate_bps=1_000_000,
                ),
                TrackRecord(
                    track=TrackId("a0"), mid="a0", kind=MediaKind.AUDIO, codec="opus", clock_rate=48_000, channels=2
                ),
            ),
            media_flowing=True,
            name="A show",
        )
        bucket = self.host.buckets[subjects.BUCKET_STREAMS]
        record = msgspec.structs.replace(record, **fields)
        self.origin.sessions.add(record.publisher_session)
        value = msgspec.json.encode(record)
        await bucket.put(stream_key(app, StreamId(stream)), value)
        await self.sees(lambda: f'"{stream}"' in self._listed(app))

    def _listed(self, app: AppName) -> str:
        return " ".join(f'"{live.stream}"' for live in self.service.core.streams.all() if live.app == app)

    def settings_of(self, app: AppName) -> AppSettings:
        settings = self.service.core.apps.settings(app)
        assert settings is not None
        return settings

    async def sees(self, condition: Callable[[], object]) -> None:
        await eventually(condition, 5.0, "what the test waits for")

    @property
    def credentials(self) -> dict[str, str]:
        """Headers of an operator who may do everything."""
        return {"ProxyAuthorization": f"Bearer {self.service.operators.local_token}"}

    def http(self) -> httpx.AsyncClient:
        """Asks as an operator who may do everything."""
        return self.stranger(headers=self.credentials)

    def stranger(self, **options: Any) -> httpx.AsyncClient:
        """Asks without credentials."""
        transport = httpx.ASGITransport(self.service.asgi)
        return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:5080", **options)

    @asynccontextmanager
    async def client(self, path: str = "/live/websocket?target=edge", cookie: str = "") -> AsyncIterator[Client]:
        async with asgi_socket(self.service.asgi, path, cookie) as socket:
            yield Client(socket)

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Reachable for clients meanwhile; in process they are always."""
        yield

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Cluster]:
        for node in (self.origin, *self.edges):
            await node.start()
            self.report(node)
        await (await self.host.kv(subjects.BUCKET_ACCOUNTS)).put(account_key(ADMIN.email), msgspec.json.encode(ADMIN))
        self.service = await Signaling.build(self.settings, self.host, read_files(self.settings))
        try:
            await self.sees(lambda: self.service.core.happens.feed.begun)
            async with self.listening():
                yield self
        finally:
            self.service.operators.hashes.close()
            await self.service.core.tasks.close()
            await self.host.close()
            for node in (self.origin, *self.edges):
                await node.bus.close()

    async def license_is(self, state: LicenseState) -> None:
        async def answer(request: LicenseStatusRequest) -> LicenseStatus:
            return license_status(state)

        await self.origin.bus.serve(subjects.LICENSE_STATUS, LicenseStatusRequest, answer, queue="license")

    async def checks_documents(self) -> None:
        async def answer(request: LicenseCheck) -> LicenseStatus:
            name, dot, _ = request.document.partition(".")
            return license_status(LicenseState.VALID if dot else LicenseState.INVALID, license_id=name if dot else "")

        await self.origin.bus.serve(subjects.LICENSE_CHECK, LicenseCheck, answer, queue="license")

    async def reports_usage(self) -> None:
        async def answer(request: LicenseUsageRequest) -> LicenseUsage:
            if not request.first_day.startswith("2"):
                raise RillcastError(ErrorCode.BAD_REQUEST, f"{request.first_day} is not a day")
            report = UsageReport(
                first_day=request.first_day,
                last_day=request.last_day,
                issued_at_s=0,
                licensee="Us",
                node_hours={"edge": 2.5},
            )
            return LicenseUsage(report=report, signed="a.b.c", key_id="k")

        await self.origin.bus.serve(subjects.LICENSE_USAGE, LicenseUsageRequest, answer, queue="license")


def license_status(state: LicenseState, license_id: str = "L1") -> LicenseStatus:
    return LicenseStatus(
        license_id=license_id,
        licensee="Us",
        community=False,
        state=state,
        limit_total=9,
        not_after_s=2_000_000_000,
        grace_s=100,
        used_by_kind={"edge": 2},
        node_hours=41.2,
    )


class TextSocket(Protocol):
    """A client's end of a WebSocket."""

    async def send(self, frame: str | bytes, /) -> None: ...

    async def recv(self) -> str | bytes: ...

    async def close(self) -> None: ...


class Client:
    """A client that speaks the WebSocket protocol."""

    def __init__(self, socket: TextSocket) -> None:
        self.socket = socket

    @property
    def asgi(self) -> AsgiSocket:
        """The socket of a client in the same process."""
        assert isinstance(self.socket, AsgiSocket)
        return self.socket

    @property
    def set_cookie(self) -> str:
        """What the answer to the upgrade tells the browser to keep."""
        return self.asgi.headers["set-cookie"]

    @property
    def cookie(self) -> str:
        """What the browser shows at the next upgrade."""
        return self.set_cookie.partition(";")[0]

    async def send(self, command: str, **fields: Any) -> None:
        await self.socket.send(msgspec.json.encode({"command": command, **fields}).decode())

    async def receive(self) -> Frame:
        async with within(5, "a frame"):
            frame: Frame = msgspec.json.decode(await self.socket.recv())
        return frame

    async def ask(self, command: str, **fields: Any) -> Frame:
        await self.send(command, **fields)
        return await self.receive()

    async def nothing_came(self) -> bool:
        """Whether nothing but the answer to a ping comes: frames are answered in order."""
        return await self.ask("ping") == {"command": "pong"}

    async def publish(self, cluster: Cluster, stream: str = "s1", **fields: Any) -> SessionId:
        """Publish up to the answer."""
        assert (await self.ask("publish", streamId=stream, **fields))["command"] == "start"
        answer = await self.ask("takeConfiguration", streamId=stream, type="offer", sdp=OFFER)
        assert answer["type"] == "answer", answer
        return cluster.origin.published[-1].session

    async def play(self, cluster: Cluster, stream: str = "s1") -> tuple[FakeMediaNode, SessionId]:
        """Play until it runs."""
        known = {request.session for request in cluster.played}
        assert (await self.ask("play", streamId=stream, token="", room="", trackList=[]))["type"] == "offer"
        session = next(request.session for request in cluster.played if request.session not in known)
        edge = cluster.edge_of(session)
        await self.send("takeConfiguration", streamId=stream, type="answer", sdp=ANSWER)
        await cluster.sees(lambda: edge.answers and edge.answers[-1].session == session)
        await edge.tell(session, state=SessionState.CONNECTED)
        assert (await self.receive())["definition"] == "play_started"
        return edge, session


@asynccontextmanager
async def cluster(**settings: Any) -> AsyncIterator[Cluster]:
    """A running cluster."""
    async with Cluster(SignalingSettings(**settings)).running() as running:
        yield running
