"""The keys of an association: only the node that asked can read them, and it knows from whom they are."""

from __future__ import annotations

import base64
from typing import Any

import msgspec
import pytest

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import NodeId, SessionId
from rillcast.contracts.messages import FormerSession
from rillcast.contracts.words import NodeKind
from rillcast.media.protocol import SentStream, SrtpState
from rillcast.node.association_keys import AssociationKeys
from rillcast.node.sealing import seal
from rillcast.testing.associations import KnownNodes

OLD, NEW, OTHER, ORIGIN = NodeId("edge-1"), NodeId("edge-2"), NodeId("edge-3"), NodeId("origin-1")
FORMER = FormerSession(node=OLD, session=SessionId("s"), association="secret of the session")
STATE = SrtpState(
    profile="AEAD_AES_128_GCM",
    local_key=base64.b64encode(b"l" * 28).decode(),
    remote_key=base64.b64encode(b"r" * 28).decode(),
    sent=(SentStream(ssrc=7, index=70_000),),
)


class Cluster:
    """Three edges and an origin that know each other."""

    def __init__(self) -> None:
        self.known = KnownNodes()
        self.nodes = {node: self.join(node, NodeKind.EDGE) for node in (OLD, NEW, OTHER)}
        self.nodes[ORIGIN] = self.join(ORIGIN, NodeKind.ORIGIN)

    def join(self, node: NodeId, kind: NodeKind) -> AssociationKeys:
        return AssociationKeys(node, kind, self.known.join(node, kind), self.known.get)


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


@pytest.mark.parametrize("stop", [False, True])
def test_the_asker_reads_what_the_former_node_has(cluster: Cluster, stop: bool) -> None:
    question = cluster.nodes[NEW].ask(FORMER, stop=stop)
    cluster.nodes[OLD].check(question.request)

    assert question.open(cluster.nodes[OLD].seal(question.request, STATE)) == STATE
    assert question.request.stop is stop


def test_no_key_is_on_the_bus_and_no_secret_in_a_log(cluster: Cluster) -> None:
    question = cluster.nodes[NEW].ask(FORMER, stop=True)
    answer = cluster.nodes[OLD].seal(question.request, STATE)

    on_the_bus = msgspec.json.encode((question.request, answer))
    for key in (STATE.local_key, STATE.remote_key):
        assert key.encode() not in on_the_bus
        assert base64.b64decode(key) not in on_the_bus
        assert key not in repr(STATE)
    for shown in (FORMER, question.request):
        assert FORMER.association not in repr(shown)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("session", "other"),
        ("asker", OTHER),
        ("association", "guessed"),
        ("stop", True),
        ("key", base64.b64encode(bytes(32)).decode()),
        ("proof", ""),
        ("proof", "no base64!"),
    ],
)
def test_a_question_of_which_anything_was_changed_is_refused(cluster: Cluster, field: str, value: Any) -> None:
    asked = cluster.nodes[NEW].ask(FORMER, stop=False).request

    with pytest.raises(RillcastError, match="is not signed by") as refusal:
        cluster.nodes[OLD].check(msgspec.structs.replace(asked, **{field: value}))
    assert refusal.value.code is ErrorCode.UNAUTHORIZED


def test_a_question_to_one_node_is_none_to_another(cluster: Cluster) -> None:
    with pytest.raises(RillcastError, match="is not signed by edge-2"):
        cluster.nodes[OTHER].check(cluster.nodes[NEW].ask(FORMER, stop=False).request)


def test_a_node_of_another_kind_gets_nothing(cluster: Cluster) -> None:
    with pytest.raises(RillcastError, match="is of the kind origin") as refusal:
        cluster.nodes[OLD].check(cluster.nodes[ORIGIN].ask(FORMER, stop=False).request)
    assert refusal.value.code is ErrorCode.UNAUTHORIZED


def test_nobody_asks_or_answers_whom_nobody_knows(cluster: Cluster) -> None:
    question = cluster.nodes[NEW].ask(FORMER, stop=False)
    del cluster.known.reports[NEW]
    del cluster.known.reports[OLD]

    for call in (lambda: cluster.nodes[OLD].check(question.request), lambda: cluster.nodes[NEW].ask(FORMER, stop=True)):
        with pytest.raises(RillcastError, match="is not known here") as refusal:
            call()
        assert refusal.value.code is ErrorCode.NO_NODE_AVAILABLE


def test_an_answer_of_another_node_or_to_another_question_is_not_used(cluster: Cluster) -> None:
    question, other = (cluster.nodes[NEW].ask(FORMER, stop=stop) for stop in (False, True))

    for answer in (
        cluster.nodes[OTHER].seal(question.request, STATE),
        cluster.nodes[OLD].seal(other.request, STATE),
        msgspec.structs.replace(cluster.nodes[OLD].seal(question.request, STATE), sealed="AAAA"),
        msgspec.structs.replace(cluster.nodes[OLD].seal(question.request, STATE), proof=""),
    ):
        with pytest.raises(ValueError, match="it is not signed by edge-1"):
            question.open(answer)


def test_an_answer_that_makes_no_sense_shows_nothing_of_what_is_in_it(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    question = cluster.nodes[NEW].ask(FORMER, stop=False)
    monkeypatch.setattr(
        "rillcast.node.association_keys.seal", lambda _, key, said: seal(b'{"local_key": "secret"', key, said)
    )
    answer = cluster.nodes[OLD].seal(question.request, STATE)

    with pytest.raises(ValueError, match="it makes no sense") as error:
        question.open(answer)
    assert error.value.__cause__ is None
    assert error.value.__context__ is None
