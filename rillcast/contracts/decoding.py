"""Reading JSON that another process, an operator or a client wrote. No I/O."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from rillcast.contracts.grammars import in_words

Decoded = TypeVar("Decoded")

_LONGEST_REFUSAL = 400
"""In characters. msgspec quotes an unknown word of an enum in full, however long it is."""


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
        raise Undecodable(_short(in_words(str(error)))) from error


def _short(refusal: str) -> str:
    """The beginning, and the end, where the name of the field stands."""
    half = _LONGEST_REFUSAL // 2
    return refusal if len(refusal) <= _LONGEST_REFUSAL else f"{refusal[:half]} … {refusal[-half:]}"
