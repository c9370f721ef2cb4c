"""The routes of REST with the documents that describe them, once for a process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from services.signaling.rest.adapters.endpoint import Table
from services.signaling.rest.adapters.http_routes import RestRoute, answer_head, rest_routes
from services.signaling.rest.adapters.openapi import openapi_document
from services.signaling.rest.adapters.openapi_parts import part_below
from services.signaling.rest.adapters.schemas import Schemas


class RestApi(NamedTuple):
    """What is the same in every instance of signaling."""

    routes: list[RestRoute]
    whole: bytes
    """The OpenAPI document as it is served."""
    of_apps: dict[str, msgspec.Raw]
    """The part of it below /{app}/rest, without the list of servers."""
    of_server: dict[str, msgspec.Raw]
    """Likewise the part below /rest, which is about the whole server."""


_made: dict[tuple[str, int], RestApi] = {}
"""By version and tables. Making one takes longer than the rest of a start, and a process may hold many instances."""


def rest_api(version: str, tables: Sequence[Table[Any]]) -> RestApi:
    """`tables` last as long as the process."""
    key = version, id(tables)
    if key not in _made:
        _made[key] = _make(version, tables)
    return _made[key]


def _make(version: str, tables: Sequence[Table[Any]]) -> RestApi:
    routes = rest_routes(tables)
    whole = openapi_document(version, tables, routes, Schemas(row for table in tables for row in table.rows))
    parts = part_below(whole, "/{app}/rest"), part_below(whole, "/rest")
    answer_head(routes)
    return RestApi(routes, msgspec.json.encode(whole), *parts)
