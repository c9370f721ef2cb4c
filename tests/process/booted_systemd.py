"""A machine of its own on this one, whose first process is systemd: namespaces, and a file system that is thrown away.

What is written there lies in memory, above the files of this machine. Its network has loopback only. Linux, root and
systemd are needed. Nothing outlives the process that holds it: with that one, the kernel kills the whole machine.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, STDOUT
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from rillcast.testing.eventually import eventually, within

ROOT = Path(__file__).resolve().parents[2]
SYSTEMD = Path("/usr/lib/systemd/systemd")
CGROUPS = Path("/sys/fs/cgroup")
HIERARCHIES = ("systemd", "unified", "memory", "pids", "devices")
"""Those of version 1 that are of use, where this machine has version 1."""
BOOT = r"""
set -e
mount --make-rprivate /
mount -t tmpfs tmpfs "$WORK"
mkdir "$WORK/upper" "$WORK/work" "$WORK/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$WORK/upper,workdir=$WORK/work" "$WORK/root"
cd "$WORK/root"
mount -t proc proc proc
mount -t sysfs sysfs sys
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
  mount -t cgroup2 cgroup2 sys/fs/cgroup
else
  mount -t tmpfs tmpfs sys/fs/cgroup
  for name in $HIERARCHIES; do
    mkdir "sys/fs/cgroup/$name"
    case $name in
    systemd) mount -t cgroup -o none,name=systemd cgroup sys/fs/cgroup/systemd ;;
    unified) mount -t cgroup2 cgroup2 sys/fs/cgroup/unified ;;
    *) mount -t cgroup -o "$name" cgroup "sys/fs/cgroup/$name" ;;
    esac
  done
fi
mount -t tmpfs -o mode=755 tmpfs dev
for name in null zero full random urandom tty; do
  touch "dev/$name"
  mount --bind "/dev/$name" "dev/$name"
done
mkdir dev/shm dev/pts dev/mqueue dev/hugepages
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts dev/pts
ln -s pts/ptmx dev/ptmx
for name in dev/shm run tmp; do mount -t tmpfs -o mode=1777 tmpfs "$name"; done
chmod 755 run
mkdir -p opt/rillcast opt/python old
for name in rillcast services deploy; do
  mkdir "opt/rillcast/$name"
  mount --bind "$PROJECT/$name" "opt/rillcast/$name"
done
mount --bind "$PYTHON_HOME" opt/python
mkdir -p "opt/rillcast/.venv/bin" "opt/rillcast/.venv/lib/$PYTHON_NAME/site-packages"
mount --bind "$PACKAGES" "opt/rillcast/.venv/lib/$PYTHON_NAME/site-packages"
ln -s "/opt/python/bin/$PYTHON_NAME" opt/rillcast/.venv/bin/python
cp "$SCRIPTS/nats-server" opt/rillcast/.venv/bin/
printf 'home = /opt/python/bin\n' > opt/rillcast/.venv/pyvenv.cfg
rm -rf etc/systemd/system etc/rillcast var/lib/private
mkdir -p etc/systemd/system/machine.target.d
printf '[Unit]\nDefaultDependencies=no\n' > etc/systemd/system/machine.target
cp -r "$PROJECT"/deploy/systemd/* etc/systemd/system/
cp -r "$CONFIGURATION" etc/rillcast
ip link set lo up
pivot_root . old
exec /bin/sh -c 'umount -l /old; mount --make-rshared /
exec /usr/bin/env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin \
  /usr/lib/systemd/systemd --unit=machine.target --log-target=console --show-status=no' < /dev/null
"""


def missing() -> str:
    """Why this machine can't have such a machine; empty if it can."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "systemd in namespaces needs Linux and root"
    if not SYSTEMD.exists():
        return "there is no systemd (package systemd)"
    programs = ("unshare", "nsenter", "pivot_root", "ip", "mount")
    return next((f"there is no `{one}` (util-linux, iproute2)" for one in programs if shutil.which(one) is None), "")


@dataclass
class BootedMachine:
    """Where systemd runs."""

    pid: int
    """Of systemd, as this machine counts."""

    async def run(self, *command: str, must: bool = True) -> str:
        """What a command says there, in a minute at most. AssertionError when it fails."""
        process = await asyncio.create_subprocess_exec(*self.inside(), *command, stdout=PIPE, stderr=STDOUT)
        async with within(60, f"the end of {' '.join(command)}"):
            said = (await process.communicate())[0].decode(errors="replace")
        assert process.returncode == 0 or not must, f"{' '.join(command)}: {said}"
        return said.strip()

    def inside(self) -> tuple[str, ...]:
        """Put before a command: it runs there."""
        return ("nsenter", "-t", str(self.pid), "-m", "-p", "-n", "-i", "-u", "-C", "-r", "-w")

    async def show(self, unit: str, name: str) -> str:
        """A property of a unit."""
        return await self.run("systemctl", "show", "--value", "-p", name, unit)


@asynccontextmanager
async def booted_machine(folder: Path, configuration: Path, name: str = "one") -> AsyncIterator[BootedMachine]:
    """A machine on which Rillcast lies in /opt/rillcast, with the units of deploy/systemd, until the end of the block.
    `folder` is an empty one for its use. `configuration` becomes its /etc/rillcast. `name` tells it from others that
    run at the same time."""
    base = Path(sys.base_prefix)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    settings = {
        "WORK": str(folder),
        "HIERARCHIES": " ".join(HIERARCHIES),
        "PROJECT": str(ROOT),
        "PYTHON_HOME": str(base),
        "PYTHON_NAME": version,
        "PACKAGES": str(Path(sys.prefix) / "lib" / version / "site-packages"),
        "SCRIPTS": str(Path(sys.executable).parent),
        "CONFIGURATION": str(configuration),
    }
    log = folder.with_name(f"{folder.name}.log")
    groups = _make_groups(f"rillcast-test-{os.getpid()}-{name}")
    enter = "; ".join(f"echo $$ > {group}/cgroup.procs" for group in groups)
    unshare = 'exec unshare --fork --pid --kill-child --mount --ipc --uts --cgroup --net /bin/sh -c "$BOOT"'
    with log.open("wb") as said:
        process = await asyncio.create_subprocess_exec(
            *("/bin/sh", "-c", f"{enter}; {unshare}"),
            env={**os.environ, **settings, "BOOT": BOOT},
            stdin=DEVNULL,
            stdout=said,
            stderr=said,
        )
    try:
        pid = await eventually(lambda: _systemd_below(process.pid), 30, f"systemd ({log})")
        machine = BootedMachine(pid)
        async with within(30, "systemd being up"):
            while await machine.run("systemctl", "is-system-running", must=False) not in {"running", "degraded"}:
                assert process.returncode is None, log.read_text()
                await asyncio.sleep(0.1)
        yield machine
    finally:
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGKILL)
        await process.wait()
        await eventually(lambda: _remove_groups(groups), 30, "the end of all that ran there", not_yet=(OSError,))


def _systemd_below(parent: int) -> int:
    """The child of unshare, once it is systemd; 0 before."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    names = {int(child): Path(f"/proc/{child}/comm").read_text().strip() for child in children}
    return next((child for child, name in names.items() if name == "systemd"), 0)


def _make_groups(name: str) -> list[Path]:
    """A control group for the machine in each hierarchy."""
    tops = [CGROUPS] if (CGROUPS / "cgroup.controllers").exists() else [CGROUPS / one for one in HIERARCHIES]
    groups = [top / name for top in tops]
    for group in groups:
        group.mkdir()
    return groups


def _remove_groups(groups: list[Path]) -> bool:
    for group in groups:
        for folder, _, _ in os.walk(group, topdown=False):
            os.rmdir(folder)
    return True
