"""docs/reference/rest.md: the endpoints of the REST API, from the tables that serve them."""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any, get_args, get_origin

import msgspec

from rillcast.apps.patch import Patch
from scripts.reference import app_settings, messages
from scripts.reference.faults import Undocumented
from scripts.reference.markdown import bullets, page, paragraph, prose
from scripts.reference.structs import Targets, struct_section, targets_on, undocumented
from scripts.reference.type_words import in_python, named
from services.signaling.rest.adapters.endpoint import Endpoint, Table, about, base_type, on_wire
from services.signaling.rest.adapters.tables import TABLES
from services.signaling.rest.domain.refusal import Form
from services.signaling.rest.domain.settings_shapes import AllSettings, AntMediaSettings

INTRODUCTION = """
Ant Media Server's paths and shapes are served under `/rest/v2` and `/{app}/rest/v2`, and our own under `/rillcast/v1`.
The same as an OpenAPI 3.1 document, with the schemas of all bodies and examples of requests and answers:
`GET /rillcast/v1/openapi.json`. The names of operations are those of that document.

Bodies are JSON of at most 256 KiB. Where nothing else is said, a refusal is a `Result` with `success: false` and a
sentence in `message`. An endpoint that is missing here is answered 404, another method 405 with the methods that there
are in `Allow`. `GET` answers `HEAD` too. What is no good request of HTTP never gets as far as to an endpoint: it is
answered 400, 408, 414, 429, 431 or, by a node that goes away or has no room for the connection, 503, in plain text.
"""
NOT_THERE = """
Ant Media has these endpoints. Here whoever may ask is answered with this status and this sentence, whatever is asked.
Endpoints with a form of their own for what is not there, such as empty lists and `success: false`, stand above.
"""
SETTINGS: Targets = {kind.__name__: app_settings.NAME for kind in (AntMediaSettings, AllSettings)}
"""Shapes that have a page of their own."""
_FORMS = {Form.RESULT: "", Form.TEXT: " (plain text)", Form.PAGE: " (HTML)"}


def render() -> str:
    """The page. Raises `Undocumented` for a shape without a docstring."""
    shapes = _shapes()
    if faults := undocumented(shapes):
        raise Undocumented(faults)
    targets = {**messages.targets(), **SETTINGS, **targets_on("", [shape.__name__ for shape in shapes])}
    parts = [part for table in TABLES for part in _table(table, targets)]
    sections = [part for shape in shapes for part in struct_section(shape, targets)]
    parts += ["## Not there", prose(NOT_THERE), bullets(_missing())]
    return page("REST", "`services/signaling/rest/adapters/tables`", INTRODUCTION, [*parts, "## Shapes", *sections])


def _missing() -> Iterator[str]:
    """Every row that is refused whatever is asked, with the sentence."""
    for table in TABLES:
        for row in table.rows:
            if row.missing is not None:
                yield f"`{row.method} {row.path}`: {row.missing.status}, {row.missing.message.removesuffix('.')}."


def _table(table: Table[Any], targets: Targets) -> Iterator[str]:
    yield f"## {table.tag.capitalize()}"
    yield prose(table.about)
    for row in table.rows:
        yield f"### `{row.method} {row.path}`"
        yield paragraph(row.summary)
        yield bullets(_facts(row, targets))


def _facts(row: Endpoint[Any, Any], targets: Targets) -> Iterator[str]:
    yield f"Operation: `{row.name}`. May be asked by: {row.guard.name}."
    for name, annotation in row.parameters.items():
        if name != "body":
            place, kind = "path" if name in row.in_path else "query", in_python(base_type(annotation))
            yield f"`{on_wire(name, annotation)}` ({place}, {kind}): {about(annotation).text}"
    if row.body is not None:
        yield f"Body{' (may lack)' if row.body_may_lack else ''}: {_type(row.body, targets)}."
    if row.missing is None:
        yield f"Answer: {_type(row.answer, targets)}{f'; 204 {row.nothing}' if row.nothing else ''}."
    for status, refusals in sorted(row.refusals.items()):
        reasons = "; ".join(
            dict.fromkeys(f"{one.message.partition(': the ')[0]}{_FORMS[one.form]}" for one in refusals)
        )
        yield f"{status} {HTTPStatus(status).phrase}: {reasons.removesuffix('.')}."


def _type(kind: Any, targets: Targets) -> str:
    """A type in words, with links to what it is made of."""
    if get_origin(kind) is Patch:
        return f"keys of {_type(get_args(kind)[0], targets)}; absent ones stay"
    if get_origin(kind) is list:
        return f"a list of {_type(get_args(kind)[0], targets)}"
    name = "JSON" if kind is msgspec.Raw else str(kind.__name__)
    return f"[{name}]({targets[name]})" if name in targets else name


def _shapes() -> list[type[msgspec.Struct]]:
    """The structs that no other page has, by name, and those that they extend."""
    elsewhere = {**messages.targets(), **SETTINGS}
    rows = [row for table in TABLES for row in table.rows]
    structs = (
        kind for row in rows for kind in (*named(row.answer), *named(row.body)) if issubclass(kind, msgspec.Struct)
    )
    found = {kind.__name__: kind for struct in structs for kind in struct.__mro__ if issubclass(kind, msgspec.Struct)}
    return [kind for name, kind in sorted(found.items()) if kind is not msgspec.Struct and name not in elsewhere]
