"""JSON schemas of bodies and answers, as msgspec derives them from the wire types."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any, get_args, get_origin

import msgspec

from rillcast.apps.ladder_settings import (
    MAX_AUDIO_BITRATE_BPS,
    MAX_BITRATE_BPS,
    MAX_HEIGHT,
    MIN_BITRATE_BPS,
    MIN_HEIGHT,
)
from rillcast.apps.patch import Patch
from rillcast.contracts.records import LadderRung
from services.signaling.core.domain.error_page import error_page
from services.signaling.core.domain.result import Result
from services.signaling.rest.adapters.endpoint import BEFORE_ROUTES, Endpoint
from services.signaling.rest.adapters.examples import answers
from services.signaling.rest.adapters.security import requirements
from services.signaling.rest.domain.answered import PlainText
from services.signaling.rest.domain.app_shapes import Upload
from services.signaling.rest.domain.negotiation import JSON
from services.signaling.rest.domain.refusal import Form, Refusal

REF = "#/components/schemas/{name}"
FORM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"file": {"type": "string", "description": "A WAR file. A form that has a file is refused."}},
}
RUNG_LIMITS = {
    "height": (MIN_HEIGHT, MAX_HEIGHT),
    "videoBitrate": (MIN_BITRATE_BPS, MAX_BITRATE_BPS),
    "audioBitrate": (0, MAX_AUDIO_BITRATE_BPS),
}
Schema = dict[str, Any]


class Schemas:
    """Of all rows of the tables: a type that several rows use is described once and named."""

    def __init__(self, rows: Iterable[Endpoint[Any, Any]]) -> None:
        rows = tuple(rows)
        self._in_paths = {row.name: row.in_path for row in rows}
        kinds = [Result, *(row.answer for row in rows), *(_whole(row.body) for row in rows if row.body is not None)]
        by_name = {repr(kind): kind for kind in kinds}
        schemas, components = msgspec.json.schema_components(by_name.values(), ref_template=REF)
        self._schemas: dict[str, Schema] = dict(zip(by_name, schemas, strict=True))
        self.components: dict[str, Schema] = dict(components)
        """By name, for the document."""
        self._describe_limits()
        for row in rows:
            if get_origin(row.body) is Patch:
                self._schemas[repr(row.body)] = self._describe_patch(_whole(row.body))

    def operation(self, row: Endpoint[Any, Any]) -> dict[str, Any]:
        """What OpenAPI says of a row besides its parameters."""
        described: dict[str, Any] = {
            "description": f"{row.summary} May be asked by: {row.guard.name}.",
            "security": requirements(row.guard.shows),
            "responses": self._responses(row),
        }
        if row.body is not None:
            schema = self._of_body(row.body)
            content = _content(row.consumes[0], schema, row.asked.get("body"))
            described["requestBody"] = {"required": not row.body_may_lack, **content}
        return described

    def _of_body(self, kind: Any) -> Schema:
        """A body that handlers take as text is a JSON object, which they look at themselves."""
        if kind is str:
            return {"type": "object"}
        return FORM_SCHEMA if kind is Upload else self._of(kind)

    def _responses(self, row: Endpoint[Any, Any]) -> dict[str, Any]:
        refusals = {status: list(refusals) for status, refusals in row.refusals.items()}
        responses = {} if row.missing is not None else self._done(row, refusals.pop(HTTPStatus.OK, []))
        for refusal in BEFORE_ROUTES:
            refusals.setdefault(refusal.status, []).append(refusal)
        for status, those in sorted(refusals.items()):
            responses[str(status)] = self._refused(row, status, those)
        return responses

    def _done(self, row: Endpoint[Any, Any], refused: list[Refusal]) -> dict[str, Any]:
        """What is answered when it is done. `refused`: what is answered with the same status when it is not."""
        schema = {"type": "string"} if row.answer is PlainText else self._of(row.answer)
        if refused:
            schema = {"anyOf": [schema, self._of(Result)]}
        words = "; ".join([HTTPStatus.OK.phrase, *dict.fromkeys(one.message for one in refused)])
        answer = _content(row.produces, schema, answers().get(row.name))
        done = {"200": {"description": _sentence(words), **answer, **self._links(row)}}
        return done | ({"204": {"description": _sentence(row.nothing)}} if row.nothing else {})

    def _refused(self, row: Endpoint[Any, Any], status: int, refusals: list[Refusal]) -> dict[str, Any]:
        """All refusals with one status, an example of each form."""
        kind = row.produces if status == HTTPStatus.NOT_ACCEPTABLE else " or ".join(row.consumes)
        content: dict[str, Any] = {}
        for refusal in refusals:
            said = msgspec.structs.replace(refusal, message=refusal.message.replace("{type}", kind))
            for media_type, described in self._refusal(said)["content"].items():
                content.setdefault(media_type, described)
        text = "; ".join(dict.fromkeys(refusal.message.replace("{type}", kind) for refusal in refusals))
        return {"description": _sentence(text), "content": content}

    def _refusal(self, refusal: Refusal) -> dict[str, Any]:
        match refusal.form:
            case Form.RESULT:
                example = msgspec.to_builtins(Result(success=False, message=refusal.message))
                return _content(JSON, self._of(Result), example)
            case Form.PAGE:
                return _content("text/html", {"type": "string"}, error_page(refusal.status, refusal.message))
            case Form.TEXT:
                return _content("text/plain", {"type": "string"}, refusal.message)

    def _links(self, row: Endpoint[Any, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for link in row.links:
            kept = {name: f"$request.path.{name}" for name in sorted(row.in_path & self._in_paths[link.to])}
            found[link.to] = {"operationId": link.to, "parameters": kept | dict(link.parameters)}
            if link.body:
                found[link.to]["requestBody"] = link.body
        return {"links": found} if found else {}

    def _of(self, kind: Any) -> Schema:
        return self._schemas[repr(kind)]

    def _describe_limits(self) -> None:
        """Limits that are checked after decoding, with sentences of their own."""
        rung = self.components.get(LadderRung.__name__)
        if rung is None:
            return
        for key, (least, most) in RUNG_LIMITS.items():
            described = rung["properties"][key]
            described |= {"minimum": least, "maximum": most}
            if not least <= described["default"] <= most:  # so a rung without it is refused
                del described["default"]
                rung.setdefault("required", []).append(key)

    def _describe_patch(self, whole: Any) -> Schema:
        """Every key may lack, and then stays as it is: no default belongs to it."""
        name = f"{whole.__name__}Patch"
        properties = self.components[whole.__name__]["properties"]
        self.components[name] = {
            "title": name,
            "description": f"The keys of {whole.__name__} to change. Absent ones stay.",
            "type": "object",
            "properties": {
                key: {word: rule for word, rule in schema.items() if word != "default"}
                for key, schema in properties.items()
            },
        }
        return {"$ref": REF.format(name=name)}


def _whole(kind: Any) -> Any:
    """What a patch changes; any other type as it is."""
    return get_args(kind)[0] if get_origin(kind) is Patch else kind


def _content(media_type: str, schema: Schema, example: Any) -> dict[str, Any]:
    shown = {} if example is None else {"example": example}
    return {"content": {media_type: {"schema": schema, **shown}}}


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:].removesuffix('.')}."
