"""A license ends under a playing stream: running sessions go on, new ones are refused, a renewal opens the door."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from license_cluster import LicenseCluster, Process, license, license_cluster, until
from websockets.asyncio.client import connect

from rillcast.contracts.messages import LicenseStatus
from rillcast.contracts.subjects import LICENSE_CHANGED
from rillcast.load.run import Plan, Report, Run
from rillcast.load.session import Refused
from rillcast.testing.eventually import eventually, within
from rillcast.testing.servers import free_port

SUSPENDED = "license_suspended_please_renew_license"


class Peer:
    """A generated publisher or viewer that runs beside the test."""

    def __init__(self, url: str, *, publishing: bool) -> None:
        self.report = Report()
        plan = Plan(url=url, stream="s1" if publishing else "", seconds=300)
        self._task = asyncio.create_task(Run(plan, publishing=publishing).run(self._progress))

    def must_run(self) -> None:
        """Raises RuntimeError with the reason if it has ended."""
        if self._task.done():
            error = None if self._task.cancelled() else self._task.exception()
            raise RuntimeError(f"the peer ended: {error or self._task}")

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])

    async def gets(self, more: int) -> None:
        """Wait for so many more packets."""
        wanted = self.report.packets + more

        def got() -> bool:
            self.must_run()
            assert self.report.packets >= wanted, self.report
            return True

        await eventually(got, 30.0, f"{more} more packets")

    def _progress(self, phase: str, begun: int, report: Report) -> None:
        if phase == "steady":
            self.report = report


class Site:
    """A whole cluster with a publisher and a viewer."""

    def __init__(self, cluster: LicenseCluster, license_service: Process, port: int) -> None:
        self.cluster = cluster
        self.license_service = license_service
        self.url = f"http://127.0.0.1:{port}"
        self.whip, self.whep = f"{self.url}/live/whip/", f"{self.url}/live/whep/s1"

    async def becomes_live(self, publisher: Peer) -> None:
        """Wait until media flows."""

        async def flows() -> bool:
            publisher.must_run()
            async with self.cluster.operator() as http:
                status = (await http.get(f"{self.url}/rillcast/v1/status")).json()
            assert any(stream["media_flowing"] for stream in status["streams"]), status
            return True

        await until(flows, "media of the publisher flows")

    async def asked(self, command: str) -> str:
        """How an Ant Media client's `publish` or `play` is refused; empty if it isn't."""
        async with connect(self.url.replace("http", "ws") + "/live/websocket", proxy=None) as socket:
            await socket.send(json.dumps({"command": command, "streamId": "s1" if command == "play" else "s2"}))
            async with within(30, "the answer to the command"):
                answer = json.loads(await socket.recv())
        return str(answer["definition"]) if answer["command"] == "error" else ""

    async def warned(self) -> bool:
        return await self.license_service.metric("rillcast_license_warning") == 1


@asynccontextmanager
async def playing() -> AsyncIterator[tuple[Site, Peer]]:
    """And its viewer."""
    port = free_port()
    async with license_cluster() as c:
        license_service = await c.start("license-1")
        names = ("origin-1", "edge-1")
        nodes = [await c.start(name) for name in names] + [await c.start("signaling-1", port=port)]
        await asyncio.gather(*(node.ready() for node in nodes))
        await c.install(license(9, license_id="long"))
        site = Site(c, license_service, port)
        publisher = Peer(site.whip, publishing=True)
        await site.becomes_live(publisher)
        viewer = Peer(site.whep, publishing=False)
        try:
            await viewer.gets(50)
            yield site, viewer
            publisher.must_run()
        finally:
            await asyncio.gather(viewer.stop(), publisher.stop())


async def test_running_sessions_go_on_and_new_ones_are_refused_until_the_license_is_renewed() -> None:
    async with playing() as (site, viewer):
        c, told = site.cluster, list[LicenseStatus]()

        async def hear(_: str, status: LicenseStatus) -> None:
            told.append(status)

        await c.bus.listen(LICENSE_CHANGED, LicenseStatus, hear)
        await c.install(license(9, license_id="ending", not_after_s=int(time.time()) + 1, grace_s=600))

        await c.shows(lambda status: status.state == "grace", "the license has ended, its grace time runs")
        await until(site.warned, "the metric warns")
        assert await site.asked("play") == ""

        await c.install(license(9, license_id="short", not_after_s=int(time.time()) + 4, grace_s=8))
        await c.shows(lambda status: status.state == "expired", "the grace time is over")
        await eventually(lambda: told and told[-1].state == "expired", what="the event says so")

        states = [status.state for status in told if status.license_id == "short"]
        assert list(dict.fromkeys(states)) == ["valid", "grace", "expired"]
        assert "honoured for less than a day more" in next(s.reason for s in told if s.state == "grace")
        await until(lambda: answered(site, SUSPENDED), "signaling knows")
        assert await site.asked("publish") == SUSPENDED
        for url, publishing in ((site.whip, True), (site.whep, False)):
            plan = Plan(url=url, stream="s2", seconds=0.1)
            with pytest.raises(Refused, match=r"403 .*license has expired"):
                await Run(plan, publishing=publishing).run(lambda *_: None)
        code, shown = await c.command("status", "--url", site.url, "--token-file", str(c.token_file))
        assert (code, "license of Acme: expired" in shown) == (0, True)

        await viewer.gets(300)
        assert viewer.report.connected == 1

        await c.install(license(9, license_id="renewal"))
        await until(lambda: answered(site, ""), "new sessions are taken again")
        result = await Run(Plan(url=site.whep, seconds=0.5), publishing=False).run(lambda *_: None)
        assert result.connected == 1
        await viewer.gets(50)


async def answered(site: Site, wanted: str) -> bool:
    """Whether that is how a viewer is answered now; empty: not refused."""
    answer = await site.asked("play")
    assert answer == wanted, answer
    return True
