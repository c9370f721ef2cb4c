"""Bodies, decoded into the type that the row names: JSON by msgspec, and forms."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, get_origin

import msgspec
from starlette.requests import Request

from rillcast.apps.patch import Patch, PatchRefused
from rillcast.contracts.decoding import Undecodable, decode_json
from services.signaling.core.adapters.http_body import read_body
from services.signaling.rest.adapters.form_body import read_upload
from services.signaling.rest.domain.app_shapes import Upload
from services.signaling.rest.domain.refusal import BadInput, Form

MAX_BODY_BYTES = 256 * 1024


def body_reader(
    kind: Any, *, may_lack: bool, most_bytes: int = MAX_BODY_BYTES, text_is: str = ""
) -> Callable[[Request], Awaitable[Any]]:
    """Reads a request's body as `kind`; with `may_lack` an empty one is None, and so is null. Text (`str`) is the body
    as it is, for handlers that look at it themselves. `text_is`: see `Endpoint.text_is`. What it returns raises
    `BodyRefused` for a body that is too large, slow or broken off, and `BadInput`."""

    def decode(body: bytes) -> Any:
        if kind is str:
            return body.decode("utf-8", "replace")
        if text_is and body.lstrip().startswith(b'"'):
            body = msgspec.json.encode({text_is: decode_json(body, str)})
        return Patch.parse(body) if get_origin(kind) is Patch else decode_json(body, kind)

    async def read(request: Request) -> Any:
        if kind is Upload:
            return await read_upload(request)
        body = await read_body(request, most_bytes)
        if may_lack and body.strip() in (b"", b"null"):
            return None
        try:
            return decode(body)
        except (Undecodable, PatchRefused) as error:
            raise BadInput(str(error), Form.TEXT) from error

    return read
