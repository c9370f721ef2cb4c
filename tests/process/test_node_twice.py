"""A node id that is used twice, by real processes: whoever finds a living one ends, and who was succeeded yields."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx
import pytest

from rillcast.contracts.ids import NodeId
from rillcast.contracts.words import NodeKind
from rillcast.runtime.process.node import Node
from rillcast.runtime.settings import NodeSettings, env_prefix
from rillcast.testing.eventually import eventually
from rillcast.testing.servers import consul_agent, nats_server
from rillcast.testing.services import ServiceProcess, service_process

ORIGIN = NodeId("origin-1")
WORDS = "the node id origin-1 is that of a living origin node"


class LicenseSettings(NodeSettings):
    model_config = env_prefix("license")


class Site:
    """A cluster of one observer, to which origins come."""

    def __init__(self, node: Node, settings: dict[str, str], folder: Path) -> None:
        self.node = node
        self.gone: list[str] = []
        node.directory.on_gone(lambda last: self.gone.append(last.info.incarnation))
        self._settings = settings
        self._folder = folder

    @asynccontextmanager
    async def origin(self) -> AsyncIterator[ServiceProcess]:
        async with service_process(NodeKind.ORIGIN, self._folder, drain_timeout_s=1, **self._settings) as process:
            yield process

    async def known(self, but: str = "") -> str:
        """The incarnation of the origin that is known, here and to the registry; another one than `but`."""

        def look() -> str:
            report = self.node.directory.get(ORIGIN)
            assert report is not None
            assert report.info.incarnation != but
            registered = self.node.discovery.nodes(NodeKind.ORIGIN).get(ORIGIN)
            if self._settings["discovery"] == "consul":
                entry = self._registered()
                assert entry == report.info.incarnation
            else:
                assert registered is None or registered.incarnation == report.info.incarnation
            return report.info.incarnation

        return await eventually(look, 60, "the origin", not_yet=(AssertionError, httpx.HTTPError))

    def _registered(self) -> str:
        """As Consul has it, whether its check passes or not."""
        answer = httpx.get(f"{self._settings['consul_url']}/v1/agent/service/{ORIGIN}", trust_env=False)
        return str(answer.json()["Meta"]["incarnation"]) if answer.status_code == 200 else ""


@pytest.fixture(params=["nats", "consul"])
async def site(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Site]:
    async with AsyncExitStack() as stack:
        nats = await stack.enter_async_context(nats_server())
        settings = {"nats_url": nats.url, "discovery": request.param}
        if request.param == "consul":
            settings["consul_url"] = (await stack.enter_async_context(consul_agent())).url
        read = LicenseSettings.model_validate({**settings, "log_level": "error"})
        node = await stack.enter_async_context(Node(read, NodeKind.LICENSE, watches=(NodeKind.ORIGIN,)))
        await node.make_buckets()
        yield Site(node, settings, tmp_path)


async def test_a_newcomer_that_finds_a_living_one_ends_in_words_and_disturbs_nobody(site: Site) -> None:
    async with site.origin():
        first = await site.known()
        async with site.origin() as second:
            assert await second.end() == 1
            assert WORDS in second.log
            assert f"incarnation {first}" in second.log
            assert "set RILLCAST_ORIGIN_NODE_ID" in second.log
            assert "Traceback" not in second.log
        assert await site.known() == first
        assert site.gone == []


async def test_one_that_froze_and_was_succeeded_yields_and_takes_nothing_with_it(site: Site) -> None:
    async with site.origin() as first:
        before = await site.known()
        first.send(signal.SIGSTOP)
        async with site.origin() as second:
            after = await site.known(but=before)
            first.send(signal.SIGCONT)
            assert await first.end() == 1
            assert "a process that stays" in first.log
            assert "Traceback" not in first.log
            assert await site.known() == after
            assert second.returncode is None, second.log
            assert site.gone == [before]


async def test_a_restart_takes_everything_over(site: Site) -> None:
    async with site.origin() as first:
        before = await site.known()
        await first.kill()
    async with site.origin() as second:
        after = await site.known(but=before)
        assert site.gone == [before]
        second.send()
        assert await second.end() == 0
    await eventually(lambda: site.gone == [before, after], 30, "the goodbye")
