"""deploy/prometheus/get-prometheus, with stand-ins for everything that it calls."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "deploy/prometheus/get-prometheus"
TOOLS = ("bash", "env", "mkdir", "mktemp", "rm", "mv", "chmod", "sed", "cat", "nice")
GO = """#!/bin/bash
if [[ $1 == mod ]]; then printf '\\t"Dir": "%s",\\n' "$HOME"; exit 0; fi
while [[ $1 != -o ]]; do shift; done
for name in prometheus promtool; do echo made >"$2/$name"; done
"""
BROKEN_GO = '#!/bin/bash\nif [[ $1 == mod ]]; then printf \'\\t"Dir": "%s",\\n\' "$HOME"; exit 0; fi\nexit 1\n'


class Sandbox:
    """A PATH with only what a test puts there, and an empty cache."""

    def __init__(self, folder: Path) -> None:
        self.bin = folder / "bin"
        self.cache = folder / "cache"
        self.bin.mkdir()
        self.cache.mkdir()
        for tool in TOOLS:
            found = subprocess.run(["/bin/sh", "-c", f"command -v {tool}"], capture_output=True, text=True, check=True)
            (self.bin / tool).symlink_to(found.stdout.strip())

    def provide(self, name: str, text: str) -> None:
        """A program on PATH."""
        (self.bin / name).write_text(text)
        (self.bin / name).chmod(0o755)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": str(self.bin), "HOME": str(self.cache), "XDG_CACHE_HOME": str(self.cache)}
        return subprocess.run(
            [str(SCRIPT), *arguments], env=environment, capture_output=True, text=True, check=False, timeout=60
        )


@pytest.fixture
def sandbox(tmp_path: Path) -> Sandbox:
    return Sandbox(tmp_path)


def test_both_programs_are_built_once_and_kept(sandbox: Sandbox) -> None:
    sandbox.provide("go", GO)
    first = sandbox.run()
    assert first.returncode == 0, first.stderr
    folder = Path(first.stdout.strip())
    assert {path.name for path in folder.iterdir()} == {"prometheus", "promtool"}
    (sandbox.bin / "go").unlink()
    assert sandbox.run("--cached").stdout == sandbox.run().stdout == first.stdout
    assert [name for name in os.listdir(folder.parent) if not name.endswith(".lock")] == [folder.name]


def test_a_build_that_fails_leaves_nothing(sandbox: Sandbox) -> None:
    sandbox.provide("go", BROKEN_GO)
    done = sandbox.run()
    assert done.returncode == 1
    assert "could not be built" in done.stderr
    assert done.stdout == ""
    assert [name for name in os.listdir(sandbox.cache / "rillcast") if not name.endswith(".lock")] == []


def test_without_any_way_it_says_so(sandbox: Sandbox) -> None:
    done = sandbox.run()
    assert done.returncode == 1
    assert "no 'go' on PATH" in done.stderr
    assert sandbox.run("--cached").returncode == 1


def test_it_explains_itself(sandbox: Sandbox) -> None:
    assert "usage: get-prometheus" in sandbox.run("--help").stdout
    assert sandbox.run("--nonsense").returncode == 2
