"""deploy/consul/get-consul, with stand-ins for everything that it calls."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "deploy" / "consul" / "get-consul"
TOOLS = (
    "bash",
    "env",
    "uname",
    "tr",
    "mkdir",
    "mktemp",
    "rm",
    "mv",
    "chmod",
    "grep",
    "sha256sum",
    "python3",
    "sed",
    "cat",
    "cp",
)
CONSUL = "#!/bin/sh\necho Consul v1\n"


class Sandbox:
    """A PATH with only what a test puts there, and an empty cache."""

    def __init__(self, folder: Path) -> None:
        self.bin = folder / "bin"
        self.cache = folder / "cache"
        self.releases = folder / "releases"
        for made in (self.bin, self.cache, self.releases):
            made.mkdir()
        for tool in TOOLS:
            found = subprocess.run(["/bin/sh", "-c", f"command -v {tool}"], capture_output=True, text=True, check=True)
            (self.bin / tool).symlink_to(found.stdout.strip())
        self.provide("python3", f'#!/bin/sh\nexec {sys.executable} "$@"\n')

    def provide(self, name: str, text: str) -> Path:
        path = self.bin / name
        # Never through a link: that would overwrite the machine's own tool.
        path.unlink(missing_ok=True)
        path.write_text(text)
        path.chmod(0o755)
        return path

    def publish(self, *, checksum: str | None = None) -> None:
        """Let curl find a release of this script's version for this machine."""
        curl = f"""#!/bin/bash
            for url; do :; done
            while [[ $1 != -o ]]; do shift; done
            cp "{self.releases}/${{url##*/}}" "$2"
        """
        self.provide("curl", curl)
        version = next(line for line in SCRIPT.read_text().splitlines() if line.startswith("VERSION=")).split("=")[1]
        arch = {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]
        name = f"consul_{version}_{os.uname().sysname.lower()}_{arch}.zip"
        with zipfile.ZipFile(self.releases / name, "w") as archive:
            archive.writestr("consul", CONSUL)
        digest = checksum or hashlib.sha256((self.releases / name).read_bytes()).hexdigest()
        (self.releases / f"consul_{version}_SHA256SUMS").write_text(f"{digest}  {name}\n")

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": str(self.bin), "HOME": str(self.cache), "XDG_CACHE_HOME": str(self.cache)}
        return subprocess.run(
            [str(SCRIPT), *arguments], env=environment, capture_output=True, text=True, check=False, timeout=60
        )


@pytest.fixture
def sandbox(tmp_path: Path) -> Sandbox:
    return Sandbox(tmp_path)


def test_the_one_on_path_is_taken(sandbox: Sandbox) -> None:
    there = sandbox.provide("consul", CONSUL)
    assert sandbox.run().stdout == f"{there}\n"


def test_the_release_is_downloaded_once_and_cached(sandbox: Sandbox) -> None:
    sandbox.publish()
    first = sandbox.run()
    assert first.returncode == 0, first.stderr
    path = Path(first.stdout.strip())
    assert path.parent == sandbox.cache / "rillcast"
    assert os.access(path, os.X_OK)
    (sandbox.bin / "curl").unlink()
    assert sandbox.run("--cached").stdout == first.stdout
    assert sorted(entry.name for entry in path.parent.iterdir() if entry.name != "consul.lock") == [path.name]


def test_a_release_with_another_checksum_is_not_used(sandbox: Sandbox) -> None:
    sandbox.publish(checksum="0" * 64)
    done = sandbox.run()
    assert done.returncode == 1
    assert "checksum" in done.stderr
    assert done.stdout == ""


def test_without_any_way_it_says_so(sandbox: Sandbox) -> None:
    done = sandbox.run()
    assert done.returncode == 1
    assert "no 'go' on PATH" in done.stderr
    assert sandbox.run("--cached").returncode == 1


def test_it_explains_itself(sandbox: Sandbox) -> None:
    assert "usage: get-consul" in sandbox.run("--help").stdout
    assert sandbox.run("--nonsense").returncode == 2
