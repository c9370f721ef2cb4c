"""What REST endpoints share: JSON answers, pages of lists."""

from __future__ import annotations

from typing import TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from rillcast.contracts.errors import ErrorCode, RillcastError

MAX_BODY_BYTES = 256 * 1024
MAX_LIST = 250

Item = TypeVar("Item")


def page(request: Request, items: list[Item]) -> list[Item]:
    """As the original: a negative offset counts as 0, a negative size as none. Raises BAD_REQUEST for no numbers."""
    try:
        first, size = (int(request.path_params[name]) for name in ("offset", "size"))
    except ValueError as error:
        raise RillcastError(ErrorCode.BAD_REQUEST, "offset and size must be whole numbers") from error
    first = max(0, first)
    return items[first : first + max(0, min(size, MAX_LIST))]


def answered(value: object, status: int = 200) -> Response:
    """As JSON."""
    return Response(msgspec.json.encode(value), status, media_type="application/json")
