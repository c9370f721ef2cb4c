"""Forms of which only that matters, whether a file comes with them."""

from __future__ import annotations

import re

from starlette.requests import Request

from services.signaling.core.adapters.http_body import BodyRefused, read_body
from services.signaling.rest.domain.app_shapes import Upload

FORM = "multipart/form-data"
MOST_BYTES = 64 * 1024
"""A larger form has a file for certain, and is not read."""
_TOO_LARGE = 413
_A_FILE = re.compile(rb"^content-disposition:[^\r\n]*;\s*filename\*?=", re.IGNORECASE | re.MULTILINE)


async def read_upload(request: Request) -> Upload:
    """Raises `BodyRefused` for a body that is slow or broken off."""
    try:
        body = await read_body(request, MOST_BYTES)
    except BodyRefused as error:
        if error.status != _TOO_LARGE:
            raise
        return Upload(has_file=True)
    return Upload(has_file=_A_FILE.search(body) is not None)
