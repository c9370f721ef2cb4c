"""`Bus` on NATS core: requests with deadlines, events, trace context, and bounds on everything."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import msgspec
import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from opentelemetry.trace import SpanKind, StatusCode

from rillcast.contracts.decoding import Undecodable
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.permissions import INBOX
from rillcast.contracts.version import PROTOCOL_VERSION
from rillcast.runtime import metrics
from rillcast.runtime.bus import envelope, spans
from rillcast.runtime.bus.envelope import EventDrop, label
from rillcast.runtime.bus.nats_connection import NatsConnection
from rillcast.runtime.bus.serving import OVERLOAD, ServedOutcome, carry_out
from rillcast.runtime.errors import PermissionMissing, RequestOutcome
from rillcast.runtime.ports import Answer, Event, Request
from rillcast.runtime.tasks.cancel import heeding
from rillcast.runtime.telemetry.logs import get_logger
from rillcast.runtime.telemetry.tracing import extract, inject, tracer

log = get_logger(__name__)
trace = tracer(__name__)

_HEADER_ROOM = 4 * 1024
_INBOXES = f"{INBOX}."
_STORE = "$JS."
"""What the reply subject of messages out of the key-value store begins with."""
_PROTOCOL = {envelope.PROTOCOL_HEADER: str(PROTOCOL_VERSION)}
_FOREIGN_VERSIONS_TOLD = 8
"""Each one is logged once. There are hardly ever more than two in one cluster."""
_FINISH_S = 1.0
"""How long closing waits for what is under way."""
_PENDING_BYTES = 32 * 1024 * 1024
_BY_SCOPE: Any = None
"""The client's own timeout of a request, which is wanted as a number: none, since a scope ends the wait."""


@dataclass
class _Subscription:
    subject: str
    queue: str
    callback: Callable[[Msg], Awaitable[None]]
    waiting: int
    client: Client | None = None
    """Who knows it: that client restores it by itself after a reconnect."""
    running: Subscription | None = None


_requests = lru_cache(512)(metrics.BUS_REQUESTS.labels)
"""Looking up what counts costs more than counting, and each join counts a dozen times."""
_request_seconds = lru_cache(512)(metrics.BUS_REQUEST_SECONDS.labels)
_served = lru_cache(512)(metrics.BUS_SERVED.labels)


class _Unanswered(Exception):
    def __init__(self, outcome: RequestOutcome, why: str) -> None:
        super().__init__(why)
        self.outcome = outcome
        self.why = why


class NatsBus:
    """See `rillcast.runtime.ports.Bus`. Closes with its connection."""

    def __init__(self, connection: NatsConnection) -> None:
        self._connection = connection
        self._subscriptions: list[_Subscription] = []
        self._waiting: dict[asyncio.Timeout, str] = {}
        """Who waits for an answer, and on which subject."""
        self._working: set[asyncio.Task[None]] = set()
        self._foreign: set[int] = set()
        """The versions of the protocol that were heard besides ours, and told of."""
        connection.on_connected(self._restore)
        connection.on_lost(self._give_up_waiting)
        connection.denials.on_publish(self._give_up_waiting)

    @property
    def connected(self) -> bool:
        """Whether NATS is reachable right now."""
        return self._connection.connected

    @property
    def hearing(self) -> int:
        """See `Bus.hearing`."""
        return self._connection.hearing

    async def close(self) -> None:
        """Take no more requests, and end the handlers that are not done soon."""
        await self._unsubscribe()
        if self._working:
            await asyncio.wait(list(self._working), timeout=_FINISH_S)
        for task in list(self._working):
            task.cancel()
        await asyncio.gather(*self._working, return_exceptions=True)

    # ---- asking

    async def request(
        self, subject: str, message: msgspec.Struct, answer: type[Answer], *, timeout_s: float = 3.0
    ) -> Answer:
        """See `Bus.request`."""
        body = self._encode(message)
        name = label(subject)
        of_request = spans.request(subject)
        with trace.start_as_current_span(f"request {name}", kind=SpanKind.CLIENT, attributes=of_request) as span:
            headers = {
                **_PROTOCOL,
                envelope.DEADLINE_HEADER: str(int(timeout_s * 1_000)),
                envelope.ID_HEADER: secrets.token_hex(8),
            }
            inject(headers)
            started = asyncio.get_running_loop().time()
            outcome = RequestOutcome.OK
            try:
                reply = await self._ask(subject, body, headers, timeout_s)
                return envelope.decode_answer(reply, answer)
            except _Unanswered as error:
                outcome = error.outcome
                span.set_attribute("rillcast.outcome", outcome.value)
                raise envelope.nobody(subject, error.why, error.outcome) from None
            except Undecodable as error:
                outcome = RequestOutcome.UNDECODABLE
                log.error("An answer from another node makes no sense", subject=subject, reason=str(error))
                raise RillcastError(ErrorCode.SERVER_ERROR, f"the answer on {name} makes no sense") from error
            except RillcastError:
                outcome = RequestOutcome.REFUSED
                raise
            except asyncio.CancelledError:
                outcome = RequestOutcome.CANCELLED
                span.set_attribute("rillcast.cancelled", value=True)
                raise
            finally:
                _requests(name, outcome).inc()
                _request_seconds(name).observe(asyncio.get_running_loop().time() - started)

    async def _ask(self, subject: str, body: bytes, headers: dict[str, str], timeout_s: float) -> bytes:
        if not self.connected:
            raise _Unanswered(RequestOutcome.DISCONNECTED, "the bus is down")
        if not await self._connection.moves():  # what is sent now would be carried out when nobody waits any more
            raise _Unanswered(RequestOutcome.STALLED, "the bus does not answer")
        try:
            with heeding():
                reply = await self._reply_to(subject, body, headers, timeout_s)
        except nats.errors.NoRespondersError:
            raise _Unanswered(RequestOutcome.NOBODY, "nobody listens") from None
        except (TimeoutError, nats.errors.TimeoutError):
            if not self.connected:
                raise _Unanswered(RequestOutcome.DISCONNECTED, "the bus went down") from None
            if denial := self._connection.denial_of(subject):
                raise _Unanswered(RequestOutcome.DENIED, denial) from None
            raise _Unanswered(RequestOutcome.TIMEOUT, f"nothing came within {timeout_s:g} s") from None
        except (nats.errors.Error, OSError) as error:
            raise _Unanswered(RequestOutcome.DISCONNECTED, f"the bus failed ({type(error).__name__})") from error
        if (protocol := envelope.protocol_of(reply.headers)) != PROTOCOL_VERSION:
            raise _Unanswered(RequestOutcome.VERSION, envelope.other_version(protocol))
        return reply.data

    async def _reply_to(self, subject: str, body: bytes, headers: dict[str, str], timeout_s: float) -> Msg:
        """The scope decides when to stop waiting: at the deadline, or at once when the bus is lost."""
        async with asyncio.timeout(timeout_s) as scope:
            self._waiting[scope] = subject
            try:
                return await self._connection.client.request(subject, body, timeout=_BY_SCOPE, headers=headers)
            finally:
                del self._waiting[scope]

    def _give_up_waiting(self, denied: str | None = None) -> None:
        """All, or those who asked on the subject that was denied (in lower case)."""
        now = asyncio.get_running_loop().time()
        for scope, subject in self._waiting.items():
            if not scope.expired() and denied in {None, subject.lower()}:
                scope.reschedule(now)

    async def emit(self, subject: str, event: msgspec.Struct) -> None:
        """See `Bus.emit`."""
        try:
            body = self._encode(event)
        except RillcastError as error:
            metrics.BUS_EVENTS_DROPPED.labels(EventDrop.TOO_LARGE).inc()
            log.error("An event can't be sent", subject=subject, reason=error.message)
            return
        if not self.connected:
            metrics.BUS_EVENTS_DROPPED.labels(EventDrop.DISCONNECTED).inc()
            return
        headers = dict(_PROTOCOL)
        inject(headers)
        try:
            await self._connection.client.publish(subject, body, headers=headers)
        except (nats.errors.Error, OSError) as error:
            metrics.BUS_EVENTS_DROPPED.labels(EventDrop.DISCONNECTED).inc()
            log.debug("An event was not sent", subject=subject, reason=str(error))

    def _encode(self, message: msgspec.Struct) -> bytes:
        body = envelope.encode(message)
        if self.connected and len(body) > self._connection.client.max_payload - _HEADER_ROOM:
            raise RillcastError(
                ErrorCode.BAD_REQUEST, f"{type(message).__name__} of {len(body)} bytes is larger than NATS takes"
            )
        return body

    # ---- answering

    async def serve(
        self,
        subject: str,
        request: type[Request],
        handler: Callable[[Request], Awaitable[msgspec.Struct]],
        *,
        queue: str = "",
    ) -> None:
        """See `Bus.serve`."""
        running = 0

        async def answer_one(msg: Msg) -> None:
            nonlocal running
            try:
                await self._respond(msg, await self._answer(msg, request, handler))
            finally:
                running -= 1

        async def take(msg: Msg) -> None:
            nonlocal running
            if msg.reply.startswith(_STORE):
                metrics.BUS_SERVED.labels(label(subject), ServedOutcome.NO_INBOX).inc()
                return
            if running >= envelope.MAX_CONCURRENT:
                metrics.BUS_SERVED.labels(label(subject), ServedOutcome.OVERLOAD).inc()
                await self._respond(msg, envelope.encode_failure(OVERLOAD))
                return
            running += 1
            task = asyncio.create_task(answer_one(msg), name=f"serve {label(subject)}")
            self._working.add(task)
            task.add_done_callback(self._working.discard)

        await self._subscribe(_Subscription(subject, queue, take, 4 * envelope.MAX_CONCURRENT))

    async def _answer(
        self, msg: Msg, request: type[Request], handler: Callable[[Request], Awaitable[msgspec.Struct]]
    ) -> bytes:
        name = label(msg.subject)
        headers = msg.headers
        of_process = spans.process(msg.subject)
        with trace.start_as_current_span(
            f"process {name}", context=extract(headers), kind=SpanKind.SERVER, attributes=of_process
        ) as span:
            span.set_attribute("messaging.message.id", (headers or {}).get(envelope.ID_HEADER, ""))
            outcome, body = await carry_out(
                msg.subject,
                msg.data,
                request,
                handler,
                envelope.remaining_s(headers),
                protocol=envelope.protocol_of(headers),
            )
            _served(name, outcome).inc()
            if outcome not in {ServedOutcome.OK, ServedOutcome.REFUSED}:
                span.set_status(StatusCode.ERROR, outcome.value)
            return body

    async def _respond(self, msg: Msg, body: bytes) -> None:
        if not msg.reply or not self.connected:
            return
        if not msg.reply.startswith(_INBOXES):
            # What we may publish, others may not make us publish.
            metrics.BUS_SERVED.labels(label(msg.subject), "no_inbox").inc()
            return
        try:
            await self._connection.client.publish(msg.reply, body, headers=_PROTOCOL)
        except (nats.errors.Error, OSError) as error:
            log.warning("An answer could not be sent", subject=msg.subject, reason=str(error))

    # ---- listening

    async def listen(self, subject: str, event: type[Event], handler: Callable[[str, Event], Awaitable[None]]) -> None:
        """See `Bus.listen`."""

        async def take(msg: Msg) -> None:
            if msg.reply:
                # Nobody waits for an answer to an event. The store puts one on what a consumer makes it deliver, and it
                # delivers to subjects on which the owner of the consumer may not publish.
                metrics.BUS_EVENTS_DROPPED.labels(EventDrop.SENDER).inc()
                return
            if (protocol := envelope.protocol_of(msg.headers)) != PROTOCOL_VERSION:
                self._drop_foreign(msg.subject, protocol)
                return
            try:
                decoded = envelope.decode(msg.data, event)
            except Undecodable as error:
                metrics.BUS_EVENTS_DROPPED.labels(EventDrop.UNDECODABLE).inc()
                log.warning("An event makes no sense", subject=msg.subject, reason=str(error))
                return
            with self._consumer_span(msg):
                try:
                    await handler(msg.subject, decoded)
                except Exception:
                    metrics.BUS_EVENTS_DROPPED.labels(EventDrop.ERROR).inc()
                    log.exception("Handling an event failed", subject=msg.subject)

        await self._subscribe(_Subscription(subject, "", take, envelope.MAX_WAITING_EVENTS))

    def _drop_foreign(self, subject: str, protocol: int) -> None:
        metrics.BUS_EVENTS_DROPPED.labels(EventDrop.VERSION).inc()
        if protocol not in self._foreign and len(self._foreign) < _FOREIGN_VERSIONS_TOLD:
            self._foreign.add(protocol)
            words = envelope.other_version(protocol)
            log.warning("Events of nodes with another version are dropped", subject=subject, reason=words)

    @staticmethod
    def _consumer_span(msg: Msg) -> AbstractContextManager[object]:
        if not msg.headers or "traceparent" not in msg.headers:
            return nullcontext()
        return trace.start_as_current_span(
            f"process {label(msg.subject)}",
            context=extract(msg.headers),
            kind=SpanKind.CONSUMER,
            attributes=spans.process(msg.subject),
        )

    async def _subscribe(self, subscription: _Subscription) -> None:
        self._subscriptions.append(subscription)
        if self._connection.connected:
            await self._start(subscription)
            await self._settle()
            if denial := self._connection.denials.of("subscribe", subscription.subject):
                raise PermissionMissing(denial)

    async def _start(self, subscription: _Subscription) -> None:
        subscription.client = self._connection.client
        subscription.running = await subscription.client.subscribe(
            subscription.subject,
            queue=subscription.queue,
            cb=subscription.callback,
            pending_msgs_limit=subscription.waiting,
            pending_bytes_limit=_PENDING_BYTES,
        )

    async def _unsubscribe(self) -> None:
        """Else the server goes on handing us requests that nobody answers any more."""
        subscriptions, self._subscriptions = self._subscriptions, []
        if not self.connected:
            return
        running = [subscription.running for subscription in subscriptions if subscription.running is not None]
        try:
            async with asyncio.timeout(_FINISH_S):
                await asyncio.gather(*(one.drain() for one in running))  # type: ignore[no-untyped-call]
        except (nats.errors.Error, OSError, TimeoutError) as error:
            log.debug("Subscriptions did not end in order", reason=str(error))

    async def _settle(self) -> None:
        """Wait until the server knows our subscriptions: who is told that a node is there may ask it at once."""
        try:
            await self._connection.settle()
        except (nats.errors.Error, OSError, TimeoutError) as error:
            log.debug("NATS did not confirm a subscription, it follows with the reconnect", reason=str(error))

    async def _restore(self) -> None:
        """Subscribe what the client in use does not know: it is new, or was reconnecting when somebody subscribed."""
        for subscription in self._subscriptions:
            if subscription.client is not self._connection.client:
                await self._start(subscription)
