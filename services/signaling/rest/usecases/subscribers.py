"""Subscribers of a stream: who they are, their codes, and who is blocked.

What is not done is answered 200 with ``success: false``, as Ant Media does.
"""

from __future__ import annotations

from collections.abc import Callable

from rillcast.contracts.access_records import SubscriberRecord
from rillcast.contracts.ids import NodeId, is_stream_id
from rillcast.contracts.words import EndReason, Role, SubscriberType
from rillcast.runtime.telemetry.logs import get_logger
from services.signaling import metrics
from services.signaling.core.domain.doors import time_token_secret, too_short
from services.signaling.core.domain.holds import over
from services.signaling.core.domain.result import Result
from services.signaling.core.domain.totp import ENOUGH_BITS, code_at, derived_key, key_of
from services.signaling.core.ports import Apps
from services.signaling.core.usecases.connection_log import ConnectionLog
from services.signaling.core.usecases.grants import Grants
from services.signaling.core.usecases.subscriber_store import MAX_SUBSCRIBER_ID, SubscriberStore
from services.signaling.rest.domain.access_shapes import (
    ConnectionEvent,
    NewSubscriber,
    Subscriber,
    shown_events,
    shown_subscriber,
)
from services.signaling.rest.domain.paging import page
from services.signaling.rest.domain.parameters import (
    App,
    BlockSeconds,
    BlockType,
    Offset,
    Size,
    Stream,
    SubscriberName,
    SubscriberQuery,
    TokenType,
)

log = get_logger(__name__)

NO_ID = "Missing parameter: Make sure you set subscriber object correctly and make subscriberId's length at least 3"
BAD_SECRET = "Secret code is not multiple of 8 bytes length. Use base32 text whose length is a multiple of 8"
NO_SECRET = "Secret is not set in AppSettings. Please set timetokensecret publish or play in Application settings"
NAMESAKE = (
    "This subscriberId and streamId are those of another subscriber, one after the other, so both have the same codes. "
    "Give it a b32Secret, or the app a timeTokenSeparator"
)
TYPES = "one of publish, play, publish_play"
NO_END = "blockedUntilUnitTimeStampMs: until when blockedType holds, in Unix milliseconds"
MIN_ID = 3
MAX_CONNECTIONS = 1_000
PERIODS_S = range(10, 86_401)
LONGEST_BLOCK_S = 3_155_760_000
"""A century: whoever says more means for ever."""
LATEST_MS = 253_402_300_799_999
"""The end of the year 9999."""


class Subscribers:
    """One per signaling instance. Every method that writes raises STORE_UNAVAILABLE."""

    def __init__(
        self,
        store: SubscriberStore,
        connections: ConnectionLog,
        apps: Apps,
        grants: Grants,
        address_of: Callable[[NodeId], str],
    ) -> None:
        """`address_of`: a node's address, for ``registeredNodeIp``."""
        self._store = store
        self._connections = connections
        self._apps = apps
        self._grants = grants
        self._address_of = address_of

    async def list_page(self, app: App, stream: Stream, offset: Offset, size: Size) -> list[Subscriber]:
        """The subscribers of a stream, registered or not, by their id."""
        return [self._shown(record) for record in page(self._store.of_stream(app, stream), offset, size)]

    async def events(
        self, app: App, stream: Stream, offset: Offset, size: Size, subscriber_id: SubscriberQuery = ""
    ) -> list[ConnectionEvent]:
        """When the stream's subscribers, or one of them, connected and disconnected, the oldest first."""
        return list(page(shown_events(self._connections.of_stream(app, stream, subscriber_id)), offset, size))

    def _shown(self, record: SubscriberRecord) -> Subscriber:
        settings = self._apps.settings(record.app)
        kept = self._connections.open(record.app, record.stream, record.subscriber_id)
        holds = max((record.holds, kept), key=len)
        return shown_subscriber(
            record,
            connections=len(holds),
            node_ip=self._address_of(holds[0].media_node or holds[0].instance) if holds else "",
            averages_bps=self._connections.averages(record.app, record.stream, record.subscriber_id),
            period_s=settings.time_token_period if settings is not None else 0,
        )

    async def add(self, app: App, stream: Stream, body: NewSubscriber | None) -> Result:
        """Register a subscriber, or change one. Its connections stay, and so does its block unless the body has one.
        Raises HIGH_RESOURCE_USAGE."""
        now_ms = self._grants.now_ms()
        wrong = "Stream id is not valid." if not is_stream_id(stream) else _wrong(body, now_ms)
        if wrong or body is None:
            return _no(wrong)
        if not body.b32_secret and self._ambiguous(app, stream, body.subscriber_id or ""):
            metrics.AMBIGUOUS_SUBSCRIBERS.labels("registration").inc()
            return _no(NAMESAKE)
        blocks = body.blocked_until_unit_time_stamp_ms > now_ms
        record = await self._store.put(
            SubscriberRecord(
                app=app,
                stream=stream,
                subscriber_id=body.subscriber_id or "",
                subscriber_name=body.subscriber_name,
                b32_secret=body.b32_secret or "",
                type=_type_of(body),
                concurrent_connections_limit=body.concurrent_connections_limit,
                totp_expiry_period_seconds=body.totp_expiry_period_seconds or 0,
                blocked_type=SubscriberType(body.blocked_type) if blocks and body.blocked_type else None,
                blocked_until_ms=min(body.blocked_until_unit_time_stamp_ms, LATEST_MS) if blocks else 0,
            )
        )
        if blocks:
            self._end_blocked(record)
        self._tell_of_short_secret(app, stream, body)
        return Result(success=True)

    def _tell_of_short_secret(self, app: App, stream: Stream, body: NewSubscriber) -> None:
        """It is taken as Ant Media takes it, so the answer says nothing of it."""
        key = key_of(body.b32_secret or "")
        if key is not None and (bits := 8 * len(key)) < ENOUGH_BITS:
            metrics.SHORT_SUBSCRIBER_SECRETS.inc()
            log.warning(
                "The secret of a subscriber is short: who sees some of its codes may find it",
                app=app,
                stream=stream,
                subscriber=body.subscriber_id,
                bits=bits,
                rfc_4226_asks_for=ENOUGH_BITS,
            )

    async def delete(self, app: App, stream: Stream, subscriber: SubscriberName) -> Result:
        """Forget one. Its sessions go on."""
        return Result(success=is_stream_id(stream) and await self._store.delete(app, stream, subscriber))

    async def delete_all(self, app: App, stream: Stream) -> Result:
        """Forget all of a stream."""
        await self._store.delete_all(app, stream)
        return Result(success=True)

    async def code(self, app: App, stream: Stream, subscriber: SubscriberName, kind: TokenType = "") -> Result:
        """The code of this moment, to be handed to the client."""
        settings = self._apps.settings(app)
        if settings is None or not subscriber or not is_stream_id(stream):
            return _no("streamId or subscriberId is blank")
        record = await self._store.find(app, stream, subscriber)
        period_s = settings.time_token_period
        key: bytes | None
        if record is not None and record.b32_secret:
            key, period_s = key_of(record.b32_secret), record.totp_expiry_period_seconds or period_s
        elif self._ambiguous(app, stream, subscriber):
            metrics.AMBIGUOUS_SUBSCRIBERS.labels("code").inc()
            return _no(NAMESAKE)
        else:
            role = Role.PLAY if kind == Role.PLAY.value else Role.PUBLISH
            secret, separator = time_token_secret(settings, role), settings.time_token_separator
            key = None if too_short(secret) else derived_key(secret, subscriber, stream, role, separator)
        if key is None:
            return _no(NO_SECRET)
        return Result(success=True, data_id=code_at(key, self._grants.now_ms() / 1_000, period_s))

    def _ambiguous(self, app: App, stream: Stream, subscriber: str) -> bool:
        """Whether its codes would be those of another registered subscriber."""
        settings = self._apps.settings(app)
        if settings is None or settings.time_token_separator:
            return False
        has_codes = any(time_token_secret(settings, role) for role in Role)
        return has_codes and self._store.namesake(app, stream, subscriber) is not None

    async def block(
        self, app: App, stream: Stream, subscriber: SubscriberName, seconds: BlockSeconds, kind: BlockType
    ) -> Result:
        """Block one, known or not, for so many seconds, and end its sessions at once; 0 ends a block."""
        if kind not in tuple(SubscriberType):
            return _no(f"type: {TYPES}")
        if not is_stream_id(stream) or not 0 < len(subscriber) <= MAX_SUBSCRIBER_ID:
            return _no("streamId or subscriberId is blank or too long")
        blocks = seconds > 0
        until_ms = self._grants.now_ms() + min(seconds, LONGEST_BLOCK_S) * 1_000 if blocks else 0
        what = SubscriberType(kind) if blocks else None
        self._end_blocked(await self._store.block(app, stream, subscriber, kind=what, until_ms=until_ms))
        return Result(success=True)

    def _end_blocked(self, record: SubscriberRecord | None) -> None:
        """End what a blocked subscriber has at instances that are gone. The others end their own sessions."""
        if record is None or record.blocked_type is None:
            return
        orphans = [hold for hold in over(record.holds, self._grants.alive) if record.blocked_type.covers(hold.role)]
        self._grants.end_all(orphans, EndReason.USER_BLOCKED)


def _wrong(body: NewSubscriber | None, now_ms: int) -> str:
    """What is wrong with a subscriber, in words; empty when nothing is."""
    if body is None or not body.subscriber_id or not MIN_ID <= len(body.subscriber_id) <= MAX_SUBSCRIBER_ID:
        return NO_ID
    period_s = body.totp_expiry_period_seconds
    faults = {
        BAD_SECRET: bool(body.b32_secret) and key_of(body.b32_secret or "") is None,
        f"subscriberName: at most {MAX_SUBSCRIBER_ID} characters": len(body.subscriber_name or "") > MAX_SUBSCRIBER_ID,
        f"concurrentConnectionsLimit: 1 to {MAX_CONNECTIONS}": (
            not 1 <= body.concurrent_connections_limit <= MAX_CONNECTIONS
        ),
        "totpExpiryPeriodSeconds: 10 to 86400": bool(period_s) and period_s not in PERIODS_S,
        NO_END: bool(body.blocked_type) and not body.blocked_until_unit_time_stamp_ms,
        f"blockedType: {TYPES}": (
            body.blocked_until_unit_time_stamp_ms > now_ms and body.blocked_type not in tuple(SubscriberType)
        ),
    }
    return next((words for words, wrong in faults.items() if wrong), "")


def _type_of(body: NewSubscriber) -> SubscriberType | None:
    """As Ant Media takes it: anything but the three words is none, and is shown as none."""
    return SubscriberType(body.type) if body.type in tuple(SubscriberType) else None


def _no(why: str) -> Result:
    return Result(success=False, message=why)
