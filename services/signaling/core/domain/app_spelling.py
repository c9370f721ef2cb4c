"""Ant Media's spelling of app settings, where the store spells them otherwise: clients may use either."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import msgspec

from rillcast.contracts.records import AppSettings

Value = TypeVar("Value")

_STUN = "stunServerURI"
_STORED = {_STUN: "stunServerUri"}


class ShownSettings(AppSettings, frozen=True, kw_only=True, rename="camel"):
    """The settings of one app as Ant Media's panel and clients read them."""

    stun_server_uri: str = msgspec.field(default="", name=_STUN)
    """The STUN or TURN server of the clients."""


def as_stored(posted: Mapping[str, Value]) -> dict[str, Value]:
    """What was posted, by the names that the store has. Where a setting comes in both spellings, Ant Media's counts."""
    renamed = {_STORED[key]: value for key, value in posted.items() if key in _STORED}
    return {key: value for key, value in posted.items() if key not in _STORED} | renamed


def as_shown(settings: AppSettings) -> ShownSettings:
    """The settings for those who ask for them."""
    return msgspec.convert(settings, ShownSettings, from_attributes=True)
