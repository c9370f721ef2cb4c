"""Requests and events that cannot be: refused in words before a handler sees them, and nothing else is disturbed."""

from __future__ import annotations

import inspect
import re

import msgspec
import pytest

from rillcast.contracts import messages, subjects
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import AppName, ClaimId, NodeId, SessionId, StreamId
from rillcast.contracts.messages import Ack, CarriedStream, NodeInfo, NodeLeft, NodeLoad, NodeReport, StreamEvent
from rillcast.contracts.version import PROTOCOL_VERSION
from rillcast.contracts.words import NodeKind
from rillcast.runtime.bus import envelope
from rillcast.runtime.bus.serving import carry_out
from rillcast.runtime.discovery.directory import NodeDirectory
from rillcast.runtime.discovery.nats_discovery import feed_directory
from rillcast.testing.bus import FakeBroker, FakeBus

TAKEN = sorted(set(re.findall(r'"""`messages\.(\w+)`', inspect.getsource(subjects))))
"""The struct of each request and of each event, as the docstring of its subject names it."""
FREE = {"LicenseStatusRequest", "LicenseCheck", "LicenseInstall"}
"""They have no field, or one that may hold any text that a message may."""
NODE = NodeId("edge-1")
INFO = NodeInfo(node=NODE, kind=NodeKind.EDGE, version="1", admin_address="10.0.0.1:9100", incarnation="1")


async def never(_: object) -> Ack:
    raise AssertionError("the handler was called")


@pytest.mark.parametrize("name", [name for name in TAKEN if name not in FREE])
async def test_a_request_with_impossible_values_never_reaches_its_handler(name: str) -> None:
    kind: type[msgspec.Struct] = getattr(messages, name)
    field = msgspec.structs.fields(kind)[0].encode_name
    body = msgspec.json.encode({one.encode_name: "é\n" * 10_000 for one in msgspec.structs.fields(kind)})

    outcome, answer = await carry_out("rc.v1.anything", body, kind, never, None, protocol=PROTOCOL_VERSION)

    with pytest.raises(RillcastError, match=rf"(?s)^not a {name}: .*\.{field}") as refusal:
        envelope.decode_answer(answer, Ack)
    assert len(refusal.value.message) < 500
    assert (outcome, refusal.value.code) == ("undecodable", ErrorCode.BAD_REQUEST)


async def test_a_request_whose_time_was_over_never_reaches_its_handler() -> None:
    """The asker has given up, and another node can do it."""
    body = envelope.encode(NodeLeft(node=NODE, kind=NodeKind.EDGE))

    outcome, answer = await carry_out("rc.v1.anything", body, NodeLeft, never, 0.0, protocol=PROTOCOL_VERSION)

    with pytest.raises(RillcastError, match="its time was over before it began") as refusal:
        envelope.decode_answer(answer, Ack)
    assert (outcome, refusal.value.code) == ("deadline", ErrorCode.NO_NODE_AVAILABLE)


def report(**changes: object) -> NodeReport:
    return msgspec.structs.replace(NodeReport(info=INFO, load=NodeLoad(sessions=3), ready=True), **changes)


@pytest.mark.parametrize(
    "impossible",
    [
        report(info=msgspec.structs.replace(INFO, node=NodeId("é"))),
        report(info=msgspec.structs.replace(INFO, region="x" * 1_000)),
        report(load=NodeLoad(sessions=-1)),
        report(load=NodeLoad(cpu=-1.0)),
        report(carried=(CarriedStream(app=AppName("a/b"), stream=StreamId("s"), viewers=1),)),
        report(carried=(CarriedStream(app=AppName("live"), stream=StreamId("s"), viewers=2**70),)),
    ],
)
async def test_an_impossible_heartbeat_changes_nothing_and_the_next_one_counts(impossible: NodeReport) -> None:
    broker = FakeBroker()
    ears, mouth = FakeBus(broker), FakeBus(broker)
    directory = NodeDirectory()
    await feed_directory(ears, directory)

    for event in (report(), impossible, report(load=NodeLoad(sessions=4))):
        await mouth.emit(subjects.node_reported(NodeKind.EDGE, NODE), event)
    await mouth.emit(subjects.node_left(NodeKind.EDGE, NODE), NodeLeft(node=NodeId("a b"), kind=NodeKind.EDGE))
    await ears.settle()

    assert [(one.info.node, one.load.sessions) for one in directory.all()] == [(NODE, 4)]
    await ears.close()


async def test_an_impossible_event_does_not_end_the_listening() -> None:
    bus = FakeBus()
    heard: list[StreamEvent] = []

    async def hear(_: str, event: StreamEvent) -> None:
        heard.append(event)

    await bus.listen(subjects.STREAM_ENDED, StreamEvent, hear)
    good = StreamEvent(app=AppName("live"), stream=StreamId("s"), epoch=1, claim=ClaimId("c" * 16), owner=NODE)
    for event in (msgspec.structs.replace(good, epoch=-1), msgspec.structs.replace(good, stream=StreamId("a/b")), good):
        await bus.emit(subjects.STREAM_ENDED, event)
    await bus.settle()

    assert heard == [good]
    await bus.close()


async def test_an_answer_with_impossible_values_is_the_answering_nodes_fault() -> None:
    bus = FakeBus()

    async def answer(_: messages.AnswerRequest) -> messages.SessionAnswer:
        return messages.SessionAnswer(session=SessionId("a b"), node=NODE, sdp="v=0")

    await bus.serve(subjects.edge_accept(NODE), messages.AnswerRequest, answer)
    request = messages.AnswerRequest(session=SessionId("s"), sdp_answer="v=0")
    with pytest.raises(RillcastError) as refusal:
        await bus.request(subjects.edge_accept(NODE), request, messages.SessionAnswer)

    assert refusal.value.code is ErrorCode.SERVER_ERROR
    await bus.close()
