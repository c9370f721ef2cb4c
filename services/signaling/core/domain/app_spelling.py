"""Ant Media's spelling of app settings, where the store spells them otherwise: clients may use either."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeVar

import msgspec

from rillcast.contracts.records import AppSettings

Value = TypeVar("Value")

_STUN = "stunServerURI"
_STORED = {_STUN: "stunServerUri"}
_IN_FILES = "settings.webrtc."
"""Before the names of the same settings in the properties file of an Ant Media app."""
_ICE = {name.lower(): name for name in ("stunServerUri", "turnServerUsername", "turnServerCredential")}
_SOUNDS_OF_ICE = re.compile(r"(?:settings\.webrtc\.)?(?:stun|turn)", re.IGNORECASE)


def as_stored(posted: Mapping[str, Value]) -> dict[str, Value]:
    """What was posted, by the names that the store has. Where a setting comes in several spellings, that of Ant Media's
    REST counts, and then the one of the store."""
    exact = {_STORED[key]: value for key, value in posted.items() if key in _STORED}
    others = {_ice_name(key): value for key, value in posted.items() if _is_other(key)}
    return others | {key: value for key, value in posted.items() if key not in _STORED and not _is_other(key)} | exact


def is_unknown_ice_key(key: str) -> bool:
    """Whether a key is meant for the ICE server of an app and names no setting of it. Ant Media's takes STUN and TURN
    servers in one setting, which is easily missed."""
    return bool(_SOUNDS_OF_ICE.match(key)) and not _ice_name(key) and key not in _STORED and key not in _KNOWN


def _ice_name(key: str) -> str:
    """The name in the store of a setting of the ICE server, however it is spelled; empty for others."""
    return _ICE.get(key.removeprefix(_IN_FILES).lower(), "")


def _is_other(key: str) -> bool:
    """Whether a key spells such a setting as neither the store nor Ant Media's REST does."""
    return _ice_name(key) not in ("", key) and key not in _STORED


_KNOWN = frozenset(field.encode_name for field in msgspec.structs.fields(AppSettings))
