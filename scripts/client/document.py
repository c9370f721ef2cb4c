"""The OpenAPI document, made from the tables of REST without a server."""

from __future__ import annotations

from functools import cache
from typing import Any, cast

import msgspec

from services.signaling.rest.adapters.rest_api import rest_api
from services.signaling.rest.adapters.tables import TABLES

VERSION = "0"
"""The document's version says nothing about its shapes, and none goes into what is written."""


@cache
def document() -> dict[str, Any]:
    """What every signaling instance answers at ``/rillcast/v1/openapi.json``."""
    return cast(dict[str, Any], msgspec.json.decode(rest_api(VERSION, TABLES).whole))
