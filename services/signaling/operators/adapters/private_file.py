"""Files that hold a secret for a short while: only the user of this process can read them."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from rillcast.runtime.errors import StartError


def check_writable(path: str, setting: str) -> None:
    """Raises `StartError` unless `write_private` can write there. For what is too late to find out afterwards."""
    folder = Path(path).parent
    if not os.access(folder, os.W_OK | os.X_OK):
        raise StartError(f"{setting}: cannot write {path}: {folder} is no folder that this user may write")


def write_private(path: str, text: str, setting: str) -> None:
    """Write a new file with mode 0600 in place of any other. Raises `StartError` with the setting that names it."""
    place = Path(path)
    try:
        with suppress(FileNotFoundError):
            place.unlink()
        descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
    except OSError as error:
        raise StartError(f"{setting}: cannot write {path}: {error.strerror}") from error
