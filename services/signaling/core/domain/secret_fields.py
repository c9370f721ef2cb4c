"""Which fields of a record are secrets, by their types."""

from __future__ import annotations

from types import UnionType
from typing import Annotated, Union, get_args, get_origin

import msgspec


def is_secret(annotation: object) -> bool:
    """Whether a field of this type, or one of the types that it may have, is never given back."""
    if get_origin(annotation) in (Union, UnionType):
        return any(is_secret(one) for one in get_args(annotation))
    if get_origin(annotation) is not Annotated:
        return False
    return any(isinstance(one, msgspec.Meta) and (one.extra or {}).get("secret") for one in get_args(annotation)[1:])
