"""The users and permissions of NATS, as its configuration file writes them, and the keys with which users connect."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

import nkeys

from rillcast.contracts.permissions import BusUser, permissions_of
from rillcast.runtime.secret_files import alone_in, keep_secret

_ANSWERS = '{ max: 1, expires: "1m" }'
"""A request may be answered once, and the asker has given up long before a minute is over."""


def new_seed() -> str:
    """The seed of a new nkey: the secret of one user."""
    seed: bytes = nkeys.encode_seed(os.urandom(32), nkeys.PREFIX_BYTE_USER)
    return seed.decode()


def public_key(seed: str) -> str:
    """The key by which NATS knows the user. It is no secret."""
    key: bytes = nkeys.from_seed(bytearray(seed.strip().encode())).public_key
    return key.decode()


def keep_seeds(folder: Path) -> dict[BusUser, str]:
    """The seed of each user from its file in `folder`, made where there is none: only the owner can read them. Raises
    OSError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    with alone_in(folder):
        return {user: keep_secret(seed_file(folder, user), new_seed) for user in BusUser}


def seed_file(folder: Path, user: BusUser) -> Path:
    """Where the seed of a user lies in the folder of `keep_seeds`."""
    return folder / f"{user}.nkey"


def server_config(seeds: Mapping[BusUser, str]) -> str:
    """`authorization` for the users with these seeds."""
    return authorization({user: public_key(seed) for user, seed in seeds.items()})


def authorization(public_keys: Mapping[BusUser, str]) -> str:
    """The block ``authorization`` of nats-server's configuration. Whoever is not in it does not get in, and what is not
    allowed in it is denied."""
    lines = ["authorization {", "  users = ["]
    for user, key in public_keys.items():
        allowed = permissions_of(user)
        lines += [
            f"    # {user}",
            "    {",
            f"      nkey: {key}",
            "      permissions: {",
            *_list("publish", allowed.publish),
            *_list("subscribe", allowed.subscribe),
            *([f"        allow_responses: {_ANSWERS}"] if _answers(allowed.subscribe) else []),
            "      }",
            "    }",
        ]
    return "\n".join([*lines, "  ]", "}", ""])


def _list(action: str, subjects: tuple[str, ...]) -> list[str]:
    return [f"        {action}: [", *(f"          {json.dumps(subject)}" for subject in subjects), "        ]"]


def _answers(subscribed: tuple[str, ...]) -> bool:
    """Whether anything but answers comes to this user."""
    return len(subscribed) > 1
