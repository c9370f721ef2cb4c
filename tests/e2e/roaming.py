"""A browser in a network of its own, whose address changes as when a phone goes from one Wi-Fi to another.

Linux, root, ``ip``, ``ss`` and ``nft`` are needed: the browser runs in a network namespace, which a pair of virtual
interfaces joins to this machine.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from playwright.async_api import Browser, Playwright

from rillcast.runtime.process.address import local_address
from tests.e2e.elsewhere import Elsewhere, browser_elsewhere

_SUBNET = f"10.78.{os.getpid() % 256}"
"""Of this process: another worker of pytest-xdist may have a phone at the same time."""
OURS, FIRST, NEXT = f"{_SUBNET}.1", f"{_SUBNET}.2", f"{_SUBNET}.3"
PAGES = f"http://{local_address()}"
"""Where the pages seem to come from: the same site as the cluster's, so that browsers return its cookies."""


def can_roam() -> bool:
    """Whether this machine lets a test make networks."""
    return os.geteuid() == 0 and all(map(shutil.which, ("ip", "nft", "ss")))


class Roamer(Elsewhere):
    """A browser, and the network that it is in."""

    def __init__(self, name: str, browser: Browser, site: str) -> None:
        super().__init__(browser, site, PAGES)
        self._name = name

    async def change_address(self) -> None:
        """The address that it had is no more, and it has another one. What is on its way to the old one is lost, and
        connections from it are cut, as phones do."""
        device = _inside(self._name)
        await _ip("-n", self._name, "addr", "add", f"{NEXT}/24", "dev", device)
        await _ip("-n", self._name, "addr", "del", f"{FIRST}/24", "dev", device)
        await _ip("-n", self._name, "addr", "replace", f"{NEXT}/24", "dev", device)
        await _ip("-n", self._name, "route", "replace", "default", "via", OURS)
        await _ip("netns", "exec", self._name, "ss", "-K", "src", FIRST)

    @asynccontextmanager
    async def dead(self) -> AsyncIterator[None]:
        """Until the end of the block nothing comes or goes, and nobody is told: the address and the connections stay,
        and what was sent is lost where it arrives."""
        here, there = ("nft",), ("ip", "netns", "exec", self._name, "nft")
        ends = ((here, _outside(self._name)), (there, _inside(self._name)))
        try:
            for nft, device in ends:
                await _run(*nft, "add", "table", "inet", self._name)
                chain = "{ type filter hook prerouting priority -300; }"
                await _run(*nft, "add", "chain", "inet", self._name, "lost", chain)
                await _run(*nft, "add", "rule", "inet", self._name, "lost", "iifname", device, "drop")
            yield
        finally:
            for nft, _ in ends:
                await _run(*nft, "delete", "table", "inet", self._name, must=False)


@asynccontextmanager
async def roamer(playwright: Playwright, folder: Path, site: str) -> AsyncIterator[Roamer]:
    """Until the end of the block. `folder`: for a script. `site`: where the pages lie."""
    name = f"rc{secrets.token_hex(3)}"
    try:
        await _make_network(name)
        inside = ("ip", "netns", "exec", name)
        async with browser_elsewhere(playwright, folder, inside, camera=True, pages=PAGES) as browser:
            yield Roamer(name, browser, site)
    finally:
        await _ip("link", "del", _outside(name), must=False)  # the one inside goes with it
        await _ip("netns", "del", name, must=False)


async def _make_network(name: str) -> None:
    outside, inside = _outside(name), _inside(name)
    await _ip("netns", "add", name)
    await _ip("link", "add", outside, "type", "veth", "peer", "name", inside, "netns", name)
    await _ip("addr", "add", f"{OURS}/24", "dev", outside)
    await _ip("link", "set", outside, "up")
    for device in ("lo", inside):
        await _ip("-n", name, "link", "set", device, "up")
    await _ip("-n", name, "addr", "add", f"{FIRST}/24", "dev", inside)
    await _ip("-n", name, "route", "add", "default", "via", OURS)


def _outside(name: str) -> str:
    return f"{name}o"


def _inside(name: str) -> str:
    return f"{name}i"


async def _ip(*arguments: str, must: bool = True) -> None:
    await _run("ip", *arguments, must=must)


async def _run(*command: str, must: bool = True) -> None:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    _, said = await process.communicate()
    assert process.returncode == 0 or not must, f"{' '.join(command)}: {said.decode(errors='replace')}"
