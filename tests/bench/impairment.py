"""A slow, lossy or late link in user space, for kernels without netem: a network namespace whose only way out is a pair
of TUN devices joined by a process that delays, limits and drops.

    async with impaired_link(Shape(rate_bps=700_000)) as link:
        link.enter          # ("ip", "netns", "exec", …): put before a command to run it behind the link
        link.shape(Shape(rate_bps=3_000_000))

Needs root, iproute2 and /dev/net/tun. Everything it makes is gone when the block ends, and when this process dies: the
joining process then reads end of file and clears up.
"""

from __future__ import annotations

import asyncio
import fcntl
import heapq
import os
import random
import select
import struct
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import msgspec

from rillcast.testing.eventually import within

ROOT = Path(__file__).resolve().parents[2]
START_TIMEOUT_S = 10.0
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
MTU = 1_500
MOST_WAITING = 20_000
"""Packets under way in one direction; more are dropped whatever the queue's length in time is."""


class Shape(msgspec.Struct, frozen=True):
    """One direction of a link."""

    rate_bps: int = 0
    """0 = as fast as it comes."""
    queue_ms: float = 300.0
    """How long packets wait for the rate at most; what would wait longer is dropped."""
    delay_ms: float = 0.0
    jitter_ms: float = 0.0
    """Added at random, at most this; packets keep their order."""
    loss: float = 0.0
    """Share of packets dropped at random."""


class Shapes(msgspec.Struct, frozen=True):
    """Towards the namespace and out of it."""

    down: Shape = Shape()
    up: Shape = Shape()


class ImpairedLink:
    """One running link."""

    def __init__(self, process: asyncio.subprocess.Process, number: int) -> None:
        self._process = process
        self.namespace = _namespace(number)
        self.address = f"10.77.{number}.2"
        """Of what runs inside."""
        self.enter = ("ip", "netns", "exec", self.namespace)

    def shape(self, down: Shape, up: Shape | None = None) -> None:
        """From now on the link is like this."""
        assert self._process.stdin is not None
        self._process.stdin.write(msgspec.json.encode(Shapes(down, up or Shape(delay_ms=down.delay_ms))) + b"\n")


@asynccontextmanager
async def impaired_link(down: Shape, up: Shape | None = None, *, server: str) -> AsyncIterator[ImpairedLink]:
    """A link whose inside reaches this machine under its address `server`."""
    number = _free_number()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench.impairment", str(number), server),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        async with within(START_TIMEOUT_S, "the impaired link"):
            assert await process.stdout.readline() == b"ready\n", "the link did not come up"
        link = ImpairedLink(process, number)
        link.shape(down, up)
        yield link
    finally:
        process.stdin.close()
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
            _remove_namespace(number)


# ------------------------------------------------------------------ the joining process


class _Direction:
    """Packets from one device, due at the other at some time."""

    def __init__(self, into: int) -> None:
        self.shape = Shape()
        self._into = into
        self._free_at = self._last_due = 0.0
        self._waiting: list[tuple[float, int, bytes]] = []
        self._count = 0

    def take(self, packet: bytes, now: float) -> None:
        shape = self.shape
        begins = max(now, self._free_at) if shape.rate_bps else now
        too_late = (begins - now) * 1_000 > shape.queue_ms
        if too_late or len(self._waiting) >= MOST_WAITING or random.random() < shape.loss:
            return
        if shape.rate_bps:
            begins = self._free_at = begins + len(packet) * 8 / shape.rate_bps
        due = begins + (shape.delay_ms + random.uniform(0, shape.jitter_ms)) / 1_000
        self._last_due = max(self._last_due, due)
        self._count += 1
        heapq.heappush(self._waiting, (self._last_due, self._count, packet))

    def deliver(self, now: float) -> float | None:
        """Writes what is due; when to call again."""
        while self._waiting and self._waiting[0][0] <= now:
            with suppress(OSError):  # the inside was torn down
                os.write(self._into, heapq.heappop(self._waiting)[2])
        return self._waiting[0][0] if self._waiting else None


def _join(outside: int, inside: int) -> None:
    """Forwards until standard input ends."""
    down, up = _Direction(inside), _Direction(outside)
    poll = select.epoll()
    for descriptor in (outside, inside, sys.stdin.fileno()):
        os.set_blocking(descriptor, False)
        poll.register(descriptor, select.EPOLLIN)
    while True:
        now = time.monotonic()
        dues = [due for due in (down.deliver(now), up.deliver(now)) if due is not None]
        wait_s = max(0.0, min(dues) - time.monotonic()) if dues else None
        for descriptor, _ in poll.poll(wait_s):
            if descriptor == sys.stdin.fileno():
                told = os.read(descriptor, 65_536)
                if not told:
                    return
                shapes = msgspec.json.decode(told.splitlines()[-1], type=Shapes)
                down.shape, up.shape = shapes.down, shapes.up
                continue
            direction = down if descriptor == outside else up
            with suppress(BlockingIOError):
                for _ in range(64):
                    direction.take(os.read(descriptor, MTU + 100), time.monotonic())


def _open_tun(name: str) -> int:
    descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
    fcntl.ioctl(descriptor, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI))
    return descriptor


def _ip(*arguments: str) -> None:
    subprocess.run(("ip", *arguments), check=True, timeout=START_TIMEOUT_S)


def _namespace(number: int) -> str:
    return f"rillcast-link-{number}"


def _remove_namespace(number: int) -> None:
    subprocess.run(("ip", "netns", "delete", _namespace(number)), check=False, timeout=START_TIMEOUT_S)


def _free_number() -> int:
    taken = {path.name for path in Path("/run/netns").glob("*")} if Path("/run/netns").exists() else set()
    return random.choice([number for number in range(2, 250) if _namespace(number) not in taken])


def main(number: int, server: str) -> None:
    """What runs as a process of its own."""
    space, near, far = _namespace(number), f"rclink{number}", f"rclink{number}in"
    _ip("netns", "add", space)
    try:
        outside, inside = _open_tun(near), _open_tun(far)
        _ip("link", "set", near, "up", "mtu", str(MTU))
        _ip("route", "add", f"10.77.{number}.2/32", "dev", near, "src", server)
        _ip("link", "set", far, "netns", space)
        _ip("-n", space, "address", "add", f"10.77.{number}.2/32", "dev", far)
        _ip("-n", space, "link", "set", far, "up", "mtu", str(MTU))
        _ip("-n", space, "link", "set", "lo", "up")
        _ip("-n", space, "route", "add", f"{server}/32", "dev", far)
        print("ready", flush=True)
        _join(outside, inside)
    finally:
        _remove_namespace(number)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
