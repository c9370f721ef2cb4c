"""What a row of the REST tables holds. Routes, the OpenAPI document and the reference page follow from the rows."""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Concatenate, Generic, Literal, NoReturn, TypeVar, get_type_hints

import msgspec
from starlette.requests import Request

from rillcast.contracts.errors import ErrorCode, RillcastError
from services.signaling.core.domain.http_status import status_of
from services.signaling.operators.domain.rights import Caller, Need
from services.signaling.rest.adapters.http_gate import Gate
from services.signaling.rest.adapters.json_body import MAX_BODY_BYTES
from services.signaling.rest.domain.answered import WithCookie
from services.signaling.rest.domain.negotiation import JSON
from services.signaling.rest.domain.parameters import IN_PATHS, About
from services.signaling.rest.domain.refusal import NOT_ACCEPTABLE, NOT_FOUND, UNSUPPORTED_TYPE, Form, Refusal, Refused

Method = Literal["GET", "POST", "PUT", "DELETE", "PATCH"]
Resource = TypeVar("Resource")
Answer = TypeVar("Answer")
_IN_PATH = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Guard:
    """Who may ask. Called before anything of the request but its head is read."""

    name: str
    """As the reference page calls it."""
    admit: Callable[[Gate, Request], Awaitable[Caller]]
    """Raises `Refused`, or `RillcastError`."""
    refusals: tuple[Refusal | ErrorCode, ...]
    """What `admit` may refuse with."""
    shows: tuple[str, ...] = ()
    """By which schemes of the document the caller may show who it is (`security.SCHEMES`), one of them; none: nobody
    has to."""
    changing: Need = Need.APP
    """What whoever changes what is read here needs: who may not is shown no credentials."""


@dataclass(frozen=True)
class Link:
    """What can be asked next with what a request got, for programs that walk through the API by its document."""

    to: str
    """The name of the other endpoint. Parameters of its path that the first one has in its own are the same."""
    parameters: Mapping[str, str] = field(default_factory=dict)
    """Its others, as they are called on the wire, each with a runtime expression of OpenAPI."""
    body: str = ""
    """A runtime expression for its body."""


@dataclass(frozen=True)
class Endpoint(Generic[Resource, Answer]):
    """One method at one path."""

    method: Method
    path: str
    guard: Guard
    handler: Callable[Concatenate[Resource, ...], Awaitable[Answer | WithCookie | None]]
    """A method of the table's resource, or `refused`. Its parameters are those of the path, of the query (all others)
    and, if there is one, ``body``; one that is annotated `Caller` gets what the guard found. It returns an `Answer`, or
    a `WithCookie` with one in it."""
    summary: str
    """One sentence for a user of the API."""
    name: str
    """Of the operation in the document, unique among all tables. Clients that are made from it have a function of this
    name, so it begins with a verb."""
    answer: type[Answer]
    """What the handler returns, as it is serialized."""
    body: Any = None
    """The type of the JSON body: a `Patch`, or whatever msgspec decodes; None when no body is read."""
    consumes: tuple[str, ...] = (JSON,)
    """The media types of which a body may be. One without a type is taken for the first, from programs."""
    needs_type: bool = False
    """Whether a request that does not say of which type its body is, or has none, is refused with 415."""
    produces: str = JSON
    """The media type of the answer."""
    most_bytes: int = MAX_BODY_BYTES
    """How large a body may be; a larger one is refused with 413."""
    body_may_lack: bool = False
    """Whether a request without a body is answered too; the handler's ``body`` is None then."""
    text_is: str = ""
    """The key for which a body stands that is one text of JSON, and no object. Empty: such a body is refused."""
    nothing: str = ""
    """When the handler returns None, which is answered 204."""
    errors: tuple[Refusal | ErrorCode, ...] = ()
    """What the handler refuses with, besides bad input."""
    example: Mapping[str, Any] = field(default_factory=dict)
    """Of a request: the ``body``, and parameters whose own examples (`About`) do not fit here. What it is answered is
    recorded (`examples`)."""
    links: tuple[Link, ...] = ()
    """What can be asked next."""

    @cached_property
    def parameters(self) -> Mapping[str, Any]:
        """Those of the path and the handler's, by name, with their annotations."""
        hints = get_type_hints(self.handler, include_extras=True)
        names = [name for name in inspect.signature(self.handler).parameters if name != "self"]
        in_path = {name: IN_PATHS.get(name, str) for name in _IN_PATH.findall(self.path)}
        return in_path | {name: hints[name] for name in names}

    @property
    def in_path(self) -> frozenset[str]:
        """Names of the parameters that stand in the path."""
        return frozenset(_IN_PATH.findall(self.path))

    @cached_property
    def in_query(self) -> tuple[str, ...]:
        """What can be said in the query, as clients call it."""
        own = (name for name, kind in self.parameters.items() if name != "body" and base_type(kind) is not Caller)
        return tuple(on_wire(name, self.parameters[name]) for name in own if name not in self.in_path)

    @property
    def asked(self) -> dict[str, Any]:
        """An example of each parameter, as handlers call them, and of the body if there is one."""
        own = {name: about(kind).example for name, kind in self.parameters.items() if base_type(kind) is not Caller}
        return {name: one for name, one in (own | dict(self.example)).items() if name in self.parameters}

    @property
    def ours(self) -> bool:
        """Whether Ant Media has nothing of the kind."""
        return self.path.startswith("/rillcast/")

    def in_form(self, refusal: Refusal) -> Refusal:
        """A refusal as clients of the endpoint expect it: our own has no pages."""
        if not self.ours:
            return refusal
        form = Form.TEXT if refusal.form is Form.PAGE else Form.RESULT
        return msgspec.structs.replace(refusal, form=form)

    @property
    def missing(self) -> Refusal | None:
        """What every request is answered, if the endpoint is one that Ant Media has and we don't."""
        refusal: Refusal | None = getattr(self.handler, "refusal", None)
        return refusal

    @property
    def refusals(self) -> dict[int, list[Refusal]]:
        """By status, with what a request may be refused."""
        about_body = _BAD_BODY if self.body is not None else ()
        if not self.ours:
            about_body = (*about_body, NOT_ACCEPTABLE)
        about_parameters = self._bad_parameters
        found: dict[int, list[Refusal]] = {}
        own = self.errors if self.missing is None else (self.missing,)
        for error in (*self.guard.refusals, UNSUPPORTED_TYPE, *about_parameters, *about_body, *own):
            refusal = self.in_form(error if isinstance(error, Refusal) else _refusal_of(error))
            found.setdefault(refusal.status, []).append(refusal)
        return found

    @property
    def _bad_parameters(self) -> tuple[Refusal, ...]:
        typed = {name for name, kind in self.parameters.items() if name != "body" and base_type(kind) is not str}
        if self.ours:
            return _BAD_PARAMETER
        in_query = _BAD_PARAMETER if typed - self.in_path else ()
        return (NOT_FOUND, *in_query) if typed else ()


@dataclass(frozen=True)
class Table(Generic[Resource]):
    """The endpoints of one resource."""

    tag: str
    """As the document groups them."""
    about: str
    resource: type[Resource]
    """Has the handlers; one instance of it is made when the room is wired."""
    input: str
    """How its refused bodies are counted (`rillcast_signaling_refused_inputs_total`)."""
    rows: tuple[Endpoint[Resource, Any], ...]


def refused(why: str, status: int = 501, form: Form = Form.RESULT) -> Callable[..., Awaitable[Any]]:
    """The handler of an endpoint that Ant Media has and we don't: it says why, and never that it was done."""
    refusal = Refusal(status, why, form)

    async def refuse(self: object) -> NoReturn:
        raise Refused(refusal)

    refuse.refusal = refusal  # type: ignore[attr-defined]
    return refuse


def base_type(annotation: Any) -> Any:
    """Without annotations and new names: ``Annotated[AppName, …]`` is a str."""
    while hasattr(annotation, "__supertype__") or hasattr(annotation, "__metadata__"):
        annotation = annotation.__origin__ if hasattr(annotation, "__metadata__") else annotation.__supertype__
    return annotation


def about(annotation: Any) -> About:
    """What is said of a parameter."""
    return next((one for one in getattr(annotation, "__metadata__", ()) if isinstance(one, About)), About(""))


def limits_of(said: About) -> tuple[int, int]:
    """The least and the greatest number that a parameter may be."""
    beyond = 1 << said.bits - 1
    return -beyond if said.least is None else said.least, beyond - 1 if said.most is None else said.most


def on_wire(name: str, annotation: Any) -> str:
    """What clients call a parameter."""
    return about(annotation).name or name


def _refusal_of(code: ErrorCode) -> Refusal:
    status = status_of(RillcastError(code, ""))
    return Refusal(status, _WORDS[code], form_of(status))


def form_of(status: int) -> Form:
    """In what form Ant Media refuses with a status where it has no words of its own for that."""
    return Form.PAGE if status in (403, 404) else Form.RESULT


BEFORE_ROUTES = (
    Refusal(400, "this is no request of HTTP", Form.TEXT),
    Refusal(408, "the request did not arrive in time", Form.TEXT),
    Refusal(414, "the request's address is too long", Form.TEXT),
    Refusal(429, "too many requests wait on this connection", Form.TEXT),
    Refusal(431, "the request's head is too large", Form.TEXT),
    Refusal(503, "this node goes away, or has as many connections as it can bear", Form.TEXT),
)
"""What the listener answers to requests that no endpoint sees."""
_BAD_PARAMETER = (Refusal(400, "a parameter makes no sense"),)
_BAD_BODY = (
    Refusal(400, "the body makes no sense", Form.TEXT),
    Refusal(400, "the body makes no sense"),
    Refusal(408, "the body did not arrive in time"),
    Refusal(413, "the body is too large"),
)
_WORDS = {
    ErrorCode.UNKNOWN_APP: "there is no such app",
    ErrorCode.BAD_REQUEST: "a parameter makes no sense",
    ErrorCode.NO_NODE_AVAILABLE: "no node answers",
    ErrorCode.STORE_UNAVAILABLE: "the store is away, or others change the same",
    ErrorCode.HIGH_RESOURCE_USAGE: "there are as many as the cluster keeps",
    ErrorCode.UNKNOWN_SESSION: "its publisher is gone already",
}
