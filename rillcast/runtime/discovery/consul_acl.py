"""The tokens of Consul: made at the first start, one file for each reader, and the agent's configuration with them."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rillcast.contracts.registry import RegistryUser
from rillcast.runtime.secret_files import alone_in, keep_secret

MANAGEMENT = "management"
"""The name of the token that may do everything. No node gets it."""


@dataclass(frozen=True)
class Tokens:
    """The secrets of all users. `management` may do everything in Consul."""

    management: str
    users: Mapping[RegistryUser, str]


def new_token() -> str:
    """A token as Consul takes them: a random UUID."""
    return str(uuid.uuid4())


def token_file(folder: Path, user: str) -> Path:
    """Where the token of a user lies in the folder of `keep_tokens`."""
    return folder / f"{user}.token"


def keep_tokens(folder: Path) -> Tokens:
    """The token of each user from its file in `folder`, made where there is none: only the owner can read them. Raises
    OSError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    with alone_in(folder):
        management, *others = (keep_secret(token_file(folder, name), new_token) for name in (MANAGEMENT, *RegistryUser))
    return Tokens(management, dict(zip(RegistryUser, others, strict=True)))


def read_tokens(folder: Path) -> Tokens:
    """What `keep_tokens` has made in `folder`. Raises OSError."""
    management, *others = (token_file(folder, name).read_text("ascii").strip() for name in (MANAGEMENT, *RegistryUser))
    return Tokens(management, dict(zip(RegistryUser, others, strict=True)))


def access_config(tokens: Tokens) -> dict[str, object]:
    """The part of the agent's configuration with which nobody may do anything without a token."""
    own = {"initial_management": tokens.management, "agent": tokens.users[RegistryUser.AGENT]}
    return {"acl": {"enabled": True, "default_policy": "deny", "tokens": own}}
