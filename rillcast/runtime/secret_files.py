"""Files that only their owner can read: keys, tokens and certificates, made by a first start and kept by later ones."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PATIENCE_S = 30.0
"""How long one process waits until another one has made what is missing. That takes milliseconds."""
_LOOK_EVERY_S = 0.02


@contextmanager
def alone_in(folder: Path, patience_s: float = PATIENCE_S) -> Iterator[None]:
    """No two processes are in such a block for the same folder at one time. The kernel lets the next one in when a
    process dies. Raises OSError; `TimeoutError` when another process stays for too long."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _lock(descriptor, time.monotonic() + patience_s)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, deadline: float) -> None:
    while True:
        with suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        if time.monotonic() > deadline:
            raise TimeoutError(errno.ETIMEDOUT, "another process does not finish writing there")
        time.sleep(_LOOK_EVERY_S)


def keep_secret(path: Path, make: Callable[[], str], owner: int | None = None) -> str:
    """The text of the file, without white space around it. Where there is none, or it is empty, `make` makes it. Call
    it in a block of `alone_in`. Raises OSError."""
    if kept := _read(path).strip():
        return kept
    text = make()
    write_secret(path, f"{text}\n", owner)
    return text


def update_secret(path: Path, text: str, owner: int | None = None) -> None:
    """`write_secret` unless the file has this text: whoever watches it need not look. Raises OSError."""
    if _read(path) != text:
        write_secret(path, text, owner)


def _read(path: Path) -> str:
    """Nothing when there is no file. Without waiting, as a pipe that nobody writes to would make us."""
    try:
        with open(path, encoding="utf-8", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
            return file.read()
    except FileNotFoundError:
        return ""


def write_secret(path: Path, text: str, owner: int | None = None) -> None:
    """A file that only its owner can read, and that is whole whenever it is there. `owner`: the id of a user other than
    this one, whom only root can name. Raises OSError."""
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
        if owner is not None:
            os.fchown(file.fileno(), owner, owner)
    new.replace(path)
