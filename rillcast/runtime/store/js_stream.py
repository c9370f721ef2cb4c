"""The js stream under a bucket, a queue or a journal: made when it is missing, also after NATS lost its state."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

import nats.js.errors
from nats.aio.client import Client
from nats.js import JetStreamContext, api

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.runtime.bus.envelope import RETRY_AFTER_S
from rillcast.runtime.bus.nats_connection import NatsConnection
from rillcast.runtime.errors import StartError
from rillcast.runtime.tasks.cancel import heeding
from rillcast.runtime.telemetry.logs import get_logger

log = get_logger(__name__)

TIMEOUT_S = 2.0
"""Of one request to JetStream."""
NO_STREAM = 10059
_NAME_TAKEN = 10058
_BOUNDS = ("max_age", "max_msgs", "max_msgs_per_subject", "max_bytes", "max_msg_size", "duplicate_window")
"""What a js stream that is there already is given when it has another one."""

Result = TypeVar("Result")


def _nothing() -> None:
    pass


class JsStream:
    """One js stream, as one process uses it."""

    def __init__(
        self,
        connection: NatsConnection,
        name: str,
        wanted: Callable[[], api.StreamConfig],
        *,
        kind: str,
        label: str,
        makes: bool,
        awaited_s: float = TIMEOUT_S,
        on_made: Callable[[], None] = _nothing,
    ) -> None:
        """`wanted`: how it is to be, asked anew each time. `kind` and `label`: what it is and its name, as errors, logs
        and metrics say it. `makes`: whether this process makes it when it is missing. Others give somebody `awaited_s`
        to do it, each time they miss it."""
        self.name = name
        self.label = label
        self._connection = connection
        self._wanted = wanted
        self._kind = kind
        self._makes = makes
        self._awaited_s = awaited_s
        self._on_made = on_made
        self._making = asyncio.Lock()
        self._context: tuple[Client, JetStreamContext] | None = None

    @property
    def connected(self) -> bool:
        """Whether NATS is reachable."""
        return self._connection.connected

    @property
    def client(self) -> Client:
        """The NATS client in use; another one after a revival."""
        return self._connection.client

    def jetstream(self) -> JetStreamContext:
        """The JetStream context of the client in use."""
        client = self._connection.client
        if self._context is None or self._context[0] is not client:
            self._context = client, client.jetstream(timeout=TIMEOUT_S)
        return self._context[1]

    async def open(self, opens: Callable[[], Awaitable[None]], patience_s: float) -> None:
        """Call `opens`, which runs `ensure`, until it succeeds: JetStream may start just now, or another process may
        make the js stream. In the end raises STORE_UNAVAILABLE. Raises `StartError` when NATS does not let this
        process use it."""
        deadline = asyncio.get_running_loop().time() + patience_s
        while True:
            try:
                return await opens()
            except RillcastError as error:
                if denial := self.denial():
                    raise StartError(denial) from error
                if asyncio.get_running_loop().time() > deadline:
                    if isinstance(error.__cause__, nats.js.errors.ServiceUnavailableError):
                        raise self.unavailable("JetStream is off at this NATS server") from None
                    raise
            await asyncio.sleep(0.2 + random.random() * 0.3)

    async def ensure(self) -> None:
        """Make it when it is missing, and give it our bounds when it has others; or wait a moment until it is there.
        Raises `nats.js.errors.NotFoundError` when another process is to make it and has not."""
        async with self._making:
            try:
                have = (await self._info()).config
            except nats.js.errors.NotFoundError:
                if not self._makes:
                    raise
                await self._make()
                return
            wanted = self._wanted()
            others = {name: getattr(wanted, name) for name in _BOUNDS if _set(have, name) != _set(wanted, name)}
            if self._makes and others:
                await self.jetstream().update_stream(have.evolve(**{name: one or 0 for name, one in others.items()}))
                log.info("Changed the bounds of a store", kind=self._kind, name=self.label, **others)

    async def attempt(self, step: Callable[[], Awaitable[Result]]) -> Result:
        """Run a step. A lost js stream is made again, and the step is repeated once. Raises STORE_UNAVAILABLE while the
        bus is down or stalled, `nats.errors.Error`, OSError, and TimeoutError when it takes longer than three
        requests may."""
        if not self._connection.connected:
            raise self.unavailable("the bus is down")
        if not await self._connection.moves():
            raise self.unavailable("the bus does not answer")
        with heeding():
            return await self._within_time(step)

    def denial(self, *subjects: str, actions: tuple[str, ...] = ("INFO", "CREATE", "UPDATE")) -> str:
        """Why NATS does not let us use it; empty when it does, as far as known. `actions`: those of the API that are
        needed; `subjects`: which others."""
        needed = (f"$JS.API.STREAM.{action}.{self.name}" for action in actions)
        return self._connection.denial_of(*needed, *subjects)

    def unavailable(self, why: str) -> RillcastError:
        """What is raised when an operation did not succeed."""
        return RillcastError(ErrorCode.STORE_UNAVAILABLE, f"{self._kind} {self.label}: {why}", RETRY_AFTER_S)

    async def _within_time(self, step: Callable[[], Awaitable[Result]]) -> Result:
        async with asyncio.timeout(3 * TIMEOUT_S):
            try:
                return await step()
            except (nats.js.errors.NoStreamResponseError, nats.js.errors.NotFoundError) as error:
                if isinstance(error, nats.js.errors.NotFoundError) and error.err_code != NO_STREAM:
                    raise
                await self.ensure()
                return await step()

    async def _info(self) -> api.StreamInfo:
        deadline = asyncio.get_running_loop().time() + self._awaited_s
        while True:
            try:
                return await self.jetstream().stream_info(self.name)
            except nats.js.errors.NotFoundError:
                if self._makes or asyncio.get_running_loop().time() >= deadline:
                    raise
            await asyncio.sleep(0.05 + random.random() * 0.05)

    async def _make(self) -> None:
        wanted = self._wanted()
        try:
            await self.jetstream().add_stream(wanted)
        except nats.js.errors.APIError as error:
            if error.err_code != _NAME_TAKEN:  # somebody else was faster
                raise
        else:
            self._on_made()
            storage = None if wanted.storage is None else wanted.storage.value
            log.info("Made a store", kind=self._kind, name=self.label, ttl_s=wanted.max_age, storage=storage)


def _set(config: api.StreamConfig, bound: str) -> float | None:
    """A bound, None when there is none: servers write -1 and 0."""
    value: float | None = getattr(config, bound)
    return value if value is not None and value > 0 else None
