"""A network of machines on this one: each is a network namespace, and all meet in a router between them.

The router is a namespace too, so faults of the network are rules of its routing: what they name is dropped without a
word, or goes through a link that is slow. Linux, root, ``ip`` and ``/dev/net/tun`` are needed, and no firewall but for
`Network.drop_udp`.
"""

from __future__ import annotations

import asyncio
import ipaddress
import itertools
import os
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path

import psutil

from rillcast.testing.eventually import within
from tests.e2e.cluster import ROOT

MOST_MACHINES = 31
_SUBNET = list(ipaddress.IPv4Network("198.18.0.0/15").subnets(new_prefix=19))[os.getpid() % 16]
"""Of this process, among addresses that are nobody's (RFC 2544): two runs at a time hardly meet."""
NETWORK = str(_SUBNET)


def _address(number: int, host: int) -> str:
    """Each machine has a /24: the router is 1 there, and the machine 2."""
    return str(_SUBNET.network_address + number * 256 + host)


HERE = _address(0, 2)
"""Of this machine, where the clients are."""
_PREFIX = "rillchaos"
_SLOW_TABLE = 79
_AFTER_TUN, _BEFORE_MAIN = 100, 1_000
"""Priorities of rules: what comes out of a slow link goes on, then the faults, then all others."""


def missing() -> str:
    """Why this machine can't have such a network; empty if it can."""
    if sys.platform != "linux":
        return "network namespaces are Linux's"
    if os.geteuid() != 0:
        return "network namespaces are made by root"
    for program in ("ip", "setpriv"):
        if shutil.which(program) is None:
            return f"there is no `{program}` (iproute2, util-linux)"
    return "" if Path("/dev/net/tun").exists() else "there is no /dev/net/tun"


class Machine:
    """One namespace with one address."""

    def __init__(self, name: str, namespace: str, address: str) -> None:
        self.name = name
        self.address = address
        self._namespace = namespace

    def inside(self) -> tuple[str, ...]:
        """Put before a command: it runs on this machine, and ends with whoever started it."""
        return ("ip", "netns", "exec", self._namespace, "setpriv", "--pdeathsig", "KILL")


class Network:
    """See the module. Made by `network`."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._router = f"{name}-router"
        self._ours = f"{_PREFIX[:5]}{os.getpid() % 100_000}"
        self._machines: dict[str, Machine] = {}
        self._rules = itertools.count(_BEFORE_MAIN)

    def __getitem__(self, name: str) -> Machine:
        return self._machines[name]

    async def begin(self) -> None:
        """The router, and the way to it from here."""
        await ip("netns", "add", self._router)
        for key in ("net.ipv4.ip_forward=1", "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.default.rp_filter=0"):
            await _run("ip", "netns", "exec", self._router, "sysctl", "-qw", key)
        await ip("-n", self._router, "link", "set", "lo", "up")
        ours = self._ours
        await ip("link", "add", ours, "type", "veth", "peer", "name", "here", "netns", self._router)
        await ip("addr", "add", f"{HERE}/24", "dev", ours)
        await ip("link", "set", ours, "up")
        await self._way(0, "here")
        await ip("route", "add", NETWORK, "via", _address(0, 1))

    async def _way(self, number: int, device: str) -> None:
        await ip("-n", self._router, "addr", "add", f"{_address(number, 1)}/24", "dev", device)
        await ip("-n", self._router, "link", "set", device, "up")

    async def add(self, name: str) -> Machine:
        """One more machine."""
        number = len(self._machines) + 1
        assert number <= MOST_MACHINES, f"there is room for {MOST_MACHINES} machines"
        namespace = f"{self._name}-{name}"
        machine = Machine(name, namespace, _address(number, 2))
        await ip("netns", "add", namespace)
        self._machines[name] = machine
        device = f"m{number}"
        await ip("-n", namespace, "link", "set", "lo", "up")
        await ip("-n", namespace, "link", "add", "eth0", "type", "veth", "peer", "name", device, "netns", self._router)
        await ip("-n", namespace, "addr", "add", f"{machine.address}/24", "dev", "eth0")
        await ip("-n", namespace, "link", "set", "eth0", "up")
        await self._way(number, device)
        await ip("-n", namespace, "route", "add", "default", "via", _address(number, 1))
        return machine

    async def drop_udp(self) -> None:
        """From now on the router lets no UDP through, as the firewalls of some networks. ``nft`` is needed."""
        for line in (
            "add table inet firewall",
            "add chain inet firewall forward { type filter hook forward priority 0; }",
            "add rule inet firewall forward meta l4proto udp counter drop",
        ):
            await _run("ip", "netns", "exec", self._router, "nft", line)

    async def dropped_udp(self) -> int:
        """How many packets that has stopped."""
        listed = await _run("ip", "netns", "exec", self._router, "nft", "list", "chain", "inet", "firewall", "forward")
        counted = re.search(r"counter packets (\d+)", listed)
        assert counted is not None, listed
        return int(counted[1])

    async def end(self) -> None:
        """Whatever was made is gone. The processes inside must have ended."""
        for namespace in (*(f"{self._name}-{name}" for name in self._machines), self._router):
            await ip("netns", "del", namespace, must=False)
        # A namespace goes later than its name does; another network of this process may be made at once.
        await ip("link", "del", self._ours, must=False)

    @asynccontextmanager
    async def dropped(self, ways: Sequence[tuple[str, str]], port: int = 0) -> AsyncIterator[None]:
        """Packets from the first address of each pair to the second one are lost until the end of the block; with a
        `port`, those of TCP to and from it. ``all`` is every address."""
        rules = [rule for way in ways for rule in _ports(way, port)]
        async with self._ruled([(*rule, "blackhole") for rule in rules]):
            yield

    @asynccontextmanager
    async def slow(self, ways: Sequence[tuple[str, str]], port: int, delay_s: float) -> AsyncIterator[None]:
        """Packets of TCP to and from the port arrive so much later, in both directions of each pair."""
        command = (sys.executable, "-m", "tests.chaos.slow_link", "slow", str(delay_s))
        inside = ("ip", "netns", "exec", self._router, "setpriv", "--pdeathsig", "KILL")
        link = await asyncio.create_subprocess_exec(*inside, *command, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
        try:
            assert link.stdout is not None
            async with within(10, "the slow link"):
                assert await link.stdout.readline() == b"ready\n", "the slow link did not come up"
            await ip("-n", self._router, "route", "add", "default", "dev", "slow", "table", str(_SLOW_TABLE))
            past = ("iif", "slow", "lookup", "main", "priority", str(_AFTER_TUN))
            await ip("-n", self._router, "rule", "add", *past)
            both = [pair for way in ways for pair in (way, way[::-1])]
            rules = [(*rule, "lookup", str(_SLOW_TABLE)) for way in both for rule in _ports(way, port)]
            try:
                async with self._ruled(rules):
                    yield
            finally:
                await ip("-n", self._router, "rule", "del", *past, must=False)
        finally:
            with suppress(ProcessLookupError):
                link.kill()
            await link.wait()

    @asynccontextmanager
    async def _ruled(self, rules: Sequence[tuple[str, ...]]) -> AsyncIterator[None]:
        made: list[tuple[str, ...]] = []
        try:
            for rule in rules:
                whole = (*rule, "priority", str(next(self._rules)))
                await ip("-n", self._router, "rule", "add", *whole)
                made.append(whole)
            yield
        finally:
            for whole in made:
                await ip("-n", self._router, "rule", "del", *whole, must=False)


def _ports(way: tuple[str, str], port: int) -> list[tuple[str, ...]]:
    addresses = ("from", way[0], "to", way[1])
    if not port:
        return [addresses]
    return [(*addresses, "ipproto", "tcp", which, str(port)) for which in ("dport", "sport")]


@asynccontextmanager
async def network(names: Sequence[str]) -> AsyncIterator[Network]:
    """A network of these machines until the end of the block. What a run left behind that was killed goes first."""
    await sweep()
    made = Network(f"{_PREFIX}{os.getpid()}")
    async with AsyncExitStack() as stack:
        stack.push_async_callback(made.end)
        await made.begin()
        for name in names:
            await made.add(name)
        yield made


async def sweep() -> None:
    """Namespaces and mounts of runs whose process is gone, with what still runs there."""
    for disk in psutil.disk_partitions(all=True):
        if _is_left_over(disk.device):
            await _run("umount", "-l", disk.mountpoint, must=False)
    for namespace in await _namespaces():
        if not _is_left_over(namespace):
            continue
        for pid in (await _run("ip", "netns", "pids", namespace)).split():
            with suppress(ProcessLookupError):
                os.kill(int(pid), 9)
        await ip("netns", "del", namespace, must=False)


def _is_left_over(name: str) -> bool:
    owner = re.match(rf"{_PREFIX}(\d+)-", name)
    return owner is not None and not psutil.pid_exists(int(owner[1]))


async def _namespaces() -> list[str]:
    return [line.split()[0] for line in (await _run("ip", "netns", "list")).splitlines() if line.split()]


@contextmanager
def small_disk(folder: Path, mib: int) -> Iterator[None]:
    """A file system of its own, in memory, until the end of the block."""
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={mib}m", f"{_PREFIX}{os.getpid()}-disk", str(folder)], check=True
    )
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False)


async def ip(*arguments: str, must: bool = True) -> None:
    """Call ``ip``; AssertionError with what it said when it can't."""
    await _run("ip", *arguments, must=must)


async def _run(*command: str, must: bool = True) -> str:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, said = await process.communicate()
    assert process.returncode == 0 or not must, f"{' '.join(command)}: {said.decode(errors='replace')}"
    return out.decode()
