"""Reading JSON that another process, an operator or a client wrote. No I/O."""

from __future__ import annotations

from typing import TypeVar

import msgspec

Decoded = TypeVar("Decoded")


class Undecodable(ValueError):
    """Bytes that are no JSON, or not of the wanted type. The message says where and why."""


def decode_json(value: bytes, kind: type[Decoded]) -> Decoded:
    """Raises `Undecodable` for whatever bytes there are.

    Besides its own errors, msgspec raises `UnicodeDecodeError` for bytes that are no UTF-8, and `RecursionError`, which
    is no ValueError, for values that are nested deeper than Python's stack.
    """
    try:
        return msgspec.json.decode(value, type=kind)
    except RecursionError as error:
        raise Undecodable("the JSON is nested too deeply") from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Undecodable(str(error)) from error
