"""Created WHIP and WHEP sessions: trickle and ICE restart by PATCH, end by DELETE. Any instance serves them."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping

import msgspec
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.words import EndReason, NodeKind
from rillcast.media.sdp import parse_candidates, restart_ice_fragment, write_ice_fragment
from services.signaling.core.adapters.http_body import BodyRefused, media_type, read_body
from services.signaling.core.domain.result import Result
from services.signaling.core.ports import MediaNodes, Reports, SessionEvents
from services.signaling.core.usecases.joins import Joins
from services.signaling.whip.adapters.http_answers import FRAGMENT, Handler, answer_by_method
from services.signaling.whip.domain.resource_url import LatestTags, Resource, ResourceSigner

MAX_FRAGMENT_BYTES = 64 * 1024


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
        more: Mapping[str, Handler],
    ) -> None:
        """`kind`: of the nodes where such sessions live. `allowed`: raises `TooOften` for a client that changes too
        much. `more`: methods that somebody else answers."""
        self._allowed = allowed
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
        return Response(headers={"Allow": ", ".join(self._handlers), "Accept-Patch": FRAGMENT})

    async def _patch(self, request: Request) -> Response:
        """RFC 9725 §4.3: trickle is conditional on the ICE session's tag, a restart says ``*``."""
        resource = self._resource(request)
        self._allowed(request)
        if media_type(request) != FRAGMENT:
            raise BodyRefused(415, f"send {FRAGMENT}")
        condition = request.headers.get("if-match")
        if condition is None:
            return PlainTextResponse("If-Match is needed: the session's ETag, or * to restart ICE", 428)
        fragment = (await read_body(request, MAX_FRAGMENT_BYTES)).decode("utf-8", "replace")
        if condition.strip() == "*":
            return await self._restart_ice(resource, fragment)
        if not any(self._is_present(resource, _strong(tag)) for tag in condition.split(",")):
            return PlainTextResponse("that is not the tag of the session's present ICE session", 412)
        parse_candidates(fragment)
        return Response(status_code=204)

    async def _restart_ice(self, resource: Resource, fragment: str) -> Response:
        wanted = restart_ice_fragment(fragment)
        answer = await self._nodes.restart_ice(resource.session, resource.node, wanted.ufrag, wanted.pwd)
        body = write_ice_fragment(answer.local_ufrag, answer.local_pwd, answer.candidates)
        return Response(body, 200, headers={"ETag": self._new_tag(resource)}, media_type=FRAGMENT)

    async def _delete(self, request: Request) -> Response:
        """Also good when the session is over, or its node is gone and the session with it. A node that lives and does
        not answer is a refusal. Answers a Result, as Ant Media does."""
        resource = self._resource(request)
        self._allowed(request)
        self._events.forget(resource.session)
        self._joins.forget(resource.session)
        self._tags.drop(resource.session)
        try:
            await self._nodes.close(resource.session, resource.node, EndReason.STOPPED)
        except RillcastError as error:
            if error.code is not ErrorCode.NO_NODE_AVAILABLE or resource.node in self._reports.nodes(self._kind):
                raise
        return Response(msgspec.json.encode(Result(success=True)), media_type="application/json")

    def _resource(self, request: Request) -> Resource:
        path = request.path_params
        resource = self._signer.read(path["resource"], self._role, path["app"], path["stream"])
        if resource is None:
            raise RillcastError(ErrorCode.UNKNOWN_SESSION, "there is no such session")
        return resource

    def _is_present(self, resource: Resource, tag: str) -> bool:
        return self._signer.is_tag_of(resource.session, tag) and not self._tags.is_outdated(resource.session, tag)

    def _new_tag(self, resource: Resource) -> str:
        tag = self._signer.tag(resource.session, secrets.token_hex(8))
        self._tags.set(resource.session, tag)
        return tag


def _strong(tag: str) -> str:
    """The tag as we issued it. A proxy that compresses answers marks their tags as weak."""
    return tag.strip().removeprefix("W/")
