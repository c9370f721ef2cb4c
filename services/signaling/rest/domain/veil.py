"""Addresses that may carry credentials, as they are shown to who may look at them and not change them. No I/O.

A webhook's address may have a password or a token anywhere behind its scheme. So of an address the scheme, the host and
the port are shown, and whatever else it has is `HIDDEN`. Who may change a setting sees it as it is: it may be posted
back.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from rillcast.runtime.urls import origin_of
from services.signaling.core.domain.protection import HIDDEN
from services.signaling.core.domain.stream_info import Broadcast
from services.signaling.rest.domain.settings_shapes import AllSettings, AntMediaSettings

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://\S*")
_NOTHING_ELSE = re.compile(r"\s*[A-Za-z][A-Za-z0-9+.-]*://")
_SECRET_KEY = re.compile(r"secret|passw|token|credential|api_?key|access_?key|private_?key|auth(?!or)", re.IGNORECASE)
_OF_CAMERAS = frozenset({"username", "password"})
"""Fields of a broadcast with which a camera lets in."""
_ROOMS = (Broadcast, AntMediaSettings, AllSettings)
"""What holds such addresses."""


def veiled(answer: Any) -> Any:
    """The answer as it is shown to who may only look. What has nothing to hide stays the same object."""
    if isinstance(answer, _ROOMS):
        return _covered(answer, "")
    if isinstance(answer, msgspec.Struct):
        changed = {
            name: covered
            for name in answer.__struct_fields__
            if (covered := veiled(before := getattr(answer, name))) is not before
        }
        return msgspec.structs.replace(answer, **changed) if changed else answer
    if isinstance(answer, list | tuple):
        covered = [veiled(one) for one in answer]
        same = all(one is other for one, other in zip(covered, answer, strict=True))
        return answer if same else type(answer)(covered)
    return answer


def _covered(value: Any, key: str) -> Any:
    """Of settings and broadcasts, text by text. In what people made up themselves a key may say that it is a secret."""
    if isinstance(value, str):
        return _without_credentials(value)
    if isinstance(value, msgspec.Struct):
        hidden = _OF_CAMERAS if isinstance(value, Broadcast) else frozenset[str]()
        fields = {
            name: HIDDEN if name in hidden and one else _covered(one, name)
            for name in value.__struct_fields__
            for one in (getattr(value, name),)
        }
        return msgspec.structs.replace(value, **fields)
    if isinstance(value, dict):
        return {
            name: HIDDEN
            if one and isinstance(one, str | int) and _SECRET_KEY.search(str(name))
            else _covered(one, name)
            for name, one in value.items()
        }
    if isinstance(value, list | tuple):
        return type(value)(_covered(one, key) for one in value)
    return value


def _without_credentials(text: str) -> str:
    """What begins with an address is one, with whatever follows: passwords may have spaces."""
    if _NOTHING_ELSE.match(text):
        return _shown(text.strip())
    return _URL.sub(lambda found: _shown(found[0]), text)


def _shown(url: str) -> str:
    origin = origin_of(url)
    if origin is None:
        return HIDDEN
    return url if url in (origin, f"{origin}/") else f"{origin}/{HIDDEN}"
