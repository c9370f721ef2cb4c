"""A cluster of real processes on a real bus for the tests of the license."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import httpx
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from rillcast.contracts.errors import RillcastError
from rillcast.contracts.messages import LicenseInstall, LicenseStatus, LicenseStatusRequest
from rillcast.contracts.subjects import LICENSE_INSTALL, LICENSE_STATUS
from rillcast.licensing.document import License, issue_license
from rillcast.runtime.bus.nats_bus import NatsBus
from rillcast.runtime.bus.nats_connection import NatsConnection
from rillcast.runtime.settings import NodeSettings
from rillcast.testing.eventually import eventually, within
from rillcast.testing.servers import NatsServer, free_port, nats_server
from rillcast.testing.services import MAX_LOOP_LAG_MS

KEY = Ed25519PrivateKey.generate()
SEAT_TTL_S = 3
Seen = TypeVar("Seen")
START_S = 60.0


def license(total: int, **fields: Any) -> str:
    """A signed document, a year long unless told otherwise."""
    now = int(time.time())
    made = License(
        license_id=f"acme-{total}",
        licensee="Acme",
        limit_total=total,
        issued_at_s=now,
        not_before_s=now,
        not_after_s=now + 365 * 86_400,
    )
    return issue_license(msgspec.structs.replace(made, **fields), KEY)


class Process:
    """One node, or what became of it."""

    def __init__(self, kind: str, name: str, folder: Path, environment: dict[str, str]) -> None:
        self.name = name
        self.log_file = folder / f"{name}.log"
        self.admin = f"http://127.0.0.1:{environment[f'RILLCAST_{kind.upper()}_ADMIN_PORT']}"
        self._kind = kind
        self._environment = environment
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it, or start it again under the same node id."""
        with self.log_file.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", f"services.{self._kind}", env=self._environment, stdout=log, stderr=log
            )

    async def kill(self) -> None:
        """SIGKILL."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    async def leave(self) -> None:
        """SIGTERM, and wait for the orderly end."""
        assert self._process is not None
        self._process.terminate()
        async with within(40, "the orderly end of the process"):
            assert await self._process.wait() == 0

    @property
    def log(self) -> str:
        return self.log_file.read_text(errors="replace")

    async def readyz(self) -> dict[str, Any]:
        """What /readyz says; empty while nothing answers."""
        with suppress(httpx.HTTPError):
            async with httpx.AsyncClient(trust_env=False, timeout=15) as client:
                body: dict[str, Any] = (await client.get(self.admin + "/readyz")).json()
                return body
        return {}

    async def metric(self, line: str) -> float | None:
        """The value of a series as it is written in the text format, labels included."""
        async with httpx.AsyncClient(trust_env=False, timeout=15) as client:
            text = (await client.get(self.admin + "/metrics")).text
        values = [found.rpartition(" ") for found in text.splitlines()]
        return next((float(value) for name, _, value in values if name == line), None)

    async def ready(self) -> None:
        """Wait until it is."""

        async def is_ready() -> bool:
            if self._process is None or self._process.returncode is not None:
                raise RuntimeError(f"{self.name} ended: {self.log[-2000:]}")
            answer = await self.readyz()
            assert answer.get("ready"), answer
            return True

        await until(is_ready, f"{self.name} is ready")

    async def not_ready(self, words: str) -> None:
        """Wait until it says that the license keeps it from being ready, in these words."""

        async def is_refused() -> bool:
            answer = await self.readyz()
            assert not answer.get("ready", True) and words in answer["reasons"].get("license", ""), answer
            return True

        await until(is_refused, f"{self.name} is not ready: {words}")


class LicenseCluster:
    """NATS, a place for processes, and a connection to the bus."""

    def __init__(self, nats: NatsServer, bus: NatsBus, folder: Path, stack: AsyncExitStack) -> None:
        self.nats = nats
        self.bus = bus
        self.folder = folder
        self.token_file = folder / "operator-token"
        self._stack = stack
        self._key_file = folder / "license-key.pub"
        self._key_file.write_bytes(KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))

    async def start(self, name: str, **settings: object) -> Process:
        """A process of the kind that the name begins with; `settings` are fields of it."""
        kind = name.partition("-")[0]
        values: dict[str, object] = {
            "NODE_ID": name,
            "NATS_URL": self.nats.url,
            "ADMIN_PORT": free_port(),
            "ADVERTISE_ADDRESS": "127.0.0.1",
            "DRAIN_TIMEOUT_S": 1,
            "KV_STORAGE": "memory",
        }
        if kind in ("origin", "edge", "transcoder"):
            values["RELAY_BIND"] = "127.0.0.1"
        if kind in ("origin", "edge"):
            values |= {"MEDIA_BIND": "127.0.0.1", "MAX_LOOP_LAG_MS": MAX_LOOP_LAG_MS}
        if kind == "signaling":
            values["LOCAL_TOKEN_PATH"] = self.token_file
        if kind == "license":
            values |= {"PUBLIC_KEY_FILE": self._key_file, "SEAT_TTL_S": SEAT_TTL_S}
        values |= {field.upper(): value for field, value in settings.items()}
        own = {f"RILLCAST_{kind.upper()}_{field}": str(value) for field, value in values.items()}
        process = Process(kind, name, self.folder, {**clean_environment(), **own})
        self._stack.push_async_callback(process.kill)
        await process.start()
        return process

    def operator(self, url: str = "") -> httpx.AsyncClient:
        """Asks signaling as an operator of this machine."""
        token = {"ProxyAuthorization": self.token_file.read_text()}
        return httpx.AsyncClient(base_url=url, trust_env=False, headers=token)

    async def install(self, document: str) -> LicenseStatus:
        """As `rillcast license install`."""
        return await self.bus.request(LICENSE_INSTALL, LicenseInstall(document), LicenseStatus, timeout_s=20)

    async def status(self) -> LicenseStatus:
        """As `rillcast license status`, asking again while nobody answers."""

        async def answered() -> LicenseStatus:
            return await self.bus.request(LICENSE_STATUS, LicenseStatusRequest(), LicenseStatus, timeout_s=1)

        return await eventually(answered, START_S, "an answer of license", not_yet=(RillcastError,), every_s=0.1)

    async def shows(self, condition: Callable[[LicenseStatus], object], what: str) -> LicenseStatus:
        """Wait for a status."""

        async def holds() -> LicenseStatus:
            status = await self.status()
            assert condition(status), status
            return status

        return await until(holds, what)

    async def command(self, *arguments: str, stdin: bytes = b"") -> tuple[int, str]:
        """Exit code and output of the `rillcast` command."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "rillcast.cli",
            *arguments,
            env={**clean_environment(), "RILLCAST_NATS_URL": self.nats.url, "COLUMNS": "300"},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        async with within(START_S, "the end of the command"):
            output, _ = await process.communicate(stdin)
        assert process.returncode is not None
        return process.returncode, output.decode()


@asynccontextmanager
async def license_cluster() -> AsyncIterator[LicenseCluster]:
    """Only NATS runs at first. Everything started is killed at the end."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rillcast-license-")))
        nats = await stack.enter_async_context(nats_server())
        connection = NatsConnection(NodeSettings(nats_url=nats.url), "test")
        await connection.open()
        stack.push_async_callback(connection.close)
        bus = NatsBus(connection)
        stack.push_async_callback(bus.close)
        yield LicenseCluster(nats, bus, folder, stack)


def clean_environment() -> dict[str, str]:
    """This one's without settings of ours."""
    return {name: value for name, value in os.environ.items() if not name.startswith("RILLCAST_")}


async def until(condition: Callable[[], Awaitable[Seen]], what: str, timeout_s: float = START_S) -> Seen:
    """Look ten times a second until it is true. See `eventually`: an AssertionError says what was seen instead."""
    return await eventually(condition, timeout_s, what, every_s=0.1)
