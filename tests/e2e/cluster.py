"""A real cluster for the tests: `rillcast up` as a user starts it, on free ports and in a folder of its own."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import httpx
import msgspec
import psutil
from prometheus_client.parser import text_string_to_metric_families

from rillcast.cli.run_folder import RunFolder
from rillcast.contracts.status import STATUS_PATH, ClusterStatus, StreamStatus
from rillcast.contracts.words import NodeKind
from rillcast.testing.eventually import eventually
from rillcast.testing.servers import own_share
from rillcast.testing.services import MAX_LOOP_LAG_MS

ROOT = Path(__file__).resolve().parents[2]
UP_TIMEOUT_S = 100.0
"""More than `rillcast up` allows itself, so that it is the one that says what is missing."""
DOWN_TIMEOUT_S = 30.0
ANSWER_TIMEOUT_S = 15.0
"""Of signaling: longer than any wait of its own for a node."""
CONDITION_TIMEOUT_S = 40.0
RESTART_TIMEOUT_S = 60.0
"""`rillcast up` waits for seconds before it starts a node anew that has ended several times."""
POLL_S = 0.1

T = TypeVar("T")


async def until(
    ask: Callable[[], Awaitable[T]], good: Callable[[T], object], what: str, timeout_s: float = CONDITION_TIMEOUT_S
) -> T:
    """Ask again and again until the answer is good; AssertionError with the last answer when the time is over."""

    async def look() -> tuple[T]:
        answer = await ask()
        assert good(answer), str(answer)[:1500]
        return (answer,)

    (answer,) = await eventually(look, timeout_s, what, every_s=POLL_S)
    return answer


@dataclass(frozen=True)
class Code:
    """Whose processes run: usually those of this clone."""

    folder: Path = ROOT
    python: str = sys.executable
    up: tuple[str, ...] = ("-m", "rillcast.cli", "up")
    """What Python is given to start a cluster."""


class ClusterView:
    """What a cluster says about itself at one of its signaling instances, and where clients find it."""

    def __init__(self, base: str, token: str) -> None:
        """`base`: where that instance is reached, as ``http://host:port``. `token`: what operators show it."""
        self.base = base
        self._http = httpx.AsyncClient(timeout=ANSWER_TIMEOUT_S, trust_env=False, headers={"ProxyAuthorization": token})

    def show(self, token: str) -> None:
        """Another token from now on."""
        self._http.headers["ProxyAuthorization"] = token

    def websocket(self, app: str = "LiveApp") -> str:
        """Where Ant Media's SDK connects."""
        return f"{self.base.replace('http', 'ws')}/{app}/websocket"

    def whip(self, stream: str, app: str = "LiveApp") -> str:
        return f"{self.base}/{app}/whip/{stream}"

    def whep(self, stream: str, app: str = "LiveApp") -> str:
        return f"{self.base}/{app}/whep/{stream}"

    async def status(self) -> ClusterStatus:
        """The cluster as signaling sees it."""
        response = await self._http.get(self.base + STATUS_PATH)
        response.raise_for_status()
        return msgspec.json.decode(response.content, type=ClusterStatus)

    async def stream(self, stream: str) -> StreamStatus | None:
        """One stream's entry, None when it isn't published."""
        return next((entry for entry in (await self.status()).streams if entry.stream == stream), None)

    async def live(self, stream: str) -> StreamStatus:
        """Waits until the stream's media flows."""
        entry = await until(
            lambda: self.stream(stream), lambda entry: entry is not None and entry.media_flowing, f"{stream} is live"
        )
        assert entry is not None
        return entry

    async def another_is_ready(self, node: str) -> None:
        """Waits until another node of the same kind takes sessions: one that was ended a moment ago is still starting,
        and then there is no elsewhere."""

        async def others() -> list[str]:
            reports = {str(report.info.node): report for report in (await self.status()).nodes}
            kind = reports[node].info.kind
            return [n for n, r in reports.items() if r.info.kind is kind and r.ready and not r.draining and n != node]

        await until(others, bool, f"another node than {node} takes sessions", RESTART_TIMEOUT_S)

    async def metrics(self, node: str) -> dict[str, float]:
        """A node's metrics by ``name`` or ``name{label=value,…}``. AssertionError while the cluster does not see the
        node, or it does not answer: both pass, after its end."""
        addresses = {str(report.info.node): report.info.admin_address for report in (await self.status()).nodes}
        assert node in addresses, f"there is no {node}, but {', '.join(sorted(addresses))}"
        try:
            text = (await self._http.get(f"http://{addresses[node]}/metrics")).raise_for_status().text
        except httpx.TransportError as error:
            raise AssertionError(f"{node} does not answer: {error!r}") from error
        families = text_string_to_metric_families(text)
        return {_name(sample.name, sample.labels): sample.value for family in families for sample in family.samples}

    async def metric(self, node: str, name: str) -> float:
        return (await self.metrics(node)).get(name, 0.0)

    async def request(self, method: str, url: str, **options: object) -> httpx.Response:
        return await self._http.request(method, url, **options)  # type: ignore[arg-type]

    async def close(self) -> None:
        """Asks nothing more."""
        await self._http.aclose()


class Cluster(ClusterView):
    """One `rillcast up` and what it says about itself."""

    def __init__(self, process: asyncio.subprocess.Process, folder: Path, first_port: int) -> None:
        super().__init__(f"http://127.0.0.1:{first_port}", RunFolder(folder / "run").token())
        self._process = process
        self._signaling_admin = ""
        self.folder = folder
        self.first_port = first_port

    async def doubtful(self) -> dict[str, str]:
        """What signaling thinks of nodes that are not as they should be. One question: what it thinks may last for a
        few seconds only."""
        if not self._signaling_admin:
            (signaling,) = (node.info for node in (await self.status()).nodes if node.info.kind is NodeKind.SIGNALING)
            self._signaling_admin = signaling.admin_address
        nodes = (await self._http.get(f"http://{self._signaling_admin}/readyz")).json()["nodes"]
        doubtful: dict[str, str] = nodes["doubtful"]
        return doubtful

    def _logs(self) -> Iterator[Path]:
        return (self.folder / "run" / "logs").glob("*.log*")

    def tracebacks(self) -> list[str]:
        """Logs of nodes in which something unexpected was raised."""
        return [log.name for log in self._logs() if "Traceback" in log.read_text(errors="replace")]

    def logged(self, word: str | None, most: int = 60) -> str:
        """The newest lines of all nodes, in order of time, that hold this word or are warnings."""
        lines = [line for log in self._logs() for line in log.read_text(errors="replace").splitlines()]
        told = [line for line in lines if (word and word in line) or " WARN " in line or " ERROR " in line]
        return "\n".join(sorted(told)[-most:])

    def processes(self) -> list[psutil.Process]:
        """`rillcast up` and everything below it."""
        root = psutil.Process(self._process.pid)
        return [root, *root.children(recursive=True)]

    async def terminate(self) -> int:
        """SIGTERM; the exit code. What is still there after the deadline is killed and is a failure."""
        await self.close()
        return await _end(self._process)

    @property
    def running(self) -> bool:
        return self._process.returncode is None


@asynccontextmanager
async def cluster(
    folder: Path,
    *,
    edges: int = 1,
    origins: int = 1,
    transcoders: int = 1,
    settings: Mapping[str, str] | None = None,
    code: Code = Code(),
    as_shipped: bool = False,
) -> AsyncIterator[Cluster]:
    """`rillcast up` until the end of the block. The folder, which exists, keeps the logs; `settings` are variables.
    Unless it is `as_shipped`, no node counts as full because other processes keep its threads from running."""
    patience = {} if as_shipped else {"RILLCAST_MAX_LOOP_LAG_MS": str(MAX_LOOP_LAG_MS)}
    process, first = await _start(folder, (edges, origins, transcoders), patience | dict(settings or {}), code)
    running = Cluster(process, folder, first)
    try:
        yield running
    finally:
        if running.running:
            await running.terminate()


async def _start(
    folder: Path, counts: tuple[int, int, int], settings: Mapping[str, str], code: Code
) -> tuple[asyncio.subprocess.Process, int]:
    for _ in range(5):
        first = _free_block()
        process = await _launch(folder, first, counts, settings, code)
        try:
            if await _came_up(process, first, folder):
                return process, first
        except BaseException:
            # Nobody else knows of the process yet.
            await _end(process)
            raise
    raise AssertionError(f"no cluster came up: {(folder / 'up.log').read_text()[-2000:]}")


async def _end(process: asyncio.subprocess.Process) -> int:
    """See `Cluster.terminate`."""
    with suppress(ProcessLookupError):
        process.send_signal(signal.SIGTERM)
    try:
        async with asyncio.timeout(DOWN_TIMEOUT_S):
            return await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise AssertionError(f"`rillcast up` still ran {DOWN_TIMEOUT_S:.0f} s after SIGTERM") from None


async def _launch(
    folder: Path, first: int, counts: tuple[int, int, int], settings: Mapping[str, str], code: Code
) -> asyncio.subprocess.Process:
    ports = {"port": 0, "admin-port": 10, "nats-port": 1, "consul-port": 3, "media-port": 100, "relay-port": 400}
    options = [part for name, offset in ports.items() for part in (f"--{name}", str(first + offset))]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("RILLCAST_")}
    with (folder / "up.log").open("wb") as log:
        return await asyncio.create_subprocess_exec(
            *(code.python, *code.up, "--run-dir", str(folder / "run")),
            *(f"--{kind}={count}" for kind, count in zip(("edges", "origins", "transcoders"), counts, strict=True)),
            *options,
            cwd=code.folder,
            env=environment | dict(settings),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


async def _came_up(process: asyncio.subprocess.Process, first: int, folder: Path) -> bool:
    """False when a port was taken in the meantime; AssertionError when it fails otherwise."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + UP_TIMEOUT_S
    log = folder / "up.log"
    while "Rillcast is up" not in log.read_text(errors="replace"):
        if process.returncode is not None:
            if "is in use" in log.read_text(errors="replace"):
                return False
            raise AssertionError(f"`rillcast up` ended with {process.returncode}: {log.read_text()[-2000:]}")
        if loop.time() > deadline:
            process.kill()
            raise AssertionError(f"not up after {UP_TIMEOUT_S:.0f} s: {log.read_text()[-2000:]}")
        await asyncio.sleep(POLL_S)
    return True


def process_of(running: Cluster, node: str) -> psutil.Process:
    """The process of a node; AssertionError while there is none. Others may end while this looks at them."""
    for process in running.processes():
        with suppress(psutil.Error):
            if node in process.environ().values():
                return process
    raise AssertionError(f"{node} does not run")


def edge_with_media_port(running: Cluster, port: int) -> str:
    """The edge that serves media at this port."""
    for process in running.processes():
        with suppress(psutil.Error):
            environment = process.environ()
            if environment.get("RILLCAST_EDGE_MEDIA_PORT") == str(port):
                return environment["RILLCAST_EDGE_NODE_ID"]
    raise AssertionError(f"no edge has media port {port}")


def _name(name: str, labels: dict[str, str]) -> str:
    return name + ("{" + ",".join(f"{key}={value}" for key, value in labels.items()) + "}" if labels else "")


def _free_block() -> int:
    """First of 700 ports below the system's ephemeral ones; `rillcast up` itself looks at each it needs. Two workers of
    pytest-xdist never choose the same: both would find it free before either has taken it."""
    while True:
        first = random.choice(own_share(range(12_000, 31_000, 700)))
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", first))
            except OSError:
                continue
            return first
