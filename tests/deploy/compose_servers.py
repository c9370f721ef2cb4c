"""The servers of the compose stack with the paths and ports of a test."""

from __future__ import annotations

import re
import socket
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml

from rillcast.cli.compose_keys import write_keys
from rillcast.cli.server_certificates import NO_MORE, MoreNames
from rillcast.cli.tls_files import now_utc
from rillcast.testing.servers import free_port

PINNED = re.compile(r"[^:]+:v?\d+(\.\d+)*[-a-z]*")
"""An image with a version."""


class Loader(yaml.SafeLoader):
    """With compose's word for "nothing of what was there"."""


Loader.add_constructor("!reset", lambda _loader, _node: None)


def loaded(path: Path) -> dict[str, Any]:
    """A file of compose."""
    found: dict[str, Any] = yaml.load(path.read_text(), Loader)
    return found


def volumes(folder: Path, *, days_ago: float = 0.0, further: MoreNames = NO_MORE) -> Path:
    """What `keys` writes, as if it had run so long ago."""
    folder.mkdir(exist_ok=True)
    write_keys(folder, own=False, clock=lambda: now_utc() - timedelta(days=days_ago), further=further)
    return folder


def nats_config(root: Path, folder: Path, keys: Path, port: int) -> Path:
    """The configuration of NATS in compose with the paths and ports of a test."""
    config = (root / "deploy/nats/nats.conf").read_text().replace("/data", str(folder / "data"))
    config = config.replace("/etc/nats/keys", str(keys)).replace(
        'include "keys/', f'include "{keys.relative_to(folder)}/'
    )
    config = config.replace("0.0.0.0:4222", f"127.0.0.1:{port}").replace("8222", str(free_port()))
    path = folder / "rillcast.conf"
    path.write_text(config)
    return path


def accepts(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=0.5):
        return True
    return False
