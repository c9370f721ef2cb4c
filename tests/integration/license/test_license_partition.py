"""A node cut off from the bus goes on for the license's grace time, then takes no new work; back, it is judged anew."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

from license_cluster import Process, license, license_cluster, until


class Link:
    """A TCP way to NATS that can be cut."""

    def __init__(self, target: str) -> None:
        self._target = urlsplit(target)
        self._ends: set[asyncio.StreamWriter] = set()
        self.whole = True
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until either end or a cut ends it."""
        if not self.whole:
            writer.close()
            return
        there_reader, there_writer = await asyncio.open_connection(self._target.hostname, self._target.port)
        self._ends |= {writer, there_writer}
        await asyncio.gather(pass_on(reader, there_writer), pass_on(there_reader, writer))
        self._ends -= {writer, there_writer}

    def cut(self) -> None:
        """Nothing passes from now on."""
        self.whole = False
        for end in self._ends:
            end.transport.abort()


async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def link(target: str) -> AsyncIterator[Link]:
    made = Link(target)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.url = f"nats://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield made
    finally:
        made.cut()
        server.close()


async def states(node: Process, last: str) -> list[tuple[str, bool]]:
    """(state of the seat, ready), each as it is first seen, until `last` is."""
    seen: list[tuple[str, bool]] = []

    async def look() -> bool:
        answer = await node.readyz()
        assert answer, "it does not answer"
        pair = (answer["license"], answer["ready"])
        if pair not in seen:
            seen.append(pair)
        return bool(pair[0] == last)

    await until(look, f"{node.name} is {last}")
    return seen


async def test_a_node_cut_off_goes_on_for_the_grace_time_and_is_back_when_the_bus_is() -> None:
    async with license_cluster() as c, link(c.nats.url) as way:
        await c.start("license-1")
        await c.status()
        await c.install(license(2, grace_s=8))
        node = await c.start("edge-1", nats_url=way.url)
        await node.ready()
        assert (await node.readyz())["license"] == "held"

        way.cut()

        seen = await states(node, "lapsed")
        if seen[0] == ("held", True):  # unless a question under way at the cut failed before the first look
            del seen[0]
        assert seen == [("unconfirmed", True), ("lapsed", False)]
        await node.not_ready("no license service has answered for the license's grace time of 8 s")
        assert await node.metric('rillcast_license_seat{state="lapsed"}') == 1
        way.whole = True
        await node.ready()
        assert (await node.readyz())["license"] == "held"
        assert (await c.status()).used_by_kind == {"edge": 1}


async def test_a_seat_given_away_meanwhile_is_not_counted_twice_when_the_node_is_back() -> None:
    async with license_cluster() as c, link(c.nats.url) as way:
        await c.start("license-1")
        await c.status()
        await c.install(license(1))
        node = await c.start("edge-1", nats_url=way.url)
        await node.ready()

        way.cut()
        other = await c.start("edge-2")
        await other.ready()

        answer = await node.readyz()
        assert (answer["license"], answer["ready"]) == ("unconfirmed", True)
        way.whole = True
        await node.not_ready("all 1 seats of license acme-1")
        assert (await c.status()).used_by_kind == {"edge": 1}
        assert (await other.readyz())["ready"]
