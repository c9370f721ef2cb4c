"""Server-Sent Events, one by one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

import msgspec

from rillcast.client.faults import NotOurs

Data = TypeVar("Data")
LONGEST_LINE = 1_048_576
"""Bytes of one line of an answer that goes on."""


class Told(msgspec.Struct, Generic[Data], frozen=True):
    """One event of an answer that goes on."""

    id: str
    """What the next call shows to be given what was missed."""
    data: Data | None
    """None: nothing has happened that is told, and yet the id is newer."""
    name: str = ""
    """What kind of event it is; empty where there is only one kind."""


def lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The lines of an answer, without their ends. Raises `NotOurs` for one that is too long."""
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        yield from (line.removesuffix(b"\r") for line in whole)
        if len(rest) > LONGEST_LINE:
            raise NotOurs(f"a line of the answer has more than {LONGEST_LINE} bytes")


def told(found: Iterable[bytes], kind: type[Data]) -> Iterator[Told[Data]]:
    """The events in these lines. Raises `NotOurs` for one that has another shape."""
    id_, before, kind_of, data = "", "", "", bytearray()
    for line in found:
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"id":
            id_ = value.decode("ascii", "replace")
        elif name == b"event":
            kind_of = value.decode("ascii", "replace")
        elif name == b"data":
            data += value
            if len(data) > LONGEST_LINE:
                raise NotOurs(f"an event has more than {LONGEST_LINE} bytes")
        elif not line and (data or id_ != before):
            try:
                yield Told(id_, msgspec.json.decode(data, type=kind) if data else None, kind_of)
            except msgspec.MsgspecError as error:
                raise NotOurs(f"an event has another shape than this version knows ({error})") from None
            before, kind_of, data = id_, "", bytearray()
