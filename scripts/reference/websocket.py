"""docs/reference/websocket.md: the commands of the WebSocket protocol, from the table that tests hold against it."""

from __future__ import annotations

from collections.abc import Iterator

from scripts.reference.markdown import bullets, page, prose
from services.signaling.websocket.domain.command_table import PARTS, Part, Row
from services.signaling.websocket.domain.frames import MAX_FRAME_BYTES

INTRODUCTION = f"""
Ant Media Server's protocol is served at `/{{app}}/websocket` and `/{{app}}/websocket/signaling`, with or without
`?target=`. Other paths, one with a slash at its end too, and apps that are not there are answered 404. A frame is one
JSON object as text, of at most {MAX_FRAME_BYTES // 1024} KiB; a larger one closes the socket with 1009.

Ignored and counted are, as with Ant Media: frames of bytes, frames that are no JSON object, and those without a command
or with one that is not on this page. The socket stays open. Every other frame does its work or is refused with a frame
`error`, whose `definition` is one of the [errors](errors.md) and whose `information` says why in words.

A stream is named by `streamId`. If it is missing or empty, the answer is `noStreamNameSpecified`; if it is no id of a
stream, `invalidStreamName` with that `streamId`; both without `information`. This comes before the command is looked
at. Commands for what is not there are then refused all the same, because Ant Media's SDK sends some of them without a
stream.
"""


def render() -> str:
    """The page as a text of Markdown."""
    parts = [text for part in PARTS for text in _part(part)]
    return page("WebSocket", "`services/signaling/websocket/domain/command_table.py`", INTRODUCTION, parts)


def _part(part: Part) -> Iterator[str]:
    yield f"## {part.title}"
    yield prose(part.about)
    for row in part.rows:
        yield f"### `{row.command}`"
        if row.does:
            yield prose(row.does)
        yield bullets(_facts(row))


def _facts(row: Row) -> Iterator[str]:
    if row.fields:
        yield f"Reads: {', '.join(f'`{name}`' for name in row.fields.split(', '))}."
    if not row.needs_stream:
        yield "Needs no `streamId`."
    yield f"Answer: {row.answer}"
    for code, when in row.refusals.items():
        yield f"[`{code.value}`](errors.md#{code.value.lower()}): {when}."
