"""The tokens of Consul: made at the first start, one file for each reader, and the agent's configuration with them."""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rillcast.contracts.registry import RegistryUser

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
    management, *others = (_keep(token_file(folder, name)) for name in (MANAGEMENT, *RegistryUser))
    return Tokens(management, dict(zip(RegistryUser, others, strict=True)))


def read_tokens(folder: Path) -> Tokens:
    """What `keep_tokens` has made in `folder`. Raises OSError."""
    management, *others = (token_file(folder, name).read_text("ascii").strip() for name in (MANAGEMENT, *RegistryUser))
    return Tokens(management, dict(zip(RegistryUser, others, strict=True)))


def _keep(path: Path) -> str:
    if path.exists() and (kept := path.read_text(encoding="ascii").strip()):
        return kept
    token = new_token()
    write_secret(path, f"{token}\n")
    return token


def write_secret(path: Path, text: str) -> None:
    """A file that only its owner can read, and that is whole whenever it is there. Raises OSError."""
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
        file.write(text)
    new.replace(path)


def access_config(tokens: Tokens) -> dict[str, object]:
    """The part of the agent's configuration with which nobody may do anything without a token."""
    own = {"initial_management": tokens.management, "agent": tokens.users[RegistryUser.AGENT]}
    return {"acl": {"enabled": True, "default_policy": "deny", "tokens": own}}
