"""What is told of a picture of the cluster: all of it first, and then what has changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from services.signaling.rest.domain.live_rows import MoveRow, Row, Told

Sections = Mapping[str, Mapping[str, Row]]


class Picture(msgspec.Struct, frozen=True):
    """One part of the cluster at one moment."""

    head: msgspec.Struct
    sections: Sections
    order: tuple[str, ...] | None = None
    """The keys of a list in its order; None where the order says nothing."""


class Moment(msgspec.Struct, frozen=True):
    """When a picture was made, and what has happened since the one before."""

    at_ms: int
    every_ms: int
    """How often it is made anew, about."""
    events: tuple[Told, ...] = ()
    moves: tuple[MoveRow, ...] = ()


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """All of a picture."""

    at_ms: int
    every_ms: int
    """How often it is looked anew, about."""
    head: msgspec.Raw
    rows: Mapping[str, Mapping[str, Row]]
    order: tuple[str, ...] | None = None
    events: tuple[Told, ...] = ()
    """The last ones, the oldest first."""


class Delta(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What has changed of it."""

    at_ms: int
    every_ms: int
    head: msgspec.Raw | None = None
    """Only if it has changed."""
    rows: Mapping[str, Mapping[str, Row]] = {}
    """New ones, and those of which anything has changed."""
    gone: Mapping[str, tuple[str, ...]] = {}
    order: tuple[str, ...] | None = None
    """Only if it has changed."""
    events: tuple[Told, ...] = ()
    moves: tuple[MoveRow, ...] = ()
    """Viewers who moved, of all these events together."""


_encode = msgspec.json.Encoder().encode


def snapshot(picture: Picture, moment: Moment, events: Iterable[Told]) -> bytes:
    """In JSON. `events`: the last ones."""
    told = Snapshot(
        at_ms=moment.at_ms,
        every_ms=moment.every_ms,
        head=msgspec.Raw(_encode(picture.head)),
        rows=picture.sections,
        order=picture.order,
        events=tuple(events),
    )
    return _encode(told)


def delta(before: Picture, after: Picture, moment: Moment) -> bytes | None:
    """In JSON; None when nothing has changed and nothing has happened."""
    rows: dict[str, dict[str, Row]] = {}
    gone: dict[str, tuple[str, ...]] = {}
    for name, now in after.sections.items():
        known = before.sections.get(name, {})
        if changed := {key: row for key, row in now.items() if known.get(key) != row}:
            rows[name] = changed
        if left := tuple(key for key in known if key not in now):
            gone[name] = left
    head = msgspec.Raw(_encode(after.head)) if after.head != before.head else None
    order = after.order if after.order != before.order else None
    if not (rows or gone or moment.events or moment.moves) and head is None and order is None:
        return None
    told = Delta(
        at_ms=moment.at_ms,
        every_ms=moment.every_ms,
        head=head,
        rows=rows,
        gone=gone,
        order=order,
        events=moment.events,
        moves=moment.moves,
    )
    return _encode(told)
