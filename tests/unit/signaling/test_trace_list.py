"""`GET /rillcast/v1/traces`: traces put together of what several nodes keep."""

from __future__ import annotations

from collections.abc import Mapping

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import NodeId
from rillcast.contracts.messages import FinishedSpan, NodeInfo, NodeLoad, NodeReport, TracesAnswer, TracesRequest
from rillcast.contracts.words import NodeKind
from rillcast.runtime.telemetry.kept_spans import found
from rillcast.runtime.telemetry.recorder import Recorder
from services.signaling.rest.usecases import trace_list
from services.signaling.rest.usecases.trace_list import TraceList
from tests.unit.signaling.operator_sessions import add_user, sign_in
from tests.unit.signaling.signaling_harness import cluster

NODES = {"signaling-1": NodeKind.SIGNALING, "edge-1": NodeKind.EDGE, "origin-1": NodeKind.ORIGIN}


def report(node: str, kind: NodeKind) -> NodeReport:
    info = NodeInfo(node=NodeId(node), kind=kind, version="1", incarnation="x", admin_address="127.0.0.1:1")
    return NodeReport(info=info, load=NodeLoad(), ready=True)


class Nodes:
    def __init__(self, kinds: Mapping[str, NodeKind]) -> None:
        self._reports = [report(node, kind) for node, kind in kinds.items()]

    def all(self) -> list[NodeReport]:
        return self._reports

    def get(self, node: NodeId) -> NodeReport | None:
        return None

    def died(self, node: NodeId) -> bool:
        return False


class Kept:
    """What each node keeps; one without does not answer."""

    def __init__(self, **spans: list[FinishedSpan]) -> None:
        self.asked: list[str] = []
        self._recorders = {name.replace("_", "-"): recorder(kept) for name, kept in spans.items()}

    async def traces(self, info: NodeInfo, request: TracesRequest) -> TracesAnswer:
        self.asked.append(info.node)
        if info.node not in self._recorders:
            raise RillcastError(ErrorCode.NO_NODE_AVAILABLE, "no answer")
        return found(info.node, self._recorders[info.node], request)


def recorder(spans: list[FinishedSpan]) -> Recorder:
    made = Recorder(100)
    for span in spans:
        made.store.add(span)
    return made


def span(trace: str, id: str, parent: str = "", *, name: str = "play", stream: str = "", at: int = 0) -> FinishedSpan:
    said: dict[str, str | int | bool] = {"rillcast.app": "live", "rillcast.stream": stream} if stream else {}
    return FinishedSpan(
        trace=trace * 32,
        span=id * 16,
        parent=parent and parent * 16,
        name=name,
        began_ns=(1 + at) * 1_000_000,
        took_ns=500_000,
        attributes=said,
    )


async def test_the_newest_trace_of_a_stream_is_put_together_of_all_nodes() -> None:
    kept = Kept(
        signaling_1=[span("1", "a", stream="s1"), span("2", "b", stream="s1", at=10)],
        edge_1=[span("2", "c", "b", name="process", at=11)],
        origin_1=[span("2", "d", "c", name="relay", at=12), span("3", "e", name="other", at=99)],
    )
    answer = await TraceList(Nodes(NODES), kept).traces(about="s1")
    (trace,) = answer.traces
    assert (trace.trace, trace.name, trace.stream, trace.whole) == ("2" * 32, "play", "s1", True)
    assert [(one.name, one.node, one.service) for one in trace.spans] == [
        ("play", "signaling-1", NodeKind.SIGNALING),
        ("process", "edge-1", NodeKind.EDGE),
        ("relay", "origin-1", NodeKind.ORIGIN),
    ]
    assert (answer.asked, answer.silent, answer.kept) == (3, [], 5)


async def test_a_node_that_does_not_answer_is_named_and_a_span_without_its_parent_is_told() -> None:
    kept = Kept(signaling_1=[span("1", "a", stream="s1")], origin_1=[span("1", "d", "c", at=1)])
    answer = await TraceList(Nodes(NODES), kept).traces(about="s1")
    assert answer.silent == ["edge-1"]
    assert not answer.traces[0].whole


async def test_by_default_the_newest_trace_about_any_stream_is_shown() -> None:
    kept = Kept(signaling_1=[span("1", "a", stream="s1"), span("2", "b", name="routine", at=5)])
    traces = TraceList(Nodes(NODES), kept)
    assert [one.name for one in (await traces.traces()).traces] == ["play"]
    assert [one.name for one in (await traces.traces(name="rout")).traces] == ["routine"]
    assert (await traces.traces(about="none")).traces == []


async def test_signaling_is_asked_first_and_of_very_many_nodes_some_are_left_out_and_counted() -> None:
    kinds = {f"edge-{number}": NodeKind.EDGE for number in range(trace_list.MOST_NODES + 5)}
    kept = Kept()
    answer = await TraceList(Nodes({**kinds, "signaling-1": NodeKind.SIGNALING}), kept).traces()
    assert kept.asked[0] == "signaling-1"
    assert (answer.asked, answer.left_out, len(answer.silent)) == (trace_list.MOST_NODES, 6, trace_list.MOST_NODES)


async def test_who_only_looks_at_the_whole_server_may_see_traces_and_nobody_else() -> None:
    everything = {"scope": "system", "userType": "READ_ONLY", "appNameUserType": {"system": "READ_ONLY"}}
    of_app = {"scope": "live", "userType": "ADMIN", "appNameUserType": {"live": "ADMIN"}}
    async with cluster() as c, c.http() as http, c.stranger() as stranger:
        await add_user(http, "vic", **everything)
        await add_user(http, "lea", **of_app)
        assert (await stranger.get("/rillcast/v1/traces")).status_code == 403
        async with sign_in(c, "lea") as lea:
            assert (await lea.get("/rillcast/v1/traces")).status_code == 403
        async with sign_in(c, "vic") as vic:
            answer = await vic.get("/rillcast/v1/traces")
        assert answer.status_code == 200
        assert answer.json()["asked"] >= 1
