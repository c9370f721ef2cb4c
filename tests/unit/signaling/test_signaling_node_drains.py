"""Operators empty nodes by REST: the answers, who may, and what is refused in words."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from rillcast.contracts import subjects
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.messages import DrainCount, DrainProgress, DrainRequest
from rillcast.contracts.words import DrainAction, DrainPhase, NodeKind
from rillcast.runtime.discovery.directory import EXPIRY_S
from tests.unit.signaling.fake_nodes import FakeMediaNode
from tests.unit.signaling.operator_sessions import add_user, sign_in
from tests.unit.signaling.signaling_harness import Cluster, cluster

EDGE_1 = "/rillcast/v1/nodes/edge-1/drain"


class DrainedEdge:
    """What edge-1 was asked, and what it answers."""

    def __init__(self) -> None:
        self.asked: list[DrainRequest] = []
        self.progress = DrainProgress(
            phase=DrainPhase.DRAINING,
            deadline_s=60.0,
            left_s=41.26,
            viewers=DrainCount(began=10, left=3, cut=1),
        )
        self.refusal: RillcastError | None = None

    async def drain(self, request: DrainRequest) -> DrainProgress:
        self.asked.append(request)
        if self.refusal is not None:
            raise self.refusal
        return self.progress


@pytest.fixture
async def c() -> AsyncIterator[Cluster]:
    async with cluster() as running:
        yield running


@pytest.fixture
async def edge(c: Cluster) -> DrainedEdge:
    made = DrainedEdge()
    await c.edges[0].bus.serve(subjects.node_drain(NodeKind.EDGE, c.edges[0].name), DrainRequest, made.drain)
    return made


def message(answer: httpx.Response) -> str:
    body = answer.json()
    assert body["success"] is False
    return str(body["message"])


async def test_a_drain_begins_and_the_answer_says_how_far_it_is(c: Cluster, edge: DrainedEdge) -> None:
    async with c.http() as http:
        answer = await http.post(EDGE_1, params={"deadline": "60"})

    assert answer.status_code == 200
    assert edge.asked == [DrainRequest(action=DrainAction.BEGIN, deadline_s=60.0)]
    body = answer.json()
    assert (body["success"], body["node"], body["kind"], body["phase"]) == (True, "edge-1", "edge", "draining")
    assert body["viewers"] == {"began": 10, "moved": 6, "left": 3, "cut": 1}
    assert (body["deadlineS"], body["leftS"], body["message"]) == (60.0, 41.3, "edge-1 is draining")


@pytest.mark.parametrize(
    ("method", "query", "asked"),
    [
        ("POST", {}, DrainRequest(action=DrainAction.BEGIN)),
        ("POST", {"now": "true"}, DrainRequest(action=DrainAction.CUT)),
        ("POST", {"now": "true", "deadline": "5"}, DrainRequest(action=DrainAction.CUT)),
        ("POST", {"deadline": "86400"}, DrainRequest(action=DrainAction.BEGIN, deadline_s=86_400.0)),
        ("GET", {}, DrainRequest(action=DrainAction.LOOK)),
        ("DELETE", {}, DrainRequest(action=DrainAction.UNDO)),
    ],
)
async def test_what_the_node_is_asked(
    c: Cluster, edge: DrainedEdge, method: str, query: dict[str, str], asked: DrainRequest
) -> None:
    async with c.http() as http:
        assert (await http.request(method, EDGE_1, params=query)).status_code == 200
    assert edge.asked == [asked]


@pytest.mark.parametrize("deadline", ["0", "-1", "86401", "99999999999999999999999", "soon", "1.5", "", "nan"])
async def test_a_deadline_that_makes_no_sense_reaches_no_node(c: Cluster, edge: DrainedEdge, deadline: str) -> None:
    async with c.http() as http:
        answer = await http.post(EDGE_1, params={"deadline": deadline})
    assert answer.status_code == 400
    assert "deadline" in message(answer)
    assert edge.asked == []


async def test_a_node_that_is_not_there(c: Cluster) -> None:
    async with c.http() as http:
        for name in ("edge-9", "edge-1;x", "%2e%2e", "*", "x" * 500):
            answer = await http.post(f"/rillcast/v1/nodes/{name}/drain")
            assert answer.status_code == 404, name
            assert "there is no node" in message(answer)


async def test_a_node_that_died_is_said_to_be_dead(c: Cluster, edge: DrainedEdge) -> None:
    async with c.http() as http:
        c.host.clock.advance(EXPIRY_S + 1)
        assert not c.host.directory.all()
        answer = await http.post(EDGE_1)
    assert answer.status_code == 404
    assert message(answer) == "edge-1 is dead: it was given up without a goodbye, nothing is left to drain"
    assert edge.asked == []


@pytest.mark.parametrize(("kind", "words"), [(NodeKind.SIGNALING, "SIGTERM"), (NodeKind.LICENSE, "seats last")])
async def test_a_kind_that_has_no_media_is_refused_with_what_to_do_instead(
    c: Cluster, kind: NodeKind, words: str
) -> None:
    c.report(FakeMediaNode(f"{kind}-7", kind, c.broker))
    async with c.http() as http:
        answer = await http.post(f"/rillcast/v1/nodes/{kind}-7/drain")
    assert answer.status_code == 409
    assert f"is a {kind} node, which has no media to move" in message(answer)
    assert words in message(answer)


async def test_a_node_that_does_not_answer_is_to_be_asked_again(c: Cluster) -> None:
    async with c.http() as http:
        answer = await http.post(EDGE_1)
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) >= 1


async def test_what_the_node_refuses_is_said(c: Cluster, edge: DrainedEdge) -> None:
    edge.refusal = RillcastError(ErrorCode.BAD_REQUEST, "this node is not being drained")
    async with c.http() as http:
        answer = await http.delete(EDGE_1)
    assert (answer.status_code, message(answer)) == (400, "this node is not being drained")


@pytest.mark.parametrize(
    ("role", "looks", "drains"), [("ADMIN", 200, 200), ("USER", 200, 403), ("READ_ONLY", 200, 403)]
)
async def test_only_administrators_drain_and_every_operator_looks(
    c: Cluster, edge: DrainedEdge, role: str, looks: int, drains: int
) -> None:
    async with c.http() as admin:
        await add_user(admin, "ada", appNameUserType={"system": role})
    async with sign_in(c, "ada") as http:
        assert (await http.get(EDGE_1)).status_code == 200
        assert (await http.post(EDGE_1)).status_code == drains
        assert (await http.delete(EDGE_1)).status_code == drains
    async with c.stranger() as http:
        assert (await http.post(EDGE_1)).status_code == 403


@pytest.mark.parametrize(
    ("progress", "words"),
    [
        (DrainProgress(phase=DrainPhase.NONE), "edge-1 takes new work"),
        (
            DrainProgress(phase=DrainPhase.DRAINED),
            "edge-1 is drained; it takes nothing new until its process ends or this is undone",
        ),
        (DrainProgress(phase=DrainPhase.DRAINED, ending=True), "edge-1 is drained; its process ends"),
        (
            DrainProgress(phase=DrainPhase.CUT, viewers=DrainCount(began=2, cut=2), cut=("a", "b")),
            "edge-1 is empty, 2 were cut off; it takes nothing new until its process ends or this is undone",
        ),
        (
            DrainProgress(phase=DrainPhase.DRAINING, obstacle="no other edge takes new work, so nobody can be moved"),
            "edge-1 is draining: no other edge takes new work, so nobody can be moved",
        ),
    ],
)
async def test_it_is_said_in_words(c: Cluster, edge: DrainedEdge, progress: DrainProgress, words: str) -> None:
    edge.progress = progress
    async with c.http() as http:
        body = (await http.get(EDGE_1)).json()
    assert body["message"] == words
    assert body["cut"] == list(progress.cut)


async def test_the_status_and_the_list_of_nodes_show_it(c: Cluster) -> None:
    draining = DrainProgress(phase=DrainPhase.DRAINING, viewers=DrainCount(began=9, left=4))
    c.report(c.edges[0], draining=True, ready=False, drain=draining)
    c.report(c.edges[1], draining=True, ready=False, drain=DrainProgress(phase=DrainPhase.DRAINED))
    async with c.http() as http:
        status = (await http.get("/rillcast/v1/status")).json()
        listed = (await http.get("/rest/v2/cluster/nodes/0/9")).json()
    drains = {node["info"]["node"]: node.get("drain") for node in status["nodes"]}
    assert drains["edge-1"]["viewers"] == {"began": 9, "left": 4, "cut": 0}
    assert drains["origin-1"] is None
    notes = {node["id"]: node["note"] for node in listed}
    assert (notes["edge-1"], notes["edge-2"]) == ("edge draining", "edge drained")
