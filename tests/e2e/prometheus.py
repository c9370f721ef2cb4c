"""A real Prometheus that scrapes a real cluster, and what it says."""

from __future__ import annotations

import asyncio
import re
import subprocess
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import msgspec
import yaml

from rillcast.testing.eventually import eventually, within
from rillcast.testing.servers import free_port
from tests.e2e.cluster import Cluster
from tests.e2e.conftest import need

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "deploy/prometheus/rules"
SCRAPE_S = 1
LAPSE = 30
"""By how much rules run faster than they do for users: five minutes are ten seconds."""
DURATION = re.compile(r"(?<=[\[ ])(\d+)([mh])(?=[\]\s)]|$)", re.M)
UNITS_S = {"m": 60, "h": 3_600}


class Series(msgspec.Struct, frozen=True):
    """One result of a query: its labels, and its values with their times."""

    metric: dict[str, str]
    value: tuple[float, str] | None = None
    values: list[tuple[float, str]] = msgspec.field(default_factory=list)


class _Data(msgspec.Struct, frozen=True):
    result: list[Series]


class _Answer(msgspec.Struct, frozen=True):
    data: _Data | None = None
    error: str = ""


@dataclass(frozen=True)
class Scraped:
    """A node and what Prometheus calls it."""

    address: str
    labels: tuple[tuple[str, str], ...]


class Prometheus:
    """What a running one is asked."""

    def __init__(self, base: str) -> None:
        self.base = base
        self.began_s = time.time()
        self._http = httpx.AsyncClient(base_url=base, trust_env=False, timeout=30)

    async def is_ready(self) -> bool:
        """Whether it answers questions."""
        return (await self._http.get("/-/ready")).is_success

    async def now(self, expr: str) -> list[Series]:
        """What an expression says now. AssertionError when Prometheus does not take it."""
        return await self._ask("query", query=expr)

    async def since_it_began(self, expr: str, step_s: int = 2) -> list[Series]:
        """What it said every few seconds."""
        return await self._ask("query_range", query=expr, start=self.began_s, end=time.time(), step=step_s)

    async def firing(self) -> set[str]:
        """The alerts that fire now."""
        return {one.metric["alertname"] for one in await self.now('ALERTS{alertstate="firing"}')}

    async def until_firing(self, alert: str, timeout_s: float = 60) -> None:
        """Wait until an alert fires."""
        await eventually(lambda: self._fires(alert), timeout_s, f"{alert} fires", every_s=0.3)

    async def until_silent(self, alert: str, timeout_s: float = 90) -> None:
        """Wait until it has stopped."""

        async def silent() -> bool:
            return not await self._fires(alert)

        await eventually(silent, timeout_s, f"{alert} stops", every_s=0.3)

    async def until_all_are_up(self, count: int) -> None:
        """Wait until so many nodes have been read."""

        async def up() -> bool:
            return len(await self.now("up == 1")) == count

        await eventually(up, 60, f"{count} nodes are read", every_s=0.3)

    async def close(self) -> None:
        """Asks nothing more."""
        await self._http.aclose()

    async def _fires(self, alert: str) -> bool:
        return alert in await self.firing()

    async def _ask(self, what: str, **asked: str | float) -> list[Series]:
        response = await self._http.post(f"/api/v1/{what}", data=asked)
        answer = msgspec.json.decode(response.content, type=_Answer)
        assert answer.data is not None, f"{answer.error}: {asked['query']}"
        return answer.data.result


@asynccontextmanager
async def prometheus(folder: Path, running: Cluster, *, faster: int = 1) -> AsyncIterator[Prometheus]:
    """One that reads all nodes of a cluster every second, with the rules of `deploy/prometheus/rules`. `faster`: by
    how much all durations in them are shortened."""
    binary = program()
    rules = folder / "rules"
    rules.mkdir(parents=True)
    for path in RULES.glob("*.yml"):
        (rules / path.name).write_text(shortened(path.read_text(), faster))
    config = folder / "prometheus.yml"
    config.write_text(yaml.safe_dump(configured(await nodes(running), rules)))
    port = free_port()
    with (folder / "prometheus.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(binary, f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}"),
            *(f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    there = Prometheus(f"http://127.0.0.1:{port}")
    try:
        await eventually(there.is_ready, 30, "Prometheus is ready", not_yet=(httpx.HTTPError,))
        yield there
    finally:
        await there.close()
        with suppress(ProcessLookupError):
            process.terminate()
        async with within(20, "the end of Prometheus"):
            await process.wait()


def program() -> Path:
    """The binary that `deploy/prometheus/get-prometheus` has built."""
    script = ROOT / "deploy/prometheus/get-prometheus"
    found = subprocess.run([script, "--cached"], capture_output=True, text=True, check=False, timeout=60)
    need(found.returncode == 0, "prometheus (deploy/prometheus/get-prometheus)")
    return Path(found.stdout.strip()) / "prometheus"


async def nodes(running: Cluster) -> list[Scraped]:
    """All nodes that the cluster has now, under the labels that compose and the chart give them."""
    return [
        Scraped(
            report.info.admin_address,
            (
                ("service", report.info.kind.value),
                ("node", str(report.info.node)),
                ("region", report.info.region),
                ("zone", report.info.zone),
            ),
        )
        for report in (await running.status()).nodes
    ]


def configured(found: Sequence[Scraped], rules: Path) -> dict[str, object]:
    """The configuration of Prometheus."""
    every = f"{SCRAPE_S}s"
    return {
        "global": {"scrape_interval": every, "scrape_timeout": every, "evaluation_interval": every},
        "rule_files": [f"{rules}/*.yml"],
        "scrape_configs": [
            {
                "job_name": "rillcast",
                "static_configs": [{"targets": [one.address], "labels": dict(one.labels)} for one in found],
            }
        ],
    }


def shortened(rules: str, faster: int) -> str:
    """The same rules with all durations shortened."""
    return DURATION.sub(lambda found: f"{int(found[1]) * UNITS_S[found[2]] // faster}s", rules)
