"""The sessions that `rillcast login` began: a file that this user alone may read."""

from __future__ import annotations

import os
import stat
import time
from pathlib import Path

import msgspec

from rillcast.cli.faults import CannotGoOn, writing

MOST_SERVERS = 20
"""Sessions that are kept; the oldest goes first."""
MOST_BYTES = 64 * 1024
PRIVATE = 0o600
OTHERS = stat.S_IRWXG | stat.S_IRWXO


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """One session with one server."""

    server: str
    user: str
    cookie: str
    """What shows it. It is a secret."""
    began_at_s: int
    """By the wall clock of this machine, in Unix seconds."""


class SessionFile:
    """Read anew for each question. The last session that was begun is the last one in it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def of_user(cls) -> SessionFile:
        """RILLCAST_SESSION_FILE, else a file below the user's folder of states."""
        if named := os.environ.get("RILLCAST_SESSION_FILE", ""):
            return cls(Path(named))
        states = os.environ.get("XDG_STATE_HOME", "")
        try:
            home = Path(states) if states else Path.home() / ".local" / "state"
        except RuntimeError:  # a user without a home has no sessions
            home = Path("/nonexistent")
        return cls(home / "rillcast" / "sessions.json")

    def of(self, server: str) -> Session | None:
        """The session with this server. Raises CannotGoOn for a file that others may read, or that is none of ours."""
        return next((one for one in self._read() if one.server == server), None)

    def latest(self) -> str | None:
        """The server of the session that was begun last. Raises CannotGoOn."""
        sessions = self._read()
        return sessions[-1].server if sessions else None

    def keep(self, server: str, user: str, cookie: str) -> None:
        """Put it in place of an older one with the same server. Raises CannotGoOn."""
        new = Session(server=server, user=user, cookie=cookie, began_at_s=int(time.time()))
        others = [one for one in self._read() if one.server != server]
        self._write([*others, new][-MOST_SERVERS:])

    def forget(self, server: str) -> None:
        """Take it out. Raises CannotGoOn."""
        sessions = self._read()
        if left := [one for one in sessions if one.server != server]:
            self._write(left)
        elif sessions:
            with writing(self.path):
                self.path.unlink(missing_ok=True)

    def _read(self) -> list[Session]:
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise CannotGoOn(f"cannot read {self.path}: {error.strerror}") from None
        with os.fdopen(descriptor, "rb") as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise CannotGoOn(f"{self.path} is no file")
            if found.st_mode & OTHERS or found.st_uid != os.geteuid():
                raise CannotGoOn(f"{self.path} is not yours alone; look who wrote it, then: chmod 600 {self.path}")
            text = file.read(MOST_BYTES + 1)
        try:
            return msgspec.json.decode(text, type=list[Session])
        except msgspec.MsgspecError:
            raise CannotGoOn(f"{self.path} holds no sessions; delete it, and sign in again: rillcast login") from None

    def _write(self, sessions: list[Session]) -> None:
        """Whole or not at all, and never readable by others."""
        partial = self.path.with_name(f"{self.path.name}.{os.getpid()}")
        with writing(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            partial.unlink(missing_ok=True)
            descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, PRIVATE)
            with os.fdopen(descriptor, "wb") as file:
                file.write(msgspec.json.encode(sessions))
            partial.replace(self.path)
