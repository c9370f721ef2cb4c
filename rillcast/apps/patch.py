"""A JSON object that names what is to change of something, and leaves the rest as it is. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic, TypeVar

import msgspec

from rillcast.contracts.decoding import Decoded, Undecodable, decode_json

Record = TypeVar("Record", bound=msgspec.Struct)
Part = TypeVar("Part", bound=msgspec.Struct)


class PatchRefused(ValueError):
    """What was posted is no JSON object, or a value in it is of the wrong type. The message names it."""


class Patch(Generic[Record]):
    """The keys to change of a `Record`, in the record's wire names. Unknown keys are ignored."""

    def __init__(self, posted: Mapping[str, msgspec.Raw]) -> None:
        self._posted = posted

    @classmethod
    def parse(cls, body: bytes) -> Patch[Record]:
        """Raises `PatchRefused` for what is no JSON object. Values are looked at when they are applied."""
        return cls(_decoded(body, dict[str, msgspec.Raw]))

    @property
    def posted(self) -> Mapping[str, msgspec.Raw]:
        """What was posted, key by key, not decoded."""
        return self._posted

    def read(self, part: type[Part]) -> Part:
        """Some of the keys, decoded. Raises `PatchRefused`."""
        return _decoded(msgspec.json.encode(self._posted), part)

    def without(self, values: Mapping[str, object]) -> Patch[Record]:
        """The patch without the keys that were posted with these very values."""
        unwanted = {key: msgspec.json.encode(value) for key, value in values.items()}
        return Patch({key: raw for key, raw in self._posted.items() if bytes(raw).strip() != unwanted.get(key)})

    def applied_to(self, current: Record, *, keeping: str) -> Record:
        """`current` with the posted keys. The key `keeping` stays whatever was posted: it says which record this is.
        Raises `PatchRefused`."""
        merged = msgspec.json.decode(msgspec.json.encode(current), type=dict[str, msgspec.Raw])
        merged |= {key: value for key, value in self._posted.items() if key != keeping}
        return _decoded(msgspec.json.encode(merged), type(current))


def _decoded(body: bytes, kind: type[Decoded]) -> Decoded:
    try:
        return decode_json(body, kind)
    except Undecodable as error:
        raise PatchRefused(str(error)) from error
