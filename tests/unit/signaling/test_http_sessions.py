"""One POST of WHIP or WHEP: in which order it is looked at, what is asked of a node, and what is left when it fails."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import AppName, NodeId, SessionId
from rillcast.contracts.messages import SessionAnswer, SessionChanged
from rillcast.contracts.records import AppSettings
from rillcast.contracts.words import EndReason, Role, SessionState
from services.signaling.core.domain.admission_rules import Admitted, Applicant
from services.signaling.core.domain.identity import Client
from services.signaling.core.domain.join_requests import MAX_META_DATA, MAX_NAME, PublisherJoin, ViewerJoin
from services.signaling.core.domain.join_stage import JoinStage
from services.signaling.core.domain.verified_identity import Proof, VerifiedIdentity
from services.signaling.core.usecases.join_traces import JoinTraces
from services.signaling.core.usecases.not_live import RETRY_AFTER_S
from services.signaling.whip.adapters.http_sessions import (
    MAX_SDP_BYTES,
    HttpSessions,
    HttpSessionServices,
    Whep,
    Whip,
)
from services.signaling.whip.domain.resource_url import Resource, ResourceSigner

SDP = "application/sdp"
OFFER = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\n"
NODE, PROVED = NodeId("n1"), VerifiedIdentity(Proof.TOKEN, "t")
NO_NODE = RillcastError(ErrorCode.NO_NODE_AVAILABLE, "none", 2.0)


class Site:
    """The endpoint of one role, with everything around it made up. `happened`: what it did, in order."""

    def __init__(self, kind: type[HttpSessions] = Whip) -> None:
        self.happened: list[str] = []
        self.applicants: list[Applicant] = []
        self.joins: list[PublisherJoin | ViewerJoin] = []
        self.forgotten: list[SessionId] = []
        self.ended: list[tuple[SessionId, NodeId, EndReason]] = []
        self.counted: list[tuple[str, str]] = []
        self.inputs: list[str] = []
        self.receivers: dict[SessionId, Any] = {}
        self.left: list[asyncio.Event] = []
        self.refusals: dict[str, Exception] = {}
        self.meanwhile: dict[str, Callable[[], None]] = {}
        self.admitted = Admitted(settings=AppSettings(app_name=AppName("live")), identity=PROVED)
        self.is_live = True
        self.lost_owner = False
        self.is_certain = True
        self.goes_away = asyncio.Event()
        self.opened = asyncio.Event()
        self.opened.set()
        self.holders = 0
        self.signer = ResourceSigner(b"k" * 32)
        everything = dict.fromkeys(HttpSessionServices.__struct_fields__, self)
        self.endpoint = kind(
            HttpSessionServices(**cast("Any", everything | {"signer": self.signer, "joins": Joins(self)}))
        )

    def step(self, name: str) -> None:
        self.happened.append(name)
        self.meanwhile.get(name, lambda: None)()
        if name in self.refusals:
            raise self.refusals[name]

    def knock(self, applicant: Applicant) -> None:
        self.applicants.append(applicant)
        self.step("knock")

    async def admit(self, applicant: Applicant, *, knocked: bool) -> Admitted:
        assert knocked
        self.step("admit")
        return self.admitted

    def live(self, app: str, stream: str) -> object | None:
        return self if self.is_live else None

    @property
    def certain(self) -> bool:
        return self.is_certain

    def has_lost_owner(self, app: str, stream: str) -> bool:
        return self.lost_owner

    def read(self, request: Request) -> Client:
        return Client(address="192.0.2.1", counted_as="192.0.2.1")

    def prefix(self, request: Request) -> str:
        return ""

    def new_holder(self) -> str:
        self.holders += 1
        return f"holder {self.holders}"

    def check(self, counted_as: str) -> None:
        """Changes are not limited here."""

    def joined(self, role: str, outcome: str, stage: JoinStage, seconds: float | None = None) -> None:
        self.counted.append((role, outcome))

    def refused_input(self, reason: str) -> None:
        self.inputs.append(reason)

    def want(self, session: SessionId, receiver: Any) -> None:
        self.receivers[session] = receiver

    def forget(self, session: SessionId) -> None:
        self.receivers.pop(session, None)

    async def post(self, body: str | bytes = OFFER, kind: str = SDP, query: str = "", resource: str = "") -> Response:
        role = self.endpoint.role
        path = {"app": "live", "stream": "s1"} | ({"resource": resource} if resource else {})
        scope = {
            "type": "http",
            "method": "POST",
            "path": f"/live/{role}/s1" + (f"/{resource}" if resource else ""),
            "query_string": query.encode(),
            "headers": Headers({"content-type": kind}).raw,
            "path_params": path,
        }
        data = body.encode() if isinstance(body, str) else body
        sent = iter([{"type": "http.request", "body": data, "more_body": False}])

        async def receive() -> Any:
            if (message := next(sent, None)) is not None:
                self.happened.append("read")
                return message
            await self.goes_away.wait()
            return {"type": "http.disconnect"}

        request = Request(scope, receive)
        return await (self.endpoint.resources.serve(request) if resource else self.endpoint.serve(request))

    @property
    def session(self) -> SessionId:
        assert self.applicants[-1].session is not None
        return self.applicants[-1].session


class Joins:
    """`Joins` that open sessions at `NODE`."""

    def __init__(self, site: Site) -> None:
        self.traces = JoinTraces()
        self.site = site
        self.end = lambda session, node, reason: site.ended.append((session, node, reason))
        self.forget = site.forgotten.append

    def connected(self, session: SessionId) -> None:
        """Its load is no longer one to come."""

    async def publish(self, join: PublisherJoin, left: asyncio.Event) -> SessionAnswer:
        return await self._open(join, left)

    async def play(self, join: ViewerJoin, left: asyncio.Event) -> SessionAnswer:
        return await self._open(join, left)

    async def _open(self, join: PublisherJoin | ViewerJoin, left: asyncio.Event) -> SessionAnswer:
        self.site.joins.append(join)
        self.site.left.append(left)
        self.site.step("open")
        await self.site.opened.wait()
        return SessionAnswer(session=join.session, node=NODE, sdp="v=0\r\nanswer")


async def test_a_client_knocks_before_its_body_is_read_and_is_let_in_before_it_is_looked_at() -> None:
    site = Site()
    assert (await site.post()).status_code == 201
    assert site.happened == ["knock", "read", "admit", "open"]


async def test_whoever_is_refused_at_the_door_has_no_body_read() -> None:
    site = Site()
    site.refusals["knock"] = RillcastError(ErrorCode.UNAUTHORIZED, "no")
    assert (await site.post()).status_code == 401
    assert site.happened == ["knock"]


async def test_a_body_of_another_type_is_not_read_and_says_nothing_to_strangers() -> None:
    site = Site()
    assert (await site.post(kind="text/plain")).status_code == 415
    assert (site.happened, site.inputs) == (["knock", "admit"], ["content_type"])

    site = Site()
    site.refusals["admit"] = RillcastError(ErrorCode.UNAUTHORIZED, "no")
    assert (await site.post("nonsense", kind="text/plain")).status_code == 401


@pytest.mark.parametrize(
    ("body", "status", "inputs"),
    [("hello", 400, ["not_sdp"]), (b"v=0\xff", 400, []), ("v=0" + "x" * MAX_SDP_BYTES, 413, [])],
)
async def test_what_is_no_offer_opens_nothing(body: str | bytes, status: int, inputs: list[str]) -> None:
    site = Site()
    assert (await site.post(body)).status_code == status
    assert (site.joins, site.inputs, site.forgotten) == ([], inputs, [site.session])


@pytest.mark.parametrize("step", ["knock", "admit", "open"])
@pytest.mark.parametrize("fault", [NO_NODE, RuntimeError("a bug"), asyncio.CancelledError()], ids=repr)
async def test_whatever_fails_nothing_stays_held_for_the_session(step: str, fault: Exception) -> None:
    site = Site()
    site.refusals[step] = fault
    try:
        await site.post()
    except (RuntimeError, asyncio.CancelledError) as error:
        assert error is fault
    assert site.forgotten == [site.session]
    assert site.counted == ([("whip", "no_node_available")] if fault is NO_NODE else site.counted)
    assert (site.receivers, site.ended) == ({}, [])


async def test_who_goes_while_its_session_is_opened_has_it_ended_at_its_node() -> None:
    site = Site()
    site.opened.clear()
    asking = asyncio.create_task(site.post())
    await asyncio.sleep(0.1)
    assert not site.left[0].is_set()
    site.goes_away.set()
    await asyncio.sleep(0.1)
    assert site.left[0].is_set()
    site.opened.set()
    await asking
    assert site.ended == [(site.session, NODE, EndReason.ABANDONED)]
    assert site.receivers == {}


@pytest.mark.parametrize(
    ("kind", "states", "counted"),
    [
        (Whip, [SessionState.CONNECTED], []),
        (Whip, [SessionState.CONNECTED, SessionState.MEDIA], [("whip", "ok")]),
        (Whep, [SessionState.CONNECTED], [("whep", "ok")]),
        (Whip, [SessionState.CONNECTED, SessionState.CLOSED], [("whip", "failed")]),
    ],
)
async def test_a_join_counts_when_its_session_runs(
    kind: type[HttpSessions], states: list[SessionState], counted: list[tuple[str, str]]
) -> None:
    site = Site(kind)
    await site.post()
    receiver = site.receivers[site.session]
    for state in states:
        receiver(SessionChanged(session=site.session, node=NODE, state=state))
    assert site.counted == counted
    assert site.ended == []


async def test_what_a_publisher_says_of_its_stream_goes_to_the_node() -> None:
    site = Site()
    name, data = "n" * MAX_NAME, "m" * MAX_META_DATA
    await site.post(query=f"streamName={name}&metaData={data}")
    join = site.joins[0]
    assert isinstance(join, PublisherJoin)
    assert (join.name, join.meta_data) == (name, data)
    assert (join.sdp_offer, join.identity, join.session) == (OFFER, PROVED, site.session)
    asked = site.applicants[0]
    assert (asked.role, asked.room, asked.meta_data) == (Role.PUBLISH, "", data)


@pytest.mark.parametrize(
    ("field", "length", "status"),
    [
        ("streamName", MAX_NAME + 1, 400),
        ("metaData", MAX_META_DATA + 1, 400),
        ("mainTrack", MAX_NAME + 1, 400),
        ("mainTrack", 1, 501),
    ],
)
async def test_what_would_be_dropped_is_refused(field: str, length: int, status: int) -> None:
    site = Site()
    answer = await site.post(query=f"{field}={'x' * length}")
    assert answer.status_code == status
    assert site.joins == []


async def test_a_publisher_is_known_by_its_resource_and_a_new_one_by_nothing() -> None:
    site = Site()
    first = await site.post()
    assert site.applicants[0].client.holder == "holder 1"
    name = first.headers["location"].rpartition("/")[2]
    again = await site.post(resource=name)
    assert site.applicants[1].client.holder == "holder 1"
    assert again.headers["location"].startswith("/live/whip/s1/")
    assert again.headers["location"].count("/") == 4
    read = site.signer.read(again.headers["location"].rpartition("/")[2], "whip", "live", "s1")
    assert read is not None
    assert (read.session, read.node, read.holder) == (site.session, NODE, "holder 1")

    await site.post()
    assert site.applicants[2].client.holder == "holder 2"


async def test_the_resource_of_nobody_is_given_a_holder() -> None:
    site = Site()
    anonymous = Resource(
        role="whip", app=AppName("live"), stream=cast("Any", "s1"), session=SessionId("old"), node=NODE, holder=""
    )
    await site.post(resource=site.signer.name(anonymous))
    assert site.applicants[0].client.holder == "holder 1"


async def test_viewers_are_known_by_nothing_and_their_resources_take_no_offer() -> None:
    site = Site(Whep)
    made = await site.post()
    assert (site.applicants[0].role, site.applicants[0].client.holder, site.holders) == (Role.PLAY, "", 0)
    assert isinstance(site.joins[0], ViewerJoin)
    assert (await site.post(resource=made.headers["location"].rpartition("/")[2])).status_code == 405


@pytest.mark.parametrize(
    ("waits", "is_so", "status", "again_s"),
    [
        (False, ("live", "certain"), 201, None),
        (False, ("certain",), 404, 2.0),
        (True, ("live", "certain"), 404, 2.0),
        (False, ("lost", "certain"), 503, RETRY_AFTER_S),
        (False, (), 503, RETRY_AFTER_S),
        (False, ("live", "lost"), 201, None),
    ],
)
async def test_whep_plays_what_is_live_and_says_when_to_come_again(
    waits: bool, is_so: tuple[str, ...], status: int, again_s: float | None
) -> None:
    site = Site(Whep)
    site.admitted = Admitted(settings=site.admitted.settings, waits=waits)
    site.is_live, site.lost_owner, site.is_certain = ("live" in is_so, "lost" in is_so, "certain" in is_so)
    answer = await site.post()
    assert answer.status_code == status
    assert answer.headers.get("retry-after") == (f"{again_s:.0f}" if again_s else None)
    assert len(site.joins) == (status == 201)


@pytest.mark.parametrize(
    ("is_so", "status", "again_s"),
    [(("live", "certain"), 503, RETRY_AFTER_S), (("certain",), 404, 2.0), ((), 503, RETRY_AFTER_S)],
)
async def test_an_edge_that_does_not_know_of_a_stream_proves_nothing(
    is_so: tuple[str, ...], status: int, again_s: float
) -> None:
    """The stream is live when the viewer comes; `is_so` when the edge has refused it."""
    site = Site(Whep)

    def change() -> None:
        site.is_live, site.is_certain = "live" in is_so, "certain" in is_so

    site.meanwhile["open"] = change
    site.refusals["open"] = RillcastError(ErrorCode.NO_STREAM_EXIST, "the stream is not live")
    answer = await site.post()
    assert answer.status_code == status
    assert answer.headers["retry-after"] == f"{again_s:.0f}"


async def test_without_ice_servers_there_is_no_link() -> None:
    site = Site()
    site.admitted = Admitted(settings=AppSettings(app_name=AppName("live"), stun_server_uri=""))
    assert "link" not in (await site.post()).headers
