"""Created WHIP and WHEP sessions: trickle and ICE restart by PATCH, end by DELETE. Any instance serves them."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from typing import Protocol

import msgspec
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.words import EndReason, NodeKind
from rillcast.media.sdp import ice_pairs, parse_candidates, restart_ice_fragment, write_ice_fragment
from services.signaling.core.adapters.http_body import BodyRefused, media_type, read_body
from services.signaling.core.domain.result import Result
from services.signaling.core.ports import MediaNodes, Reports, SessionEvents
from services.signaling.core.usecases.joins import Joins
from services.signaling.whip.adapters.http_answers import FRAGMENT, JSON, Handler, answer_by_method
from services.signaling.whip.domain.ice_patch import ANY, Condition, check_json_candidates, is_json, tags_of
from services.signaling.whip.domain.resource_url import LatestTags, Resource, ResourceSigner, Restarted

MAX_FRAGMENT_BYTES = 64 * 1024


class LinkOf(Protocol):
    """The ``Link`` with the ICE servers for whoever asks; None where there are none."""

    def __call__(self, request: Request, *, admitted: bool) -> str | None: ...


class WhipResources:
    """One per signaling instance and role (``whip`` or ``whep``)."""

    def __init__(
        self,
        role: str,
        kind: NodeKind,
        *,
        joins: Joins,
        nodes: MediaNodes,
        reports: Reports,
        events: SessionEvents,
        signer: ResourceSigner,
        allowed: Callable[[Request], None],
        link: LinkOf,
        more: Mapping[str, Handler],
    ) -> None:
        """`kind`: of the nodes where such sessions live. `allowed`: raises `TooOften` for a client that changes too
        much. `link`: of its ICE servers. `more`: methods that somebody else answers."""
        self._allowed = allowed
        self._link = link
        self._role = role
        self._kind = kind
        self._reports = reports
        self._joins = joins
        self._nodes = nodes
        self._events = events
        self._signer = signer
        self._tags = LatestTags()
        self._handlers = {**more, "PATCH": self._patch, "DELETE": self._delete, "OPTIONS": self._options}

    def created(self, resource: Resource) -> tuple[str, str]:
        """The name and the first entity tag of a new session."""
        return self._signer.name(resource), self._new_tag(resource)

    async def serve(self, request: Request) -> Response:
        """Answers every method of ``/{app}/{role}/{stream}/{resource}``."""
        return await answer_by_method(self._role, request, self._handlers)

    def holder(self, request: Request) -> str:
        """By what the client is known who has this resource. Raises UNKNOWN_SESSION for a name that isn't ours."""
        return self._resource(request).holder

    async def _options(self, request: Request) -> Response:
        """Also for a name that is not ours: a browser's preflight is no business of a session."""
        headers = {"Allow": ", ".join(self._handlers), "Accept-Patch": FRAGMENT}
        link = self._link(request, admitted=self._read(request) is not None)
        return Response(headers=headers if link is None else headers | {"Link": link})

    async def _patch(self, request: Request) -> Response:
        """RFC 9725 §4.3: candidates are taken from anybody; a restart must say what it restarts."""
        resource = self._resource(request)
        self._allowed(request)
        kind = media_type(request)
        if kind not in (FRAGMENT, JSON):
            raise BodyRefused(415, f"send {FRAGMENT}")
        tags = tags_of(request.headers.getlist("if-match"))
        present = [tag for tag in tags if self._is_present(resource, tag)]
        condition = _condition(tags, present)
        if condition is Condition.OTHER:
            return PlainTextResponse("that is not the tag of the session's present ICE session", 412)
        body = await read_body(request, MAX_FRAGMENT_BYTES)
        if kind == JSON or is_json(body):
            check_json_candidates(body)
            return Response(status_code=204)
        fragment = body.decode("utf-8", "replace")
        parse_candidates(fragment)
        pairs = ice_pairs(fragment)
        marks = [*resource.ice, *(mark for tag in present for mark in self._signer.marks_in(tag))]
        is_known = self._signer.are_known(resource.session, pairs, marks)
        if is_known or (condition is Condition.PRESENT and not resource.ice):  # a name of a release that has no marks
            return Response(status_code=204)
        done = self._tags.restarted(resource.session)
        if done is not None and self._signer.are_known(resource.session, pairs, done[1].marks):
            return _restarted(*done) if condition is Condition.ANY else Response(status_code=204)
        if condition is Condition.NONE:
            return PlainTextResponse("If-Match is needed: * restarts ICE with other credentials", 428)
        return await self._restart_ice(resource, fragment)

    async def _restart_ice(self, resource: Resource, fragment: str) -> Response:
        wanted = restart_ice_fragment(fragment)
        answer = await self._nodes.restart_ice(resource.session, resource.node, wanted.ufrag, wanted.pwd)
        body = write_ice_fragment(answer.local_ufrag, answer.local_pwd, answer.candidates)
        restarted = Restarted(self._signer.ice_marks(resource.session, fragment), body)
        return _restarted(self._new_tag(resource, restarted), restarted)

    async def _delete(self, request: Request) -> Response:
        """Also good when the session is over, or its node is gone and the session with it. A node that lives and does
        not answer is a refusal. Answers a Result, as Ant Media does, also to a name that is not ours."""
        resource = self._read(request)
        if resource is None:
            return Response(msgspec.json.encode(Result(success=False)), 404, media_type=JSON)
        self._allowed(request)
        self._events.forget(resource.session)
        self._joins.forget(resource.session)
        self._tags.drop(resource.session)
        try:
            await self._nodes.close(resource.session, resource.node, EndReason.STOPPED, forgotten=True)
        except RillcastError as error:
            if error.code is not ErrorCode.NO_NODE_AVAILABLE or resource.node in self._reports.nodes(self._kind):
                raise
        return Response(msgspec.json.encode(Result(success=True)), media_type=JSON)

    def _resource(self, request: Request) -> Resource:
        resource = self._read(request)
        if resource is None:
            raise RillcastError(ErrorCode.UNKNOWN_SESSION, "there is no such session")
        return resource

    def _read(self, request: Request) -> Resource | None:
        path = request.path_params
        return self._signer.read(path["resource"], self._role, path["app"], path["stream"])

    def _is_present(self, resource: Resource, tag: str) -> bool:
        return self._signer.is_tag_of(resource.session, tag) and not self._tags.is_outdated(resource.session, tag)

    def _new_tag(self, resource: Resource, restarted: Restarted | None = None) -> str:
        marks = () if restarted is None else restarted.marks
        tag = self._signer.tag(resource.session, secrets.token_hex(8), marks)
        self._tags.set(resource.session, tag, restarted)
        return tag


def _condition(tags: list[str], present: list[str]) -> Condition:
    if present:
        return Condition.PRESENT
    if ANY in tags:
        return Condition.ANY
    return Condition.OTHER if tags else Condition.NONE


def _restarted(tag: str, restarted: Restarted) -> Response:
    """The same again for a client that repeats its request: it may not have heard the first answer."""
    return Response(restarted.answer, 200, headers={"ETag": tag}, media_type=FRAGMENT)
