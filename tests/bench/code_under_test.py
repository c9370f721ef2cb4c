"""Another state of the code, to be compared with this one: a folder, or a revision that git knows."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench.machine import ROOT
from tests.e2e.cluster import Code


class Unbuilt(Exception):
    """The code cannot run here as it is; the text says what to do."""


@contextmanager
def code_of(what: str) -> Iterator[Code]:
    """The code of a folder, or of a revision, whose files then exist until the end of the block. Raises `Unbuilt`."""
    folder = Path(what).resolve()
    if (folder / "rillcast").is_dir():
        yield Code(folder, python_of(folder))
        return
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent) / "code"
        _git("worktree", "add", "--detach", str(folder), what)
        try:
            yield Code(folder, python_of(folder))
        finally:
            _git("worktree", "remove", "--force", str(folder))


def python_of(folder: Path) -> str:
    """The folder's own Python. Without one it is ours, if our native modules are made of the same sources. Raises
    `Unbuilt`."""
    own = folder / ".venv/bin/python"
    if own.exists():
        return str(own)
    if native_sources(folder) != native_sources(ROOT):
        raise Unbuilt(
            f"native/ of {folder} differs from that of {ROOT}: make a worktree of it, run `make setup` there, and give "
            "the worktree's folder"
        )
    return sys.executable


def native_sources(folder: Path) -> dict[str, bytes]:
    """What the native modules are made of, by name."""
    crates = folder / "native/crates"
    files = (path for path in sorted(crates.rglob("*")) if path.suffix in {".rs", ".toml"} and path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in (folder / "native/Cargo.lock", *files)}


def _git(*words: str) -> None:
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Unbuilt(f"git {words[0]} {words[1]}: {done.stderr.strip()}")
