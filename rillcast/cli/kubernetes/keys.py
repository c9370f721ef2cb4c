"""The keys and certificates of a cluster as Secrets, one for each reader, made by what makes those of compose."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Protocol

from rillcast.cli.compose_keys import CONSUL_FOLDER, CONSUL_SETUP, NATS_FOLDER, write_keys
from rillcast.cli.faults import writing
from rillcast.cli.kubernetes.api import Json
from rillcast.cli.server_certificates import MoreNames
from rillcast.cli.tls_files import now_utc
from rillcast.contracts.permissions import BusUser
from rillcast.runtime.secret_files import keep_secret

OPERATOR, PASSWORD = "operator", "password"
"""The Secret with the first password of the account `admin`, and its entry."""
READERS = (*map(str, BusUser), OPERATOR, CONSUL_SETUP, NATS_FOLDER, CONSUL_FOLDER)
"""Who has a Secret. Whoever shows a certificate is last: first all others have to trust it."""


class Secrets(Protocol):
    """Where the Secrets are; see `ClusterApi`."""

    def secret(self, name: str) -> Json | None:
        """The one of this name, or None."""
        ...

    def create_secret(self, secret: Json) -> None:
        """Make one that is not there."""
        ...

    def change_secret(self, name: str, data: dict[str, str]) -> None:
        """Set some of its entries, and leave the others."""
        ...


def keep_keys(
    api: Secrets,
    folder: Path,
    *,
    prefix: str,
    more_names: MoreNames,
    clock: Callable[[], datetime] = now_utc,
) -> list[str]:
    """Make the Secrets ``<prefix>-<reader>`` that are missing, and renew certificates that are old. What is there
    stays. `folder` is empty and is forgotten afterwards. `more_names`: under which NATS and Consul are reached here.
    Returns which Secrets were written. Raises CannotGoOn."""
    there = {reader: api.secret(f"{prefix}-{reader}") for reader in READERS}
    with writing(folder):
        for reader, secret in there.items():
            own = folder / reader
            own.mkdir(mode=0o700)
            for name, value in ((secret or {}).get("data") or {}).items():
                (own / name).write_bytes(base64.b64decode(value))
        write_keys(folder, own=False, clock=clock, more_names=more_names)
        keep_secret(folder / OPERATOR / PASSWORD, lambda: secrets.token_urlsafe(18))
    written = []
    for reader, secret in there.items():
        made = _entries(folder / reader)
        known = (secret or {}).get("data") or {}
        changed = {name: value for name, value in made.items() if known.get(name) != value}
        if not changed:
            continue
        name = f"{prefix}-{reader}"
        if secret is None:
            api.create_secret(_new(name, changed))
        else:
            api.change_secret(name, changed)
        written.append(name)
    return written


def _entries(folder: Path) -> dict[str, str]:
    return {path.name: base64.b64encode(path.read_bytes()).decode("ascii") for path in sorted(folder.iterdir())}


def _new(name: str, data: dict[str, str]) -> Json:
    labels = {"app.kubernetes.io/name": "rillcast", "app.kubernetes.io/component": "keys"}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "labels": labels},
        "type": "Opaque",
        "data": data,
    }
