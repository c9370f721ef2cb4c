"""How an operator's commands reach NATS: where it is, and whose key they show."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import SecretStr

from rillcast.cli.faults import CannotGoOn
from rillcast.cli.run_folder import RunFolder
from rillcast.cli.words import secret_in
from rillcast.contracts.permissions import BusUser
from rillcast.runtime.bus.nats_users import seed_file
from rillcast.runtime.settings import NodeSettings, env_prefix, load_settings

CONNECT_S = 5.0
_NOTHING = SecretStr("")
WAYS_IN: dict[str, str | SecretStr] = {
    "nats_nkey": _NOTHING,
    "nats_user": "",
    "nats_password": _NOTHING,
    "nats_credentials": "",
    "nats_token": _NOTHING,
}
"""The settings that prove who somebody is, when they prove nothing."""


class ToolSettings(NodeSettings):
    """How an operator's command reaches NATS: ``RILLCAST_TOOLS_NATS_…``, else what nodes have."""

    model_config = env_prefix("tools")


def settings_of(user: BusUser, running: RunFolder, keys: Path | None = None) -> NodeSettings:
    """Those of the environment. What it does not say is that of the stack that `rillcast up` runs in this folder, with
    the key that `user` has there. `keys`: the folder with the keys that count instead. Raises CannotGoOn."""
    given = load_settings(ToolSettings)
    known: dict[str, object] = {"connect_timeout_s": CONNECT_S}
    if "nats_url" not in given.model_fields_set and (url := running.nats_url()):
        known |= {"nats_url": url, "nats_ca": str(running.authority), "nats_server_name": ""}
        own = seed_file(running.seeds, user)
        if keys is None and not given.model_fields_set & WAYS_IN.keys() and os.access(own, os.R_OK):
            known["nats_nkey"] = SecretStr(secret_in(own))
    if keys is not None:
        known |= WAYS_IN | {"nats_nkey": SecretStr(secret_in(_key_in(keys, user)))}
    return given.model_copy(update=known)


def _key_in(folder: Path, user: BusUser) -> Path:
    """As `rillcast nats-config` writes it, or as the volumes of compose have it. Raises CannotGoOn."""
    places = (seed_file(folder, user), folder / user / "nats.nkey")
    for place in places:
        if place.is_file():
            return place
    names = " nor ".join(str(place.relative_to(folder)) for place in places)
    raise CannotGoOn(f"the key of {user} is not in {folder}: there is neither {names}")
