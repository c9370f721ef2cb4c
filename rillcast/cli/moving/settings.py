"""Which settings of an app are to be carried over, and what becomes of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import msgspec

from rillcast.client import Client, NotAllowed, NotDone, Refused
from rillcast.client.shapes import AppSettings, AppSettingsPatch
from rillcast.client.shapes.app_defaults import DEFAULTS, REFUSED, TOLD

OF_ITS_SERVER = TOLD | {
    "clusterCommunicationKey",
    "pullWarFile",
    "subscriberAuthenticationKey",
    "toBeDeleted",
    "warFileOriginServerAddress",
}
"""What describes the old server and its files. Nobody has set it."""
THEIR_DEFAULTS = {"stunServerURI": "stun:stun1.l.google.com:19302"}
"""What an Ant Media Server has where nobody has set anything, and an app here has not. Nobody has named that host."""
NOTHING: tuple[object, ...] = (None, "", [], {})


class Setting(NamedTuple):
    """One that is not here as it is there."""

    key: str
    there: Any
    here: Any


class Refusal(NamedTuple):
    """A setting that was not taken, and the words of the server."""

    key: str
    why: str


def to_carry(there: Mapping[str, Any], here: AppSettings | None) -> tuple[list[Setting], list[Refusal]]:
    """What differs, and what this version does not know, cannot do or cannot read; both by key. `here`: what holds in
    the app; None for one that is to be made."""
    known = AppSettings.__struct_encode_fields__
    holds = DEFAULTS if here is None else msgspec.to_builtins(here)
    wanted, refused = [], []
    for key in sorted(there.keys() - OF_ITS_SERVER):
        value, now = there[key], holds.get(key)
        if value is None or value in (now, THEIR_DEFAULTS.get(key)) or (value in NOTHING and now in NOTHING):
            continue
        if key not in known:
            if value not in NOTHING:
                refused.append(Refusal(key, "Rillcast does not know this setting"))
            continue
        if key in REFUSED and value != DEFAULTS[key]:
            refused.append(Refusal(key, REFUSED[key]))
            continue
        try:
            _patch([Setting(key, value, now)])
        except msgspec.ValidationError as error:
            refused.append(Refusal(key, str(error).partition(" - at ")[0]))
        else:
            wanted.append(Setting(key, value, now))
    return wanted, refused


def carry(client: Client, app: str, wanted: Iterable[Setting]) -> tuple[list[Setting], list[Refusal]]:
    """Set them here: all at once if they are taken so, else each by itself, so that only what is refused stays behind.
    One that needs another one is tried again after it. Returns what was taken and what was refused. Raises
    `ClientError` when the server cannot be asked at all."""
    left = list(wanted)
    if not left or _set(client, app, left) is None:
        return left, []
    taken: list[Setting] = []
    while True:
        said = {one.key: _set(client, app, [one]) for one in left}
        before, left = left, [one for one in left if said[one.key] is not None]
        taken += [one for one in before if said[one.key] is None]
        if len(left) in (0, len(before)):
            return taken, [Refusal(one.key, said[one.key] or "") for one in left]


def _set(client: Client, app: str, some: Iterable[Setting]) -> str | None:
    """None when they are set, else the server's words."""
    try:
        client.applications.change_app_settings(app, _patch(some))
    except NotAllowed:
        raise
    except (NotDone, Refused) as error:
        return str(error)
    return None


def _patch(some: Iterable[Setting]) -> AppSettingsPatch:
    return msgspec.convert({one.key: one.there for one in some}, AppSettingsPatch)
