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
from services.signaling.core.domain.result import Result
from services.signaling.rest.adapters.endpoint import Endpoint
from services.signaling.rest.domain.answered import PlainText
from services.signaling.rest.domain.negotiation import JSON
from services.signaling.rest.domain.refusal import Form

REF = "#/components/schemas/{name}"
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
        """What OpenAPI says of a row's body and answers."""
        described: dict[str, Any] = {"responses": self._responses(row)}
        if row.body is not None:
            content = _content(row.consumes[0], self._of(row.body))
            described["requestBody"] = {"required": not row.body_may_lack, **content}
        return described

    def _responses(self, row: Endpoint[Any, Any]) -> dict[str, Any]:
        answer = _content(row.produces, {"type": "string"} if row.answer is PlainText else self._of(row.answer))
        responses = {"200": {"description": HTTPStatus.OK.phrase, **answer}}
        if row.nothing:
            responses["204"] = {"description": _sentence(row.nothing)}
        for status, refusals in sorted(row.refusals.items()):
            contents = [self._refusal(refusal.form)["content"] for refusal in refusals]
            content = {"content": {kind: schema for one in contents for kind, schema in one.items()}}
            text = "; ".join(dict.fromkeys(refusal.message for refusal in refusals))
            if status == HTTPStatus.OK:  # Ant Media refuses some requests with it
                content = _content(JSON, {"anyOf": [self._of(row.answer), self._of(Result)]})
            responses[str(status)] = {"description": _sentence(text), **content}
        return responses

    def _refusal(self, form: Form) -> dict[str, Any]:
        if form is Form.RESULT:
            return _content(JSON, self._of(Result))
        return _content("text/html" if form is Form.PAGE else "text/plain", {"type": "string"})

    def _of(self, kind: Any) -> Schema:
        return self._schemas[repr(kind)]

    def _describe_limits(self) -> None:
        """Limits that are checked after decoding, with sentences of their own."""
        rung = self.components.get(LadderRung.__name__, {"properties": {}})["properties"]
        for key, (least, most) in RUNG_LIMITS.items():
            if key in rung:
                rung[key] |= {"minimum": least, "maximum": most}

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


def _content(media_type: str, schema: Schema) -> dict[str, Any]:
    return {"content": {media_type: {"schema": schema}}}


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:].removesuffix('.')}."
