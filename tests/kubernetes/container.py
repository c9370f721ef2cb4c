"""A container as a process of this machine.

It has the network of its pod, a view of files of its own, whose root is that of this machine and read-only where the
container says so, the volumes at their paths, and is process 1 as in a real one. It is not another user, and what it
may take of CPU and memory is not bounded.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.cluster import ROOT
from tests.kubernetes.api import Json
from tests.kubernetes.enclosure import programs
from tests.kubernetes.network import Place

_BEGIN = """
set -e
mount --make-rprivate /
lower=/ place=$1 names=$2 readonly=$3; shift 3
mkdir -p "$place/upper" "$place/work" "$place/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$place/upper,workdir=$place/work" "$place/root"
cd "$place/root"
: >etc/resolv.conf
points=()
while [ "$1" != -- ]; do
  from=$1 to=$2; shift 2
  if [ -d "$from" ]; then mkdir -p "./$to"; else mkdir -p "./${to%/*}"; [ -e "./$to" ] || : >"./$to"; fi
  points+=("$from" "$to")
done
shift
if [ "$readonly" = yes ]; then mount --bind . . && cd "$place/root" && mount -o remount,ro,bind .; fi
mount --bind "$names" etc/hosts
mount -t proc proc proc
mount --rbind /dev dev
mount -t tmpfs -o size=16m,mode=755 run run
for ((i = 0; i < ${#points[@]}; i += 2)); do
  from=${points[i]} to=./${points[i + 1]}
  if [ -d "$from" ]; then mkdir -p "$to"; fi
  mount --bind "$from" "$to"
done
cd /
exec chroot "$place/root" "$@"
"""


@dataclass(frozen=True)
class Mount:
    """A folder or a file of this machine, at a path of the container."""

    source: Path
    path: str


@dataclass(frozen=True)
class Outfit:
    """What a container is started with."""

    place: Place
    folder: Path
    """In memory, for what it writes besides its volumes."""
    names: Path
    """Of Services, as a file of hosts."""
    log: Path
    mounts: Sequence[Mount]
    environment: Mapping[str, str]


def command_of(container: Json, environment: Mapping[str, str], known: Mapping[str, str]) -> list[str]:
    """What runs. `known`: see `programs`. KeyError for an image whose program nobody knows."""
    image = container["image"].rpartition(":")[0].rpartition("/")[2]
    first, *more = container.get("command") or [known[image]]
    words = (known.get(first, first), *more, *container.get("args", ()))
    return [expanded(word, environment) for word in words]


def expanded(text: str, environment: Mapping[str, str]) -> str:
    """With the variables that it names as ``$(NAME)``."""
    return re.sub(r"\$\(([A-Za-z_][A-Za-z0-9_]*)\)", lambda found: environment.get(found[1], found[0]), text)


class Container:
    """One, from its start to its end."""

    def __init__(self, container: Json, outfit: Outfit) -> None:
        self.name: str = container["name"]
        self._container, self._outfit = container, outfit
        self._process: asyncio.subprocess.Process | None = None
        self._child = 0

    async def start(self) -> None:
        """Start it; it may end at once."""
        outfit = self._outfit
        outfit.folder.mkdir(parents=True, exist_ok=True)
        readonly = (self._container.get("securityContext") or {}).get("readOnlyRootFilesystem", False)
        pairs = [word for mount in outfit.mounts for word in (str(mount.source), mount.path)]
        inside = ("unshare", "--mount", "--pid", "--fork", "--kill-child")
        begin = ("bash", "-c", _BEGIN, "begin", str(outfit.folder), str(outfit.names), "yes" if readonly else "no")
        command = command_of(self._container, outfit.environment, programs())
        with outfit.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(*outfit.place.inside(), *inside, *begin, *pairs, "--"),
                *("env", "-C", str(ROOT), *command),
                env=dict(outfit.environment),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    async def wait(self) -> int:
        """Its exit code, once it has ended."""
        assert self._process is not None
        return await self._process.wait()

    def signal(self, number: signal.Signals) -> None:
        """To its process 1."""
        if child := self.pid():
            with suppress(ProcessLookupError):
                os.kill(child, number)

    def pid(self) -> int:
        """Of its process 1, as seen from here; 0 when there is none."""
        if self._process is None or self._process.returncode is not None:
            return 0
        if not self._child:
            pid = self._process.pid
            with suppress(OSError, IndexError):
                self._child = int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])
        return self._child

    async def run(self, command: Sequence[str], timeout_s: float) -> bool:
        """Run another command inside; whether it ended well and in time."""
        if not (pid := self.pid()):
            return False
        inside = ("nsenter", f"--target={pid}", "--mount", "--net", "--pid", "--root", "--wd")
        with self._outfit.log.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *inside, *command, env=dict(self._outfit.environment), stdout=log, stderr=log
            )
        try:
            async with asyncio.timeout(timeout_s):
                return await process.wait() == 0
        except TimeoutError:
            return False
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    async def kill(self) -> None:
        """At once."""
        self.signal(signal.SIGKILL)
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()
