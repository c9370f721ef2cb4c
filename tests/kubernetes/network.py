"""The network of the cluster: each machine and each pod has a network namespace, and all are on one bridge."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass

HERE = "10.244.0.1"
"""Of this process: the API server, Prometheus, the clients."""
NETWORK = "10.244.0.0/16"
SIMULATED_PODS = "10.245.0.1/16"
"""Addresses that kwok gives to pods which are no processes."""
_BRIDGE = "pods"


@dataclass(frozen=True)
class Place:
    """A namespace and its address."""

    namespace: str
    address: str

    def inside(self) -> tuple[str, ...]:
        """Put before a command."""
        return ("ip", "netns", "exec", self.namespace)


class Network:
    """See the module. Use `begin` first; its end is that of the enclosure."""

    def __init__(self) -> None:
        self._numbers = itertools.count(256)
        self._machines = itertools.count(11)

    async def begin(self) -> None:
        """The bridge, with our own address."""
        await ip("link", "set", "lo", "up")
        await ip("link", "add", _BRIDGE, "type", "bridge")
        await ip("addr", "add", f"{HERE}/16", "dev", _BRIDGE)
        await ip("link", "set", _BRIDGE, "up")

    async def machine(self, name: str) -> Place:
        """A machine of the cluster."""
        return await self._add(f"machine-{name}", f"10.244.0.{next(self._machines)}")

    async def pod(self) -> Place:
        """The namespace of a pod."""
        number = next(self._numbers)
        return await self._add(f"pod-{number}", f"10.244.{number // 256}.{number % 256}")

    async def _add(self, name: str, address: str) -> Place:
        device = f"v{address.removeprefix('10.244.')}"
        await ip("netns", "add", name)
        await ip("link", "add", device, "type", "veth", "peer", "name", "eth0", "netns", name)
        await ip("link", "set", device, "master", _BRIDGE, "up")
        for command in (
            ("link", "set", "lo", "up"),
            ("addr", "add", f"{address}/16", "dev", "eth0"),
            ("link", "set", "eth0", "up"),
        ):
            await ip("-n", name, *command)
        return Place(name, address)

    async def remove(self, place: Place) -> None:
        """The pod has gone, with all of its processes."""
        await ip("netns", "del", place.namespace)


async def ip(*arguments: str) -> None:
    """Call ``ip``; AssertionError with what it said when it can't."""
    process = await asyncio.create_subprocess_exec("ip", *arguments, stderr=asyncio.subprocess.PIPE)
    _, said = await process.communicate()
    assert process.returncode == 0, f"ip {' '.join(arguments)}: {said.decode(errors='replace')}"
