"""What each method does to a resource of WHIP or WHEP, and what it needs to be shown."""

from __future__ import annotations

from typing import Any, cast

import msgspec
import pytest
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import AppName, NodeId, SessionId, StreamId
from rillcast.contracts.messages import RestartIceAnswer
from rillcast.contracts.words import EndReason, NodeKind
from services.signaling.core.domain.client_rate import TooOften
from services.signaling.core.ports import MediaNodes, Reports, SessionEvents
from services.signaling.core.usecases.joins import Joins
from services.signaling.whip.adapters.http_resources import MAX_FRAGMENT_BYTES, WhipResources
from services.signaling.whip.domain.resource_url import Resource, ResourceSigner

FRAGMENT = "application/trickle-ice-sdpfrag"
PASSWORD = "p" * 24
CANDIDATE = "a=candidate:1 1 udp 1 192.0.2.1 5000 typ host"
TRICKLE = f"a=ice-ufrag:abcd\r\na=ice-pwd:{PASSWORD}\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n{CANDIDATE}\r\n"
RESOURCE = Resource(
    role="whip",
    app=AppName("live"),
    stream=StreamId("s1"),
    session=SessionId("session"),
    node=NodeId("origin-1"),
    holder="holder",
    ice=ResourceSigner(b"k" * 32).ice_marks(SessionId("session"), TRICKLE),
)
"""The client began with the credentials of `TRICKLE`."""
RESTART = TRICKLE.replace("abcd", "efgh").replace(PASSWORD, "q" * 24)


class Site:
    """The resources of one instance, with everything around them made up."""

    def __init__(self, key: bytes = b"k" * 32, role: str = "whip") -> None:
        self.known = {NodeId("origin-1"): object()}
        self.kinds: list[NodeKind] = []
        self.closed: list[tuple[SessionId, NodeId, EndReason]] = []
        self.restarted: list[tuple[SessionId, NodeId, str, str]] = []
        self.unwanted: list[SessionId] = []
        self.forgotten: list[SessionId] = []
        self.refusal: RillcastError | None = None
        self.too_often = False
        self.resources = WhipResources(
            role,
            NodeKind.ORIGIN,
            joins=cast("Joins", self),
            nodes=cast("MediaNodes", self),
            reports=cast("Reports", self),
            events=cast("SessionEvents", Unwanted(self.unwanted)),
            signer=ResourceSigner(key),
            allowed=self.allowed,
            link=lambda request, *, admitted: "let in" if admitted else "a stranger",
            more={},
        )
        self.name, self.tag = self.resources.created(RESOURCE)

    def allowed(self, request: Request) -> None:
        if self.too_often:
            raise TooOften("too many changes", 3.0)

    def nodes(self, kind: NodeKind) -> Any:
        self.kinds.append(kind)
        return self.known

    def forget(self, session: SessionId) -> None:
        self.forgotten.append(session)

    async def close(self, session: SessionId, node: NodeId, reason: EndReason, *, forgotten: bool) -> bool:
        assert forgotten
        self.closed.append((session, node, reason))
        if self.refusal is not None:
            raise self.refusal
        return True

    async def restart_ice(self, session: SessionId, node: NodeId, ufrag: str, pwd: str) -> RestartIceAnswer:
        self.restarted.append((session, node, ufrag, pwd))
        if self.refusal is not None:
            raise self.refusal
        return RestartIceAnswer(local_ufrag="newufrag", local_pwd="n" * 24, candidates=(CANDIDATE.removeprefix("a="),))

    async def ask(self, method: str, body: str = "", *, name: str = "", stream: str = "s1", **headers: str) -> Response:
        """Headers are named with ``_`` for ``-``."""
        return await self.resources.serve(request(method, body, name or self.name, stream, headers))

    async def patch(self, body: str, tag: str, **headers: str) -> Response:
        return await self.ask("PATCH", body, content_type=FRAGMENT, if_match=tag, **headers)


class Unwanted:
    def __init__(self, sessions: list[SessionId]) -> None:
        self.forget = sessions.append


def request(method: str, body: str, name: str, stream: str, headers: dict[str, str]) -> Request:
    scope = {
        "type": "http",
        "method": method,
        "path": f"/live/whip/{stream}/{name}",
        "query_string": b"",
        "headers": Headers({key.replace("_", "-"): value for key, value in headers.items()}).raw,
        "path_params": {"app": "live", "stream": stream, "resource": name},
    }
    sent = iter([{"type": "http.request", "body": body.encode(), "more_body": False}])

    async def receive() -> Any:
        return next(sent)

    return Request(scope, receive)


def text(response: Response) -> str:
    return bytes(response.body).decode()


async def test_trickle_with_the_present_tag_changes_nothing_and_is_answered_so() -> None:
    site = Site()
    answer = await site.patch(TRICKLE, site.tag)
    assert (answer.status_code, bytes(answer.body), site.restarted) == (204, b"", [])


@pytest.mark.parametrize("shown", ['"x", {tag}', "W/{tag}", "w/{tag}", "{tag} , *", "  {tag}\t", "{bare}", "W/{bare}"])
async def test_one_of_the_tags_that_are_shown_must_be_the_present_one(shown: str) -> None:
    site = Site()
    assert (await site.patch(TRICKLE, shown.format(tag=site.tag, bare=site.tag.strip('"')))).status_code == 204


@pytest.mark.parametrize("coding", ["-gzip", "--gzip", ";gzip", "-br", "-zstd"])
@pytest.mark.parametrize("mark", ["", "W/"])
async def test_a_tag_that_a_server_in_front_has_marked_by_its_coding_is_known(coding: str, mark: str) -> None:
    site = Site()
    assert (await site.patch(TRICKLE, f'{mark}"{site.tag.strip(chr(34))}{coding}"')).status_code == 204
    assert (await site.patch(TRICKLE, f'"made.up{coding}"')).status_code == 412


async def test_a_tag_of_another_session_or_of_another_key_is_not_the_present_one() -> None:
    site = Site()
    signer = ResourceSigner(b"k" * 32)
    for foreign in ('"made.up"', '""', signer.tag(SessionId("another"), "ice"), Site(b"o" * 32).tag):
        assert (await site.patch(TRICKLE, foreign)).status_code == 412


async def test_after_a_restart_only_the_new_tag_counts() -> None:
    site = Site()
    answer = await site.patch(RESTART, "*")
    assert (answer.status_code, answer.media_type) == (200, FRAGMENT)
    assert site.restarted == [(RESOURCE.session, RESOURCE.node, "efgh", "q" * 24)]
    assert "a=ice-ufrag:newufrag" in text(answer)
    assert CANDIDATE in text(answer)
    assert answer.headers["etag"] != site.tag
    assert (await site.patch(TRICKLE, site.tag)).status_code == 412
    assert (await site.patch(TRICKLE, answer.headers["etag"])).status_code == 204


async def test_a_restart_that_the_node_refuses_leaves_the_tag_as_it_was() -> None:
    site = Site()
    site.refusal = RillcastError(ErrorCode.UNKNOWN_SESSION, "no such session")
    assert (await site.patch(RESTART, "*")).status_code == 404
    assert (await site.patch(TRICKLE, site.tag)).status_code == 204


async def test_another_instance_believes_a_tag_of_which_it_has_issued_no_later_one() -> None:
    site, other = Site(), Site()
    other.resources._tags.drop(RESOURCE.session)
    assert (await other.patch(TRICKLE, site.tag)).status_code == 204


JSON = "application/json"
CANDIDATE_JSON = f'{{"candidate": "{CANDIDATE.removeprefix("a=")}", "sdpMid": "0", "sdpMLineIndex": 0}}'
NO_PAIR = f"{CANDIDATE}\r\na=end-of-candidates\r\n"
UFRAG_ALONE = f"a=ice-ufrag:abcd\r\n{NO_PAIR}"
CLIENTS = {
    "MediaMTX's reader.js and publisher.js": (FRAGMENT, "*", TRICKLE),
    "whip-whep of medooze": (FRAGMENT, None, TRICKLE),
    "react-native-whip-whep": (FRAGMENT, None, CANDIDATE_JSON),
    "one that names the type of its JSON": (f"{JSON}; charset=utf-8", None, CANDIDATE_JSON),
    "one that sends what its API hands out": (JSON, "*", f'{{"candidate": {CANDIDATE_JSON}}}'),
    "one with a list": (JSON, None, f'{{"candidates": [{CANDIDATE_JSON}, {{"candidate": ""}}]}}'),
    "one at the end of its candidates": (JSON, None, '[{"candidate": null}]'),
    "one that sends the event after the last candidate": (JSON, "*", "null"),
    "one that calls that a fragment": (FRAGMENT, None, " null\n"),
    "one that wraps it": (JSON, None, '{"candidate": null}'),
    "one that sends nothing then": (JSON, "*", ""),
    "one without credentials": (FRAGMENT, "*", NO_PAIR),
    "one with half of them": (FRAGMENT, None, UFRAG_ALONE),
    "one with bare line feeds": (FRAGMENT, "*", TRICKLE.replace("\r\n", "\n")),
    "one with a blank after the colon": (FRAGMENT, "*", TRICKLE.replace("ice-ufrag:", "ice-ufrag: ")),
    "one that says the credentials for each m-line": (FRAGMENT, "*", TRICKLE + TRICKLE),
    "one with parameters in capitals": ("Application/Trickle-ICE-SDPFrag ; Charset=UTF-8", "*", TRICKLE),
}
"""What clients send to trickle: the type, the condition and the body."""


@pytest.mark.parametrize("client", CLIENTS)
async def test_candidates_are_taken_as_clients_write_them(client: str) -> None:
    site = Site()
    kind, condition, body = CLIENTS[client]
    headers = {} if condition is None else {"if_match": condition}
    answer = await site.ask("PATCH", body, content_type=kind, **headers)
    assert (answer.status_code, bytes(answer.body), site.restarted) == (204, b"", [])


@pytest.mark.parametrize("client", CLIENTS)
async def test_the_tag_of_another_session_is_refused_however_candidates_are_written(client: str) -> None:
    site = Site()
    kind, _, body = CLIENTS[client]
    answer = await site.ask("PATCH", body, content_type=kind, if_match='"made.up"')
    assert (answer.status_code, site.restarted) == (412, [])


async def test_a_restart_needs_a_condition() -> None:
    site = Site()
    answer = await site.ask("PATCH", RESTART, content_type=FRAGMENT)
    assert (answer.status_code, "If-Match is needed" in text(answer), site.restarted) == (428, True, [])


@pytest.mark.parametrize("part", ["ufrag", "pwd"])
async def test_other_credentials_are_a_restart_and_half_of_them_are_refused(part: str) -> None:
    site = Site()
    other = TRICKLE.replace("abcd", "efgh") if part == "ufrag" else TRICKLE.replace(PASSWORD, "q" * 24)
    assert (await site.patch(other, "*")).status_code == 200
    assert len(site.restarted) == 1
    alone = "a=ice-ufrag:ijkl\r\n" if part == "ufrag" else f"a=ice-pwd:{'r' * 24}\r\n"
    assert (await site.patch(alone, "*")).status_code in {400, 422}
    assert len(site.restarted) == 1


async def test_a_restart_that_shows_the_present_tag_is_one() -> None:
    site = Site()
    assert (await site.patch(RESTART, site.tag)).status_code == 200
    assert len(site.restarted) == 1


async def test_a_restart_that_is_sent_again_has_the_same_answer() -> None:
    site = Site()
    first, again = await site.patch(RESTART, "*"), await site.patch(RESTART, "*")
    assert (again.status_code, text(again), again.headers["etag"]) == (200, text(first), first.headers["etag"])
    assert len(site.restarted) == 1


async def test_after_a_restart_candidates_with_its_credentials_need_no_condition() -> None:
    site = Site()
    await site.patch(RESTART, "*")
    assert (await site.ask("PATCH", RESTART, content_type=FRAGMENT)).status_code == 204
    assert (await site.patch(TRICKLE, "*")).status_code == 204, "those that were under way"
    assert len(site.restarted) == 1


async def test_another_instance_knows_the_credentials_of_a_restart_by_its_tag() -> None:
    site, other = Site(), Site()
    other.resources._tags.drop(RESOURCE.session)
    tag = (await site.patch(RESTART, "*")).headers["etag"]
    assert (await other.patch(RESTART, tag)).status_code == 204
    assert (await other.patch(RESTART.replace("efgh", "ijkl"), tag)).status_code == 200
    assert len(other.restarted) == 1


async def test_a_restart_by_a_session_whose_first_credentials_are_not_known_is_one() -> None:
    """Its name is of a release that did not mark them."""
    site = Site()
    site.name = ResourceSigner(b"k" * 32).name(msgspec.structs.replace(RESOURCE, ice=()))
    assert (await site.patch(RESTART, "*")).status_code == 200


@pytest.mark.parametrize("body", ["{}", '{"restart": true}', "[1]", "{", "[" * 9_000, '{"candidate": 7}', "[" + "{},"])
async def test_json_that_is_no_candidate_is_refused(body: str) -> None:
    site = Site()
    for kind in (JSON, FRAGMENT):
        answer = await site.ask("PATCH", body, content_type=kind)
        assert (answer.status_code, site.restarted) == (400, [])


@pytest.mark.parametrize("body", ["a=candidate:nonsense\r\n", "x" * MAX_FRAGMENT_BYTES + "x"])
async def test_a_fragment_that_is_none_is_refused(body: str) -> None:
    site = Site()
    assert (await site.patch(body, site.tag)).status_code in {400, 413, 422}


async def test_another_type_is_refused_before_the_tag_is_looked_at() -> None:
    site = Site()
    answer = await site.ask("PATCH", TRICKLE, content_type="application/sdp")
    assert (answer.status_code, f"send {FRAGMENT}" in text(answer)) == (415, True)


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
async def test_who_changes_too_much_is_told_when_to_come_again(method: str) -> None:
    site = Site()
    site.too_often = True
    answer = await site.ask(method, TRICKLE, content_type=FRAGMENT, if_match="*")
    assert answer.headers["retry-after"] == "3"
    assert (site.closed, site.restarted) == ([], [])


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
@pytest.mark.parametrize("change", ["name", "stream", "role", "key"])
async def test_a_name_that_is_not_of_this_url_is_not_found(method: str, change: str) -> None:
    site = Site(role="whep" if change == "role" else "whip")
    if change == "key":
        site.name = Site(b"o" * 32).name
    fields = {"name": {"name": f"{site.name}x"}, "stream": {"stream": "s2"}}.get(change, {})
    answer = await site.ask(method, TRICKLE, **fields, content_type=FRAGMENT, if_match="*")
    assert answer.status_code == 404
    if method == "DELETE":  # as Ant Media answers it
        assert text(answer) == '{"success":false,"message":"","dataId":"","errorId":0}'
    assert (site.closed, site.restarted, site.forgotten) == ([], [], [])


async def test_deleting_ends_the_session_at_its_node_and_forgets_it_here() -> None:
    site = Site()
    answer = await site.ask("DELETE")
    assert (answer.status_code, answer.media_type) == (200, "application/json")
    assert '"success":true' in text(answer)
    assert site.closed == [(RESOURCE.session, RESOURCE.node, EndReason.STOPPED)]
    assert (site.unwanted, site.forgotten) == ([RESOURCE.session], [RESOURCE.session])
    assert not site.resources._tags.is_outdated(RESOURCE.session, '"an older one"')


@pytest.mark.parametrize(
    ("code", "lives", "status"),
    [
        (ErrorCode.NO_NODE_AVAILABLE, False, 200),
        (ErrorCode.NO_NODE_AVAILABLE, True, 503),
        (ErrorCode.SERVER_ERROR, False, 500),
    ],
)
async def test_only_a_node_that_is_gone_needs_no_answer(code: ErrorCode, lives: bool, status: int) -> None:
    site = Site()
    site.refusal = RillcastError(code, "no answer")
    if not lives:
        site.known = {}
    assert (await site.ask("DELETE")).status_code == status
    assert set(site.kinds) <= {NodeKind.ORIGIN}


async def test_the_holder_of_a_resource_is_known_by_it() -> None:
    site = Site()
    assert site.resources.holder(request("POST", "", site.name, "s1", {})) == "holder"
    with pytest.raises(RillcastError, match="no such session"):
        site.resources.holder(request("POST", "", site.name, "s2", {}))


async def test_options_name_the_methods_and_the_type_of_fragments() -> None:
    answer = await Site().ask("OPTIONS")
    assert answer.headers["allow"] == "PATCH, DELETE, OPTIONS"
    assert answer.headers["link"] == "let in"


async def test_options_of_a_name_that_is_not_ours_are_those_of_a_stranger() -> None:
    answer = await Site().ask("OPTIONS", name="made-up")
    assert (answer.status_code, answer.headers["link"]) == (200, "a stranger")
    assert answer.headers["accept-patch"] == FRAGMENT
