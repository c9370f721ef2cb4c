"""Wall clocks of the nodes of a cluster that jump as a test says, while time goes on evenly.

nats-server and Consul are not linked with the C library, so their clocks stay as they are.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

SOURCE = Path(__file__).with_suffix(".c")
NS = 1_000_000_000


class WallClocks:
    """One for a cluster. To be made before it starts, with all its nodes."""

    def __init__(self, folder: Path, nodes: Iterable[str]) -> None:
        compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
        if compiler is None:
            pytest.skip("there is no C compiler")
        self._folder = folder / "clocks"
        self._folder.mkdir()
        self._offsets = dict.fromkeys(nodes, 0)
        for node in self._offsets:
            self._write(node)
        self._library = folder / "wall_clock.so"
        command = [compiler, "-shared", "-fPIC", "-O1", "-o", str(self._library), str(SOURCE), "-ldl"]
        subprocess.run(command, check=True)

    @property
    def settings(self) -> dict[str, str]:
        """For the cluster's environment."""
        return {"LD_PRELOAD": str(self._library), "WALL_CLOCKS": str(self._folder)}

    def jump(self, seconds: float, *nodes: str) -> None:
        """The clocks of these nodes jump, or of all."""
        for node in nodes or self._offsets:
            self._offsets[node] += int(seconds * NS)
            self._write(node)

    def _write(self, node: str) -> None:
        with (self._folder / node).open("r+b" if (self._folder / node).exists() else "w+b") as file:
            file.write(self._offsets[node].to_bytes(8, "little", signed=True))
