"""The keys of a relay: only the child that asked can read them, and it knows from whom they are."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import AppName, ClaimId, NodeId, RelayId, StreamId, TrackId
from rillcast.contracts.messages import NodeInfo, NodeLoad, NodeReport, RelayGrant, RelayOpen
from rillcast.contracts.records import TrackRecord
from rillcast.contracts.words import MediaKind, NodeKind
from rillcast.node import relay_keys
from rillcast.node.relay_keys import SealedRelayKeys
from rillcast.runtime.discovery.directory import MOST_AWAITED, NodeDirectory
from rillcast.runtime.process.identity import NodeIdentity
from rillcast.testing.eventually import within

SRTP, SRTCP = (base64.b64encode(bytes([value]) * 28).decode() for value in (1, 2))
TRACK = TrackRecord(track=TrackId("v0"), mid="v0", kind=MediaKind.VIDEO, codec="VP8", clock_rate=90_000)
ORIGIN, EDGE, OTHER = NodeId("origin-1"), NodeId("edge-1"), NodeId("edge-2")
SIGNALING = NodeId("signaling-1")


class Cluster:
    """Nodes that know each other."""

    def __init__(self) -> None:
        self.known: dict[NodeId, NodeReport] = {}
        kinds = {ORIGIN: NodeKind.ORIGIN, EDGE: NodeKind.EDGE, OTHER: NodeKind.EDGE, SIGNALING: NodeKind.SIGNALING}
        self.nodes = {node: self.join(node, kind) for node, kind in kinds.items()}

    def join(self, node: NodeId, kind: NodeKind) -> SealedRelayKeys:
        identity = NodeIdentity()
        info = NodeInfo(
            node=node, kind=kind, version="0", admin_address="a:1", incarnation="i", identity=identity.public
        )
        self.known[node] = NodeReport(info=info, load=NodeLoad(), ready=True)
        return SealedRelayKeys(node, identity, self.known.get)


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


def wish(child: NodeId = EDGE, **fields: Any) -> RelayOpen:
    values: dict[str, Any] = {
        "app": AppName("live"),
        "stream": StreamId("s"),
        "track": TrackId("v0"),
        "claim": "c3",
        "child": child,
        "relay": RelayId("r1"),
        "child_address": "192.0.2.2:5000",
    }
    return RelayOpen(**(values | fields))


GRANT = RelayGrant(
    parent_address="192.0.2.1:6000",
    ssrc=7,
    payload_type=96,
    srtp_key=SRTP,
    srtcp_key=SRTCP,
    claim=ClaimId("c3"),
    track=TRACK,
)


def test_the_child_reads_what_the_parent_has_made(cluster: Cluster) -> None:
    asking = cluster.nodes[EDGE].ask(wish(), ORIGIN)
    cluster.nodes[ORIGIN].check(asking.request)

    got = asking.open(cluster.nodes[ORIGIN].seal(asking.request, GRANT))

    assert (got.srtp_key, got.srtcp_key) == (SRTP, SRTCP)
    assert msgspec.structs.replace(got, proof="", sealed_keys="") == GRANT


def test_no_key_is_on_the_bus_and_no_two_answers_are_alike(cluster: Cluster) -> None:
    asking = cluster.nodes[EDGE].ask(wish(), ORIGIN)
    answers = [msgspec.json.encode(cluster.nodes[ORIGIN].seal(asking.request, GRANT)) for _ in range(2)]

    for text in (SRTP, SRTCP):
        raw = base64.b64decode(text)
        assert all(text.encode() not in answer and raw not in answer for answer in answers)
    assert answers[0] != answers[1]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("app", "other"),
        ("stream", "other"),
        ("track", "a0"),
        ("claim", "c4"),
        ("child", OTHER),
        ("relay", "r2"),
        ("child_address", "203.0.113.9:9"),
        ("most_level", 3),
        ("gives", False),
        ("unreachable", (OTHER,)),
        (
            "key",
            base64.b64encode(
                X25519PrivateKey.from_private_bytes(bytes(range(32))).public_key().public_bytes_raw()
            ).decode(),
        ),
        ("proof", ""),
        ("proof", "no base64!"),
        ("proof", base64.b64encode(bytes(64)).decode()),
    ],
)
def test_a_request_of_which_anything_was_changed_is_refused(cluster: Cluster, field: str, value: object) -> None:
    asked = cluster.nodes[EDGE].ask(wish(), ORIGIN).request

    with pytest.raises(RillcastError, match="is not signed by") as refusal:
        cluster.nodes[ORIGIN].check(msgspec.structs.replace(asked, **{field: value}))
    assert refusal.value.code is ErrorCode.UNAUTHORIZED


def test_nobody_gets_a_relay_as_nobody_or_under_the_name_of_another(cluster: Cluster) -> None:
    stranger = SealedRelayKeys(NodeId("nobody"), NodeIdentity(), cluster.known.get)

    with pytest.raises(RillcastError, match="the node nobody is not known here"):
        cluster.nodes[ORIGIN].check(stranger.ask(wish(NodeId("nobody")), ORIGIN).request)
    with pytest.raises(RillcastError, match="is not signed by edge-1"):
        cluster.nodes[ORIGIN].check(stranger.ask(wish(EDGE), ORIGIN).request)
    with pytest.raises(RillcastError, match="is not signed by edge-1"):
        cluster.nodes[ORIGIN].check(cluster.nodes[OTHER].ask(wish(EDGE), ORIGIN).request)
    with pytest.raises(RillcastError, match="is of the kind signaling: no child"):
        cluster.nodes[ORIGIN].check(cluster.nodes[SIGNALING].ask(wish(SIGNALING), ORIGIN).request)


def test_a_request_for_one_parent_is_none_for_another(cluster: Cluster) -> None:
    second = cluster.join(NodeId("origin-2"), NodeKind.ORIGIN)

    with pytest.raises(RillcastError, match="is not signed by edge-1"):
        second.check(cluster.nodes[EDGE].ask(wish(), ORIGIN).request)


@pytest.mark.parametrize("key", ["", "no base64!", "AAAA"])
def test_a_request_without_a_usable_key_is_refused_before_anything_is_done(cluster: Cluster, key: str) -> None:
    identity = NodeIdentity()
    info = msgspec.structs.replace(cluster.known[EDGE].info, identity=identity.public)
    cluster.known[EDGE] = msgspec.structs.replace(cluster.known[EDGE], info=info)
    broken = SealedRelayKeys(EDGE, identity, cluster.known.get)
    request = msgspec.structs.replace(broken.ask(wish(), ORIGIN).request, key=key)

    proof = identity.sign(relay_keys._said_by_child(request, ORIGIN))
    with pytest.raises(RillcastError, match="has no key to encrypt to") as refusal:
        cluster.nodes[ORIGIN].check(msgspec.structs.replace(request, proof=proof))
    assert refusal.value.code is ErrorCode.BAD_REQUEST


@pytest.mark.parametrize(
    "changed",
    [
        {"parent_address": "203.0.113.9:9"},
        {"ssrc": 8},
        {"claim": "c4"},
        {"level": 2},
        {"standbys": (OTHER,)},
        {"sealed_keys": ""},
        {"proof": ""},
        {"proof": base64.b64encode(bytes(64)).decode()},
    ],
)
def test_an_answer_of_which_anything_was_changed_is_not_used(cluster: Cluster, changed: dict[str, Any]) -> None:
    asking = cluster.nodes[EDGE].ask(wish(), ORIGIN)
    answer = cluster.nodes[ORIGIN].seal(asking.request, GRANT)

    with pytest.raises(ValueError, match="it is not signed by origin-1"):
        asking.open(msgspec.structs.replace(answer, **changed))


def test_an_answer_of_another_node_or_to_another_request_is_not_used(cluster: Cluster) -> None:
    asking = cluster.nodes[EDGE].ask(wish(), ORIGIN)

    with pytest.raises(ValueError, match="it is not signed by origin-1"):
        asking.open(cluster.nodes[OTHER].seal(asking.request, GRANT))
    with pytest.raises(ValueError, match="it is not signed by origin-1"):
        asking.open(GRANT)
    former = cluster.nodes[EDGE].ask(wish(), ORIGIN)
    with pytest.raises(ValueError, match="it is not signed by origin-1"):
        asking.open(cluster.nodes[ORIGIN].seal(former.request, GRANT))


def test_a_referral_is_believed_from_the_node_that_was_asked_only(cluster: Cluster) -> None:
    asking = cluster.nodes[EDGE].ask(wish(), ORIGIN)
    referral = cluster.nodes[ORIGIN].refer(asking.request, (OTHER,))
    former = cluster.nodes[EDGE].ask(wish(), ORIGIN)

    assert asking.referred(referral).nodes == (OTHER,)
    forged = (
        msgspec.structs.replace(referral, nodes=(SIGNALING,)),
        msgspec.structs.replace(referral, proof=""),
        cluster.nodes[OTHER].refer(asking.request, (OTHER,)),
        cluster.nodes[ORIGIN].refer(former.request, (OTHER,)),
    )
    for answer in forged:
        with pytest.raises(ValueError, match="it is not signed by origin-1"):
            asking.referred(answer)


def test_a_parent_that_is_not_known_is_not_asked(cluster: Cluster) -> None:
    with pytest.raises(RillcastError, match="the node origin-9 is not known here") as refusal:
        cluster.nodes[EDGE].ask(wish(), NodeId("origin-9"))
    assert refusal.value.code is ErrorCode.NO_NODE_AVAILABLE


async def test_a_child_that_started_anew_is_awaited_until_its_first_heartbeat() -> None:
    cluster, directory = Cluster(), NodeDirectory()
    for report in cluster.known.values():
        directory.heard(report)
    origin = SealedRelayKeys(ORIGIN, NodeIdentity(), directory.get, directory.until)
    again = cluster.join(EDGE, NodeKind.EDGE)  # the same name, another identity
    request = again.ask(wish(), ORIGIN).request

    expecting = asyncio.create_task(origin.expect(request))
    await asyncio.sleep(0)
    assert not expecting.done()
    directory.heard(cluster.known[OTHER])
    directory.heard(cluster.known[EDGE])
    await expecting

    origin.check(request)


async def test_nobody_waits_for_ever_for_a_node_that_never_comes() -> None:
    directory = NodeDirectory()
    edge = SealedRelayKeys(EDGE, NodeIdentity(), directory.get, directory.until)

    await edge.meet(ORIGIN)

    with pytest.raises(RillcastError, match="the node origin-1 is not known here"):
        edge.ask(wish(), ORIGIN)
    assert directory._waits == set()


async def test_few_wait_at_one_time() -> None:
    directory = NodeDirectory()
    edge = SealedRelayKeys(EDGE, NodeIdentity(), directory.get, directory.until)
    waiting = [asyncio.create_task(edge.meet(NodeId(f"origin-{number}"))) for number in range(MOST_AWAITED)]
    await asyncio.sleep(0)

    async with within(0.1, "the key of a parent that is known"):
        await edge.meet(ORIGIN)

    assert not any(wait.done() for wait in waiting)
    for wait in waiting:
        wait.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert directory._waits == set()
