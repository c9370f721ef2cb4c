"""How another node notices that an origin is killed, frozen, cut off, restarted or leaves: real processes."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import httpx
import pytest
from prometheus_client import REGISTRY

from rillcast.contracts.ids import NodeId
from rillcast.contracts.words import NodeKind
from rillcast.runtime.discovery import suspicion
from rillcast.runtime.discovery.directory import EXPIRY_S
from rillcast.runtime.process.node import Node
from rillcast.runtime.settings import NodeSettings, env_prefix
from rillcast.testing.eventually import eventually
from rillcast.testing.servers import NatsServer, free_port, nats_server
from rillcast.testing.services import ServiceProcess, service_process

ORIGIN = NodeId("origin-1")


class LicenseSettings(NodeSettings):
    model_config = env_prefix("license")


class Observer:
    """A node that watches origins, in this process."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.gone: list[str] = []
        node.directory.on_gone(lambda last: self.gone.append(last.info.incarnation))
        self._before = {why: self._count(why) for why in ("dead", "left", "frozen", "missing", "silent")}

    async def holds_a_lifeline(self) -> str:
        """The incarnation of the origin, once it is known and a lifeline to it is held."""

        async def look() -> str:
            report = self.node.directory.get(ORIGIN)
            assert report is not None
            assert (await self.shown())["lifelines"] == 1
            return report.info.incarnation

        return await eventually(look, 60, "the lifeline to the origin")

    async def shown(self) -> dict[str, object]:
        """What /readyz says of other nodes."""
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = (await client.get(f"http://{self.node.info.admin_address}/readyz")).json()
        shown: dict[str, object] = answer["nodes"]
        return shown

    async def thinks(self, what: dict[str, str]) -> None:
        """Wait until that is what it thinks of nodes that are doubtful."""

        async def look() -> None:
            assert (await self.shown())["doubtful"] == what

        async def seen() -> bool:
            await look()
            return True

        await eventually(seen, 60, f"the origin being {what}")

    def why(self) -> dict[str, float]:
        """How many origins were given up since the start, by why."""
        return {why: n for why, before in self._before.items() if (n := self._count(why) - before)}

    @staticmethod
    def _count(why: str) -> float:
        return REGISTRY.get_sample_value("rillcast_nodes_gone_total", {"kind": "origin", "why": why}) or 0.0


@pytest.fixture
async def nats() -> AsyncIterator[NatsServer]:
    async with nats_server() as server:
        yield server


@pytest.fixture
async def observer(nats: NatsServer) -> AsyncIterator[Observer]:
    settings = LicenseSettings.model_validate({"nats_url": nats.url, "log_level": "error"})
    async with Node(settings, NodeKind.LICENSE, watches=(NodeKind.ORIGIN,)) as node:
        yield Observer(node)


@asynccontextmanager
async def origin(nats_url: str, folder: Path) -> AsyncIterator[ServiceProcess]:
    async with service_process(NodeKind.ORIGIN, folder, nats_url=nats_url, drain_timeout_s=1) as process:
        yield process


async def test_a_killed_process_is_gone_because_its_machine_says_so(
    nats: NatsServer, observer: Observer, tmp_path: Path
) -> None:
    async with origin(nats.url, tmp_path) as process:
        incarnation = await observer.holds_a_lifeline()
        await process.kill()
        await eventually(lambda: observer.gone == [incarnation], 30, "the end being noticed")
        assert observer.why() == {"dead": 1}


async def test_a_process_that_leaves_makes_nobody_doubtful(
    nats: NatsServer, observer: Observer, tmp_path: Path
) -> None:
    doubts = "rillcast_node_doubts_total"
    before = REGISTRY.get_sample_value(doubts, {"kind": "origin", "by": "lifeline"})
    async with origin(nats.url, tmp_path) as process:
        incarnation = await observer.holds_a_lifeline()
        process.send(signal.SIGTERM)
        assert await process.end() == 0
        await eventually(lambda: observer.gone == [incarnation], 30, "the goodbye")
        assert observer.why() == {"left": 1}
        assert REGISTRY.get_sample_value(doubts, {"kind": "origin", "by": "lifeline"}) == before


async def test_a_frozen_process_is_told_from_a_dead_one_and_taken_back(
    nats: NatsServer, observer: Observer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with origin(nats.url, tmp_path) as process:
        await observer.holds_a_lifeline()
        with monkeypatch.context() as patch:
            patch.setattr(suspicion, "FROZEN_GRACE_S", 3_600.0)  # however long it takes to see that it is frozen
            process.send(signal.SIGSTOP)
            await observer.thinks({ORIGIN: "frozen"})
            assert observer.node.directory.alive(ORIGIN)
            process.send(signal.SIGCONT)
            await observer.thinks({})
            assert observer.gone == []
        process.send(signal.SIGSTOP)
        await eventually(lambda: observer.gone, 60, "the frozen process being given up")
        assert observer.why() == {"frozen": 1}
        process.send(signal.SIGCONT)
        await eventually(lambda: observer.node.directory.alive(ORIGIN), 30, "the process being back")


async def test_a_restart_under_the_same_id_is_another_process(
    nats: NatsServer, observer: Observer, tmp_path: Path
) -> None:
    async with origin(nats.url, tmp_path) as first:
        before = await observer.holds_a_lifeline()
        await first.kill()
        async with origin(nats.url, tmp_path):
            await eventually(lambda: observer.gone == [before], 30, "the end being noticed")
            after = await observer.holds_a_lifeline()
            assert after != before
            assert observer.gone == [before]


class Wire:
    """A way to NATS that can be cut: whoever is connected is cut off, and nobody else comes through."""

    def __init__(self, target: int) -> None:
        self.port = free_port()
        self.whole = True
        self._target = target
        self._writers: set[asyncio.StreamWriter] = set()

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self.whole:
            writer.close()
            return
        back, on = await asyncio.open_connection("127.0.0.1", self._target)
        self._writers |= {writer, on}
        with suppress(OSError):
            await asyncio.gather(self._pump(reader, on), self._pump(back, writer))

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            writer.write(data)
        writer.close()

    def cut(self) -> None:
        self.whole = False
        for writer in self._writers:
            writer.close()
        self._writers.clear()


async def test_a_process_that_is_cut_off_from_the_bus_is_not_given_up(
    nats: NatsServer, observer: Observer, tmp_path: Path
) -> None:
    async with AsyncExitStack() as stack:
        wire = Wire(int(nats.url.rpartition(":")[2]))
        server = await asyncio.start_server(wire.carry, "127.0.0.1", wire.port)
        stack.callback(server.close)
        stack.callback(wire.cut)
        await stack.enter_async_context(origin(f"nats://127.0.0.1:{wire.port}", tmp_path))
        await observer.holds_a_lifeline()
        wire.cut()
        await observer.thinks({ORIGIN: "isolated"})
        labels = {"subject": "node.confirm", "outcome": "nobody"}
        asked = REGISTRY.get_sample_value("rillcast_bus_requests_total", labels) or 0.0

        def asked_again() -> bool:
            return (REGISTRY.get_sample_value("rillcast_bus_requests_total", labels) or 0.0) >= asked + EXPIRY_S + 1

        await eventually(asked_again, 60, "it being asked once a second for longer than its silence may last")
        assert observer.gone == []
        assert observer.node.directory.placeable(NodeKind.ORIGIN) == {}
        wire.whole = True
        await observer.thinks({})
        assert observer.gone == []
