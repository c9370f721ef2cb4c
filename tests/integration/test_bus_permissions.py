"""A real nats-server with the users of the table: each may do what its kind needs, and nothing else."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import nats.errors
import pytest
from nats.js import api
from prometheus_client import REGISTRY

from rillcast.contracts import subjects
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import NodeId
from rillcast.contracts.messages import (
    Ack,
    CloseAnswer,
    CloseRequest,
    LicenseStatus,
    LicenseStatusRequest,
    NodeInfo,
    NodeLeft,
    NodeLoad,
    NodeReport,
    SeatRequest,
)
from rillcast.contracts.permissions import BUCKETS, JOURNALS, TRAFFIC, BusUser, inbox_of, permissions_of
from rillcast.contracts.version import PROTOCOL_VERSION
from rillcast.contracts.words import EndReason, LicenseState, NodeKind
from rillcast.runtime.bus.envelope import PROTOCOL_HEADER
from rillcast.runtime.bus.nats_bus import NatsBus
from rillcast.runtime.bus.nats_connection import NatsConnection
from rillcast.runtime.discovery.beats import Beats
from rillcast.runtime.discovery.directory import NodeDirectory
from rillcast.runtime.discovery.heartbeat import Heartbeat
from rillcast.runtime.discovery.nats_discovery import feed_directory
from rillcast.runtime.errors import StartError
from rillcast.runtime.process.identity import NodeIdentity, is_signed_by
from rillcast.runtime.settings import NodeSettings
from rillcast.runtime.store.nats_journal import NatsJournal
from rillcast.runtime.store.nats_kv import NatsKeyValue
from rillcast.testing.clock import FakeClock
from rillcast.testing.eventually import eventually, within
from rillcast.testing.servers import NatsServer, nats_server

SOME_NODE = NodeId("node-7")
STATUS = LicenseStatus(license_id="x", licensee="x", community=False, state=LicenseState.EXPIRED, limit_total=0)


@pytest.fixture
async def server() -> AsyncIterator[NatsServer]:
    async with nats_server(users=True) as running:
        yield running


@asynccontextmanager
async def connected(
    server: NatsServer, user: BusUser, name: str = "", key_of: BusUser | None = None
) -> AsyncIterator[NatsConnection]:
    """`key_of`: whose key is shown, if it is not the user's."""
    settings = NodeSettings.model_validate(
        {"nats_url": server.url, "nats_nkey": server.seeds[key_of or user], "connect_timeout_s": 5}
    )
    connection = NatsConnection(settings, name or f"{user}-1", user=user)
    await connection.open()
    try:
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def bus_of(server: NatsServer, user: BusUser) -> AsyncIterator[NatsBus]:
    async with connected(server, user) as connection:
        bus = NatsBus(connection)
        yield bus
        await bus.close()


async def make_buckets(server: NatsServer) -> None:
    async with connected(server, BusUser.LICENSE, "maker") as connection:
        for bucket in BUCKETS:
            await NatsKeyValue(connection, bucket.name, bucket.lease_s).open()


def api_subjects() -> list[str]:
    """What a user of the store publishes, for every bucket, and what nobody may."""
    found = ["$JS.API.INFO", "$JS.API.STREAM.NAMES", "$JS.API.STREAM.LIST", "$SYS.REQ.SERVER.PING"]
    for bucket in BUCKETS:
        stream = f"KV_{bucket.name}"
        calls = ("INFO", "MSG.GET", "CREATE", "UPDATE", "DELETE", "PURGE", "MSG.DELETE", "SNAPSHOT")
        found += [f"$JS.API.STREAM.{call}.{stream}" for call in calls]
        found += [f"$JS.API.CONSUMER.{call}.{stream}" for call in ("CREATE", "NAMES", "LIST")]
        found += [f"$JS.API.CONSUMER.{call}.{stream}.some" for call in ("DELETE", "CREATE", "INFO", "MSG.NEXT")]
        found += [f"$JS.API.DIRECT.GET.{stream}", f"$KV.{bucket.name}.some.key"]
    for journal in JOURNALS:
        calls = ("INFO", "MSG.GET", "CREATE", "UPDATE", "DELETE", "PURGE", "MSG.DELETE", "SNAPSHOT")
        found += [f"$JS.API.STREAM.{call}.{journal.stream}" for call in calls]
        found += [f"$JS.API.CONSUMER.{call}.{journal.stream}" for call in ("CREATE", "NAMES", "LIST")]
        found += [f"$JS.API.CONSUMER.{call}.{journal.stream}.some" for call in ("DELETE", "CREATE", "INFO", "MSG.NEXT")]
        found += [f"$JS.API.DIRECT.GET.{journal.stream}", journal.subject, f"{journal.subject}.more"]
    return found


async def test_signaling_writes_and_follows_the_journal_and_nobody_else_does(server: NatsServer) -> None:
    row = JOURNALS[0]
    async with connected(server, BusUser.LICENSE, "maker") as maker:
        await NatsJournal(maker, row).open()
    async with connected(server, BusUser.SIGNALING) as connection:
        journal = NatsJournal(connection, row, makes=False)
        await journal.open()
        await journal.append(b"first")
        async with within(20.0, "the entry"), journal.follow(0) as entries:
            assert (await anext(entries)).value == b"first"
    async with connected(server, BusUser.EDGE) as connection:
        with pytest.raises(RillcastError, match=r"does not let edge .*jn_rillcast_events"):
            await NatsJournal(connection, row, makes=False).open()
        with pytest.raises(RillcastError):
            await NatsJournal(connection, row, makes=False).append(b"forged")


@pytest.mark.parametrize("user", sorted(BusUser))
async def test_each_user_may_publish_and_subscribe_what_the_table_says_and_nothing_else(
    server: NatsServer, user: BusUser
) -> None:
    async with connected(server, user) as connection:
        everything = [row.subject.replace("*", SOME_NODE) for row in TRAFFIC]
        everything += [*api_subjects(), "rc.v1.new.thing", "other", inbox_of(BusUser.ORIGIN, "origin-1") + ".x"]
        for subject in everything:
            await connection.client.publish(subject, b"")
            await connection.client.subscribe(subject)
        for other in BusUser:
            await connection.client.subscribe(f"{inbox_of(other, '*')}.>")
        await connection.client.subscribe(">")
        await connection.settle()

        allowed = permissions_of(user)
        for subject in everything:
            denied = bool(connection.denials.of("publish", subject))
            assert denied is not any(_matches(pattern, subject) for pattern in allowed.publish), subject
            denied = bool(connection.denials.of("subscribe", subject))
            assert denied is not any(_matches(pattern, subject) for pattern in allowed.subscribe), subject
        for other in BusUser:
            assert bool(connection.denials.of("subscribe", f"{inbox_of(other, '*')}.>")) is (other is not user)
        assert connection.denials.of("subscribe", ">")


def _matches(pattern: str, subject: str) -> bool:
    wanted, given = pattern.split("."), subject.split(".")
    if wanted[-1] == ">":
        return len(given) >= len(wanted) and _matches(".".join(wanted[:-1]), ".".join(given[: len(wanted) - 1]))
    return len(wanted) == len(given) and all(w in {"*", g} for w, g in zip(wanted, given, strict=True))


async def test_nobody_gets_in_without_being_a_user(server: NatsServer) -> None:
    settings = NodeSettings(nats_url=server.url, connect_timeout_s=5)
    with pytest.raises(StartError, match="refused a user without credentials"):
        await NatsConnection(settings, "stranger").open()


async def test_a_denied_request_fails_at_once_in_words(server: NatsServer) -> None:
    async with bus_of(server, BusUser.EDGE) as bus:
        asked_at = asyncio.get_running_loop().time()
        close = CloseRequest(session="s" * 16, reason=EndReason.STOPPED)  # type: ignore[arg-type]
        subject = subjects.session_close(NodeKind.ORIGIN, NodeId("origin-1"))
        with pytest.raises(RillcastError, match=r"not let edge \(the nkey U\w+\) publish rc.v1.session.close.origin"):
            await bus.request(subject, close, CloseAnswer, timeout_s=60)
        assert asyncio.get_running_loop().time() - asked_at < 30


async def test_a_node_that_may_not_hear_what_it_serves_does_not_start(server: NatsServer) -> None:
    async def answer(_: LicenseStatusRequest) -> LicenseStatus:
        return STATUS

    async with bus_of(server, BusUser.EDGE) as bus:
        with pytest.raises(StartError, match=r"does not let edge \(the nkey U\w+\) subscribe rc.v1.license.status"):
            await bus.serve(subjects.LICENSE_STATUS, LicenseStatusRequest, answer)


async def test_a_store_that_may_not_be_read_ends_the_start_in_words(server: NatsServer) -> None:
    await make_buckets(server)
    async with connected(server, BusUser.EDGE) as connection:
        secrets = NatsKeyValue(connection, subjects.BUCKET_SECRETS, makes=False)
        with pytest.raises(StartError, match=r"does not let edge .* publish \$js.api.stream.info.kv_rillcast_secrets"):
            await secrets.open()


async def test_with_the_key_of_another_kind_no_answer_comes_and_that_is_said(server: NatsServer) -> None:
    """Both may read this bucket, but answers would come where the other's do not."""
    await make_buckets(server)
    words = r"NATS does not let edge .* subscribe _inbox\.edge\."
    async with connected(server, BusUser.EDGE, key_of=BusUser.TRANSCODER) as connection:
        with pytest.raises(StartError, match=words):
            await NatsKeyValue(connection, subjects.BUCKET_STREAMS).open()
        bus = NatsBus(connection)
        subject = subjects.media_relay_open(SOME_NODE)
        with pytest.raises(RillcastError, match=words):
            await bus.request(subject, LicenseStatusRequest(), LicenseStatus, timeout_s=1.0)
        await bus.close()


async def test_a_bucket_is_made_by_the_license_service_and_used_by_others(server: NatsServer) -> None:
    async with connected(server, BusUser.ORIGIN) as origin, connected(server, BusUser.EDGE) as edge:
        streams = NatsKeyValue(origin, subjects.BUCKET_STREAMS, 6.0, makes=False)
        opening = asyncio.create_task(streams.open())
        await make_buckets(server)
        await opening
        assert await streams.create("live/a", b"1") is not None

        seen = NatsKeyValue(edge, subjects.BUCKET_STREAMS, 6.0, makes=False)
        await seen.open()
        assert [entry.value for entry in await seen.entries()] == [b"1"]
        async with seen.watch() as entries:
            assert (await anext(entries)).value == b"1"
        with pytest.raises(RillcastError) as refusal:
            await seen.put("live/a", b"2")
        assert refusal.value.code is ErrorCode.STORE_UNAVAILABLE
        assert [entry.value for entry in await seen.entries()] == [b"1"]


async def test_an_answer_never_goes_where_others_want_it(server: NatsServer) -> None:
    """Who may ask the license service could have it write its own bucket: by naming a key as the place to answer to."""
    await make_buckets(server)
    asked = asyncio.Event()

    async def acquire(_: SeatRequest) -> Ack:
        asked.set()
        return Ack()

    async with bus_of(server, BusUser.LICENSE) as bus, connected(server, BusUser.EDGE) as edge:
        await bus.serve(subjects.license_acquire(NodeKind.EDGE), SeatRequest, acquire)
        key = f"$KV.{subjects.BUCKET_LICENSE_STATE}.installed"
        body = json.dumps({"node": "edge-1", "kind": "edge", "incarnation": "i"}).encode()
        headers = {PROTOCOL_HEADER: str(PROTOCOL_VERSION)}
        await edge.client.publish(subjects.license_acquire(NodeKind.EDGE), body, reply=key, headers=headers)
        async with within(10, "the question of the node"):
            await asked.wait()
        async with connected(server, BusUser.LICENSE, "reader") as reader:
            state = NatsKeyValue(reader, subjects.BUCKET_LICENSE_STATE)
            await state.open()
            assert await state.get("installed") is None


async def test_the_store_delivers_nothing_as_an_event(server: NatsServer) -> None:
    """A consumer may deliver to any subject, also to one on which its maker may not publish."""
    await make_buckets(server)
    heard: list[LicenseStatus] = []

    async def hear(_: str, status: LicenseStatus) -> None:
        heard.append(status)

    async with bus_of(server, BusUser.SIGNALING) as signaling, bus_of(server, BusUser.LICENSE) as license_service:
        await signaling.listen(subjects.LICENSE_CHANGED, LicenseStatus, hear)
        async with connected(server, BusUser.TRANSCODER) as transcoder:
            body = b'{"license_id":"x","licensee":"x","community":false,"state":"expired","limit_total":0}'
            headers = {PROTOCOL_HEADER: str(PROTOCOL_VERSION)}
            store = transcoder.client.jetstream()
            await store.publish(f"$KV.{subjects.BUCKET_RENDITIONS}.x", body, headers=headers)
            config = api.ConsumerConfig(
                deliver_subject=subjects.LICENSE_CHANGED,
                ack_policy=api.AckPolicy.NONE,
                deliver_policy=api.DeliverPolicy.ALL,
            )
            made = await store.add_consumer(f"KV_{subjects.BUCKET_RENDITIONS}", config)
            assert made.name
        real = LicenseStatus(license_id="r", licensee="r", community=True, state=LicenseState.VALID, limit_total=1)
        await license_service.emit(subjects.LICENSE_CHANGED, real)
        await eventually(lambda: heard, what="the real event")
        assert heard == [real]


def report_of(info: NodeInfo, *, ready: bool = False) -> NodeReport:
    return NodeReport(info=info, load=NodeLoad(), ready=ready)


async def test_a_node_speaks_of_itself_only(server: NatsServer) -> None:
    directory = NodeDirectory(clock=FakeClock())
    info = NodeInfo(
        node=NodeId("origin-1"), kind=NodeKind.ORIGIN, version="0", admin_address="127.0.0.1:1", incarnation="i"
    )
    async with bus_of(server, BusUser.SIGNALING) as ears, bus_of(server, BusUser.ORIGIN) as origin:
        await feed_directory(ears, directory)
        await origin.emit(subjects.node_reported(info.kind, info.node), report_of(info))
        await eventually(lambda: directory.alive(info.node), what="the origin being known")
        async with bus_of(server, BusUser.EDGE) as edge:
            gone = NodeLeft(node=info.node, kind=NodeKind.ORIGIN)
            await edge.emit(subjects.node_left(NodeKind.ORIGIN, info.node), gone)
            await edge.emit(subjects.node_left(NodeKind.EDGE, NodeId("edge-1")), gone)
            forged = report_of(info, ready=True)
            await edge.emit(subjects.node_reported(NodeKind.EDGE, NodeId("edge-1")), forged)
            told = NodeInfo(
                node=NodeId("edge-1"), kind=NodeKind.EDGE, version="0", admin_address="127.0.0.1:1", incarnation="e"
            )
            await edge.emit(
                subjects.node_reported(NodeKind.EDGE, NodeId("edge-1")),
                report_of(told),
            )
            await eventually(lambda: directory.alive(told.node), what="the edge's own report")
        report = directory.get(info.node)
        assert report is not None
        assert not report.ready


async def test_another_node_of_the_kind_cannot_speak_for_it_either(server: NatsServer) -> None:
    """NATS lets it, so the signature decides. No time passes, in which the edge could be late and be succeeded."""
    identity, directory = NodeIdentity(), NodeDirectory(clock=FakeClock())
    info = NodeInfo(
        node=NodeId("edge-1"),
        kind=NodeKind.EDGE,
        version="0",
        admin_address="127.0.0.1:1",
        incarnation="i",
        identity=identity.public,
    )

    def refused(why: str) -> float:
        return REGISTRY.get_sample_value("rillcast_node_events_refused_total", {"why": why}) or 0.0

    async with (
        bus_of(server, BusUser.SIGNALING) as ears,
        bus_of(server, BusUser.EDGE) as edge,
        bus_of(server, BusUser.EDGE) as other,
    ):
        await feed_directory(ears, directory, Beats(is_signed_by))
        heartbeat = Heartbeat(edge, lambda: report_of(info, ready=True), sign=identity.sign)
        await heartbeat.start()
        await eventually(lambda: directory.alive(info.node), what="the edge being known")
        before = refused("forged"), refused("twice")
        await other.emit(subjects.node_left(info.kind, info.node), NodeLeft(node=info.node, kind=info.kind))
        gone = NodeLeft(node=info.node, kind=info.kind, incarnation=info.incarnation, signature=identity.sign(b"x"))
        await other.emit(subjects.node_left(info.kind, info.node), gone)
        beat = msgspec.structs.replace(report_of(info), beat=1_000)
        await other.emit(subjects.node_reported(info.kind, info.node), beat)
        later = msgspec.structs.replace(info, incarnation="later", identity="")
        await other.emit(subjects.node_reported(info.kind, info.node), report_of(later))
        wanted = before[0] + 2, before[1] + 1
        await eventually(lambda: (refused("forged"), refused("twice")) == wanted, what="all of them being refused")
        assert list(directory.placeable(NodeKind.EDGE)) == [info.node]
        await heartbeat.stop()
        await eventually(lambda: not directory.alive(info.node), what="its own goodbye")


@pytest.mark.parametrize("user", sorted(BusUser))
async def test_secrets_are_read_by_signaling_only(server: NatsServer, user: BusUser) -> None:
    await make_buckets(server)
    async with connected(server, BusUser.SIGNALING, "writer") as writer:
        secrets = NatsKeyValue(writer, subjects.BUCKET_SECRETS, makes=False)
        await secrets.open()
        await secrets.put("signaling_resource_key", b"secret")
    async with connected(server, user, "reader") as reader:
        store = reader.client.jetstream(timeout=10 if user is BusUser.SIGNALING else 1)
        key = f"$KV.{subjects.BUCKET_SECRETS}.signaling_resource_key"
        reading = store.get_msg(f"KV_{subjects.BUCKET_SECRETS}", subject=key)
        if user is BusUser.SIGNALING:
            assert (await reading).data == b"secret"
        else:
            with pytest.raises((nats.errors.TimeoutError, TimeoutError)):
                await reading
