"""The process's one connection to NATS: patient at the start, never giving up later, and honest about being there."""

from __future__ import annotations

import asyncio
import random
import ssl
import time
from collections.abc import Awaitable, Callable
from typing import Any

import nats.errors
from nats.aio.client import Client
from nats.aio.client import Server as PoolServer

from rillcast.contracts.permissions import BusUser, inbox_of
from rillcast.runtime import metrics
from rillcast.runtime.bus.denials import Denials
from rillcast.runtime.bus.envelope import EventDrop
from rillcast.runtime.bus.nats_login import Login, TlsClient, TlsMissing, certificate_ends, crosses_in_the_clear
from rillcast.runtime.bus.pulse import Pulse
from rillcast.runtime.errors import StartError
from rillcast.runtime.settings import NodeSettings
from rillcast.runtime.tasks.supervisor import Supervisor
from rillcast.runtime.telemetry.logs import get_logger
from rillcast.runtime.urls import without_secrets

log = get_logger(__name__)

OLDEST_SERVER = (2, 11)
_CONNECT_TIMEOUT_S = 2
_PING_INTERVAL_S = 3
_PENDING_BYTES = 4 * 1024 * 1024
_LONGEST_PAUSE_S = 2.0
_CLOSE_S = 2.0
_TELL_EVERY_S = 10.0
_MOST_REASONS = 5
_SOON_S = 30 * 24 * 3600.0
_STALL_S = 0.5
"""How long somebody who wants to ask waits for a stalled bus to move again."""
_LONGEST_PING_S = 60
"""Longer than nats-py takes to give a silent server up: an answer to a ping that was given up ends its reader."""

Callback = Callable[[], Awaitable[None]]


class NatsConnection:
    """Owns the client. Subscriptions survive a reconnect of the same client; `client` may be another one after
    `on_connected` was called, and then knows none of them."""

    def __init__(
        self,
        settings: NodeSettings,
        name: str,
        supervisor: Supervisor | None = None,
        user: BusUser = BusUser.TOOLS,
    ) -> None:
        """`name` is the name of this process. `user` is the NATS user whose permissions it has. Answers arrive under
        subjects of that user."""
        self._settings = settings
        self._login = Login(settings)
        self._inbox = inbox_of(user, name)
        self.denials = Denials(lambda: f"{user} ({self._login.who})")
        """What the server does not let this process do."""
        self._supervisor = supervisor or Supervisor()
        self._name = name
        self._client: Client | None = None
        self._closing = False
        self._connected = False
        self._revival: asyncio.Task[None] | None = None
        self._pulse = Pulse(time.monotonic)
        self._pulse_keeper: asyncio.Task[None] | None = None
        self._pings: set[asyncio.Future[None]] = set()
        self._attempts = 0
        self._last_error = ""
        self._slow_told_at = -_TELL_EVERY_S
        self._told_away: set[str] = set()
        self._on_connected: list[Callback] = []
        self._on_lost: list[Callable[[], None]] = []

    @property
    def connected(self) -> bool:
        """Whether the server is reachable right now, as far as known."""
        return self._connected and self._client is not None and self._client.is_connected

    @property
    def hearing(self) -> int:
        """See `Bus.hearing`."""
        return self._pulse.hearing if self.connected else 0

    async def moves(self) -> bool:
        """Whether the server can be asked something now: it is reachable and not stalled, or soon no more."""
        return self.connected and await self._pulse.heard_within(_STALL_S) and self.connected

    @property
    def restricted(self) -> bool:
        """Whether this process may do only what its user needs, as far as known."""
        return self._login.restricted

    def denial_of(self, *subjects: str) -> str:
        """Why a request on one of these is not answered: NATS lets us not ask, or not hear any answer. Empty when it
        lets us do both, as far as known."""
        found = (self.denials.of("publish", subject) for subject in subjects)
        return next((denial for denial in found if denial), "") or self.denials.of_answers(self._inbox)

    @property
    def client(self) -> Client:
        """The client in use. RuntimeError before `open` has succeeded."""
        if self._client is None:
            raise RuntimeError("not connected yet")
        return self._client

    def on_connected(self, callback: Callback) -> None:
        """Have `callback` called after every connect and reconnect, in the order in which they were given."""
        self._on_connected.append(callback)

    def on_lost(self, callback: Callable[[], None]) -> None:
        """Have `callback` called, on the event loop, each time the connection breaks. It must not block."""
        self._on_lost.append(callback)

    async def open(self) -> None:
        """Connect, waiting up to `connect_timeout_s`. Raises `StartError`."""
        where = ", ".join(without_secrets(url) for url in self._settings.nats_servers)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._settings.connect_timeout_s
        announced = False
        while True:
            try:
                await self._connect()
                self._pulse_keeper = self._supervisor.spawn(self._pulse.keep(self._ping, self._abandon), "nats pulse")
                return
            except (OSError, nats.errors.Error, TimeoutError) as error:
                reason = self._last_error or str(error) or type(error).__name__
                if "authorization" in reason.lower():
                    raise StartError(f"NATS at {where} refused {self._login.who}") from error
                if wrong := _tls_fault(error):
                    raise StartError(f"NATS at {where}: {wrong}") from error
            left = deadline - loop.time()
            if left <= 0:
                raise StartError(f"NATS at {where} is not reachable: {reason}")
            if not announced:
                log.warning("Waiting for NATS", url=where, reason=reason, at_most_s=self._settings.connect_timeout_s)
                announced = True
            await asyncio.sleep(min(left, 0.2 + random.random() * 0.3))

    async def settle(self) -> None:
        """Wait until the server has taken in all that was sent. Raises what nats-py does when it can't."""
        # Twice, since nats-py writes the ping of a flush before the commands still waiting to be written.
        await self._round_trip(2)
        await self._round_trip(2)

    async def require_permissions(self) -> None:
        """Raises `StartError` that names the user and the subject if NATS has refused anything of all that was sent."""
        try:
            await self.settle()
        except (nats.errors.Error, OSError, TimeoutError) as error:
            log.debug("NATS did not confirm what was sent", reason=str(error))
        if denial := self.denials.first():
            raise StartError(denial)

    async def close(self) -> None:
        """Send what is pending and end the connection, within `_CLOSE_S`, in whatever state it and the server are."""
        self._closing = True
        self._connected = False
        metrics.BUS_CONNECTED.set(0)
        await self._supervisor.end(*(task for task in (self._revival, self._pulse_keeper) if task is not None))
        if self._client is not None and not self._client.is_closed:
            # In a task of its own, since nats-py raises CancelledError when it lost the server a moment before: it then
            # waits for a transport whose end another of its tasks, cancelled meanwhile, waited for first.
            ending = asyncio.ensure_future(_end(self._client))
            await asyncio.wait([ending], timeout=_CLOSE_S)
            if not ending.done() or ending.cancelled():
                log.debug("Connection to NATS did not close in order")
            ending.cancel()
        self._give_up_pings()

    async def _connect(self) -> None:
        client = TlsClient(demand_tls=self._login.demands_tls)
        self.denials.forget()
        async with asyncio.timeout(3 * _CONNECT_TIMEOUT_S):
            await client.connect(
                servers=self._settings.nats_servers,
                name=self._name,
                connect_timeout=_CONNECT_TIMEOUT_S,
                allow_reconnect=False,
                max_reconnect_attempts=1,
                reconnect_time_wait=0,
                inbox_prefix=self._inbox,
                **self._login.options(),
                **self._options(),
            )
        version, text = _version(client)
        if version < OLDEST_SERVER:
            await client.close()
            raise StartError(f"nats-server {text} is too old: {OLDEST_SERVER[0]}.{OLDEST_SERVER[1]} or newer is needed")
        # Fail fast at the start, never give up later: the client knows only one of both at a time.
        client.options.update(allow_reconnect=True, max_reconnect_attempts=-1, reconnect_time_wait=1)
        client.set_server_pool(self._settings.nats_servers)
        if self._client is None:
            self._say_how_open(client)
        self._client = client
        self._connected = True
        self._pulse.answered()
        metrics.BUS_CONNECTED.set(1)
        self._look_at_certificate(client)
        await self._announce()

    def _look_at_certificate(self, client: Client) -> None:
        """An operator has to know before nodes that connect are refused."""
        ends = certificate_ends(client)
        metrics.BUS_CERTIFICATE_EXPIRES.set(ends)
        if ends and ends - time.time() < _SOON_S:
            day = time.strftime("%Y-%m-%d", time.gmtime(ends))
            log.warning("The certificate of NATS expires soon", expires=day)

    def _abandon(self) -> None:
        if isinstance(self._client, TlsClient) and self._client.is_connected:
            log.warning("NATS has not answered for long, connecting anew")
            self._client.abandon()

    def _ping(self) -> asyncio.Future[None]:
        """Ends when the server has answered. It is left alone for whoever waits no longer, and cancelled with the
        connection: in nats-py, an answer to a ping that was given up ends the reader of a living connection."""
        ping = asyncio.ensure_future(self.client.flush(timeout=_LONGEST_PING_S))
        self._pings.add(ping)
        ping.add_done_callback(self._pings.discard)
        return ping

    async def _round_trip(self, timeout_s: float) -> None:
        ping = self._ping()
        await asyncio.wait([ping], timeout=timeout_s)
        if not ping.done():
            raise TimeoutError("the server does not answer a ping")
        if ping.cancelled():
            raise ConnectionError("the connection to the server is gone")
        ping.result()

    def _give_up_pings(self) -> None:
        for ping in list(self._pings):
            ping.cancel()

    def _say_how_open(self, client: Client) -> None:
        if not client._server_info.get("auth_required"):
            words = "whoever reaches it can do everything in this cluster"
            log.warning("NATS asks nobody for credentials", reason=words, ours_are_ignored=self._login.restricted)
        if crosses_in_the_clear(client):
            words = "whoever listens on the way reads descriptions and passwords, and can answer in the server's place"
            log.warning("NATS is on another machine and is spoken to without TLS", user=self._login.who, reason=words)

    def _options(self) -> dict[str, Any]:
        options: dict[str, Any] = {
            "reconnect_to_server_handler": self._pick_server,
            "ping_interval": _PING_INTERVAL_S,
            "max_outstanding_pings": 2,
            "pending_size": _PENDING_BYTES,
            "flush_timeout": 2,
            "drain_timeout": 2,
            "error_cb": self._on_error,
            "disconnected_cb": self._guarded(self._on_disconnected),
            "reconnected_cb": self._guarded(self._on_reconnected),
            "closed_cb": self._guarded(self._on_closed),
        }
        return options

    def _pick_server(self, pool: list[PoolServer], _info: dict[str, Any]) -> tuple[PoolServer, float]:
        """Next server and the pause before trying it: jitter from the first try on, so that a restarted NATS isn't
        met by all nodes at once."""
        self._attempts += 1
        self._read_certificates_again()
        pause = min(_LONGEST_PAUSE_S, 0.1 * 2 ** min(self._attempts, 8)) * (0.5 + random.random() / 2)
        return pool[self._attempts % len(pool)], pause

    def _read_certificates_again(self) -> None:
        """They may have been renewed since the last connect. While they are wrong, the former ones stay."""
        if self._client is not None and self._login.demands_tls:
            try:
                self._client.options["tls"] = self._login.tls()
            except StartError as error:
                log.error("The certificates for NATS can't be used, the former ones stay", reason=str(error))

    def _guarded(self, callback: Callback) -> Callback:
        """nats-py goes on by itself when the server is gone again; another exception would end its task, unheard."""
        return self._supervisor.guarded(callback, "nats callback", (nats.errors.Error, OSError, TimeoutError))

    async def _announce(self) -> None:
        for callback in self._on_connected:
            await callback()

    def _lose(self) -> None:
        self._give_up_pings()
        if self._connected:
            self._connected = False
            self._pulse.lost()
            metrics.BUS_CONNECTED.set(0)
            for callback in self._on_lost:
                callback()

    async def _on_error(self, error: Exception) -> None:
        if isinstance(error, nats.errors.SlowConsumerError):
            metrics.BUS_EVENTS_DROPPED.labels(EventDrop.SLOW).inc()
            now = asyncio.get_running_loop().time()
            if now >= self._slow_told_at + _TELL_EVERY_S:
                self._slow_told_at = now
                log.warning("Messages come faster than they are handled, some were dropped", subject=error.subject)
            return
        if self.denials.take(str(error)):
            return
        self._last_error = str(error) or type(error).__name__
        if self._connected:
            log.warning("NATS reports a fault", reason=self._last_error)
        elif self._client is not None:
            self._say_why_away(self._last_error)

    def _say_why_away(self, reason: str) -> None:
        """Each reason once in an outage, and only so many: an attempt is made every other second."""
        if reason not in self._told_away and len(self._told_away) < _MOST_REASONS:
            self._told_away.add(reason)
            log.warning("NATS is not back yet", reason=reason)

    async def _on_disconnected(self) -> None:
        if self._connected and not self._closing:
            log.warning("NATS is gone, reconnecting")
        self._lose()

    async def _on_reconnected(self) -> None:
        version, text = _version(self.client)
        if version < OLDEST_SERVER:
            log.error("NATS came back too old to be used", version=text)
        self._attempts = 0
        self._told_away.clear()
        self.denials.forget()
        self._connected = True
        self._pulse.answered()
        metrics.BUS_CONNECTED.set(1)
        metrics.BUS_RECONNECTS.inc()
        log.info("NATS is back", server=text)
        self._look_at_certificate(self.client)
        await self._announce()

    async def _on_closed(self) -> None:
        """The client gave up by itself, e.g. since the server refused it for a while. Start over with a new one."""
        if self._closing or self._client is None:
            return
        self._lose()
        if self._revival is None or self._revival.done():
            self._revival = self._supervisor.spawn(self._revive(), "nats revival", finite=True)

    async def _revive(self) -> None:
        log.warning("NATS ended the connection, connecting anew", reason=self._last_error)
        while not self._closing:
            await asyncio.sleep(0.5 + random.random())
            try:
                await self._connect()
            except (OSError, nats.errors.Error, TimeoutError, StartError) as error:
                log.debug("NATS is not reachable yet", reason=str(error))
            else:
                metrics.BUS_RECONNECTS.inc()
                log.info("NATS is back")
                return


def _tls_fault(error: Exception) -> str:
    """What is wrong with the TLS of the server, which waiting does not mend; empty when it is something else."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is refused: {error.verify_message} (see RILLCAST_NATS_CA, RILLCAST_NATS_SERVER_NAME)"
    if isinstance(error, ssl.SSLError):
        return f"no TLS connection comes about: {error.reason or error}"
    return str(error) if isinstance(error, TlsMissing) else ""


async def _end(client: Client) -> None:
    try:
        if client.is_connected:
            await client.flush(timeout=1)
        await client.close()
    except (OSError, nats.errors.Error, TimeoutError) as error:
        log.debug("Connection to NATS did not close in order", reason=str(error))


def _version(client: Client) -> tuple[tuple[int, int], str]:
    """The server's version to compare and to show; (0, 0) when it tells none that makes sense."""
    version = client.connected_server_version
    try:
        return (version.major, version.minor), f"{version.major}.{version.minor}.{version.patch}"
    except ValueError:
        return (0, 0), "without version"
