"""`.run/`: what a running stack keeps on disk, and the lock that lets only one run there."""

from __future__ import annotations

import fcntl
import json
import os
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from rillcast.cli.faults import CannotGoOn, writing
from rillcast.cli.tls_files import AUTHORITY

LOCAL_TOKEN = "operator-token"
"""The file in which signaling leaves the token that commands on this machine show."""
FIRST_PASSWORD = "first-password"
"""The file in which signaling leaves the password of a new cluster's operator, until `rillcast up` has shown it."""


class RunFolder:
    """Holds the lock from `__enter__` to `__exit__`; the kernel releases it when the process dies."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._lock: int | None = None

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def seeds(self) -> Path:
        """The folder of the nkeys with which the processes connect to NATS."""
        return self.path / "nats-keys"

    @property
    def tokens(self) -> Path:
        """The folder of the tokens for Consul."""
        return self.path / "consul-tokens"

    @property
    def tls(self) -> Path:
        """The folder of the certificates of NATS and Consul."""
        return self.path / "tls"

    @property
    def authority(self) -> Path:
        """The authorities that vouch for NATS and Consul of the stack."""
        return self.tls / AUTHORITY

    @property
    def _state(self) -> Path:
        return self.path / "state.json"

    def __enter__(self) -> RunFolder:
        with writing(self.logs):
            self.logs.mkdir(parents=True, exist_ok=True)
        lock = self.path / "lock"
        with writing(lock):
            self._lock = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            raise CannotGoOn(self._already_running()) from None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._state.unlink(missing_ok=True)
        (self.path / LOCAL_TOKEN).unlink(missing_ok=True)
        if self._lock is not None:
            os.close(self._lock)

    def remember(self, url: str, nats_url: str = "") -> None:
        """Lets `status`, `license` and a second `up` find the stack. Raises CannotGoOn."""
        self.write(self._state.name, json.dumps({"pid": os.getpid(), "url": url, "nats_url": nats_url}))

    def write(self, name: str, text: str) -> None:
        """Write a file of this folder anew. Raises CannotGoOn when that is not possible."""
        path = self.path / name
        with writing(path):
            path.write_text(text)

    def token(self) -> str:
        """What signaling of this stack knows this machine's commands by; empty when there is none."""
        with suppress(OSError):
            return (self.path / LOCAL_TOKEN).read_text()
        return ""

    def take_first_password(self) -> tuple[str, str] | None:
        """The name and password of a new cluster's operator, once: the file is gone then. None when there is none."""
        file = self.path / FIRST_PASSWORD
        try:
            name, password = file.read_text().splitlines()
        except (OSError, ValueError):
            return None
        with writing(file):
            file.unlink()
        return name, password

    def url(self) -> str | None:
        """Where the stack that runs (or ran last and was killed) answers."""
        return self._remembered("url")

    def nats_url(self) -> str | None:
        """Where NATS of that stack is."""
        return self._remembered("nats_url")

    def _remembered(self, name: str) -> str | None:
        with suppress(OSError, ValueError):
            state = json.loads(self._state.read_text())
            return str(state[name]) if isinstance(state, dict) and name in state else None
        return None

    def _already_running(self) -> str:
        with suppress(OSError, ValueError, KeyError, TypeError):
            state = json.loads(self._state.read_text())
            url, pid = state["url"], state["pid"]
            return f"already running at {url} (pid {pid}); stop it with Ctrl-C there, or: kill {pid}"
        return f"already starting or stopping in {self.path}"
