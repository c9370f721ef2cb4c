"""Takes events out of the queue and tells their receivers, each at its own pace.

One instance of the cluster does it: the first by name. When two think that they are it, a receiver is told twice, and
knows it by the id. Nothing is taken out before its receiver has answered, or it is given up.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn, Protocol

import msgspec
from opentelemetry.context import Context
from opentelemetry.trace import StatusCode

from rillcast.cluster.shares import SharedPlaces
from rillcast.contracts.decoding import Undecodable, decode_json
from rillcast.contracts.errors import RillcastError
from rillcast.contracts.hook_records import DueHook
from rillcast.contracts.records import AppSettings
from rillcast.contracts.subjects import HOOKS_KEPT_S
from rillcast.runtime.ports import Queued, WorkQueue
from rillcast.runtime.telemetry.tracing import get_logger, tracer
from services.signaling import metrics
from services.signaling.core.domain.hook_signature import EVENT_ID, signed
from services.signaling.core.ports import Apps
from services.signaling.hooks.domain.hook_body import hook_body
from services.signaling.hooks.domain.lines import pause_s, receiver_of

log = get_logger(__name__)
trace = tracer("rillcast.signaling")

LOOK_S = 0.5
"""How often it is looked for what other instances have put in."""
AT_ONCE = 100
"""Events on their way at one time. One receiver may have half of them at most, and has a request for each of its lines
at most."""
IN_A_TURN = 50
"""Events of one line before others get their turn."""
OK = 200
"""The only status that means that the receiver has it, as with Ant Media."""


class Poster(Protocol):
    """Whoever sends requests to webhooks."""

    async def post(self, url: str, body: bytes, headers: dict[str, str]) -> int:
        """The status of the answer. Raises OSError when there is none."""
        ...


class _Trouble(msgspec.Struct):
    """The first event of a line failed."""

    place: int
    failures: int
    again_at: float


class Deliveries:
    """One per signaling instance."""

    def __init__(
        self,
        queue: WorkQueue,
        apps: Apps,
        poster: Poster,
        *,
        is_first: Callable[[], bool],
        clock: Callable[[], float],
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """`clock`: monotonic seconds."""
        self._queue = queue
        self._apps = apps
        self._poster = poster
        self._is_first = is_first
        self._clock = clock
        self._wall_clock = wall_clock
        self._places = SharedPlaces(AT_ONCE)
        self._busy: dict[str, asyncio.Task[None]] = {}
        self._served_at: dict[str, float] = {}
        self._troubles: dict[str, _Trouble] = {}
        self._wakes = asyncio.Event()

    def wake(self) -> None:
        """Something was put into the queue."""
        self._wakes.set()

    async def run(self) -> NoReturn:
        """Until cancelled; what is on its way then is sent again by the next instance."""
        try:
            while True:
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._until_next()):
                        await self._wakes.wait()
                self._wakes.clear()
                try:
                    await self._deal()
                except RillcastError as error:
                    log.info("The queue of webhooks does not answer", reason=error.loggable)
        finally:
            for task in self._busy.values():
                task.cancel()

    def _until_next(self) -> float:
        soonest = min((one.again_at for one in self._troubles.values()), default=self._clock() + LOOK_S)
        return min(LOOK_S, max(0.01, soonest - self._clock()))

    async def _deal(self) -> None:
        if not self._is_first():
            self._troubles.clear()
            return
        waiting = await self._queue.lines()
        metrics.HOOKS_WAITING.set(sum(waiting.values()))
        for known in (self._troubles, self._served_at):
            for line in known.keys() - waiting.keys():
                del known[line]
        now = self._clock()
        for line in sorted(waiting.keys() - self._busy.keys(), key=lambda line: self._served_at.get(line, 0.0)):
            trouble, receiver = self._troubles.get(line), receiver_of(line)
            if (trouble is not None and now < trouble.again_at) or self._places.take(receiver):
                continue
            self._served_at[line] = now
            self._busy[line] = asyncio.create_task(self._serve(line, receiver), name="webhook line")

    async def _serve(self, line: str, receiver: str) -> None:
        try:
            await self._empty(line)
        except RillcastError as error:
            log.info("The queue of webhooks does not answer", reason=error.loggable)
        finally:
            self._places.leave(receiver)
            self._busy.pop(line, None)
            self._wakes.set()

    async def _empty(self, line: str) -> None:
        """As many of a line as may be in one turn, or until one fails that is to be sent again."""
        after = 0
        for _ in range(IN_A_TURN):
            queued = await self._queue.first(line, after)
            if queued is None or not await self._deliver(line, queued):
                return
            self._troubles.pop(line, None)
            await self._queue.done(queued.place)
            after = queued.place

    async def _deliver(self, line: str, queued: Queued) -> bool:
        """Whether the event is done with: told, or given up."""
        try:
            hook = decode_json(queued.value, DueHook)
        except Undecodable:
            return self._dropped("unreadable")
        if self._wall_clock() * 1_000 - hook.at_ms > HOOKS_KEPT_S * 1_000:
            return self._dropped("expired", hook)
        settings = self._apps.settings(hook.app) or AppSettings(app_name=hook.app)
        if await self._traced(hook, settings):
            metrics.HOOKS.labels("delivered").inc()
            return True
        metrics.HOOKS.labels("failed").inc()
        before = self._troubles.get(line)
        failures = before.failures + 1 if before is not None and before.place == queued.place else 1
        if failures > settings.webhook_retry_count:
            return self._dropped("gave_up", hook)
        again_at = self._clock() + pause_s(settings.webhook_retry_delay, failures)
        self._troubles[line] = _Trouble(queued.place, failures, again_at)
        return False

    async def _traced(self, hook: DueHook, settings: AppSettings) -> bool:
        """Each try is a trace."""
        stream, action = (hook.fields.get(key, "") for key in ("id", "action"))
        said = {"rillcast.app": hook.app, "rillcast.stream": stream, "rillcast.event": action}
        with trace.start_as_current_span("webhook", context=Context(), attributes=said) as span:
            told = await self._told(hook, settings)
            if not told:
                span.set_status(StatusCode.ERROR, "not_taken")
            return told

    async def _told(self, hook: DueHook, settings: AppSettings) -> bool:
        body = hook_body(hook.fields, settings.webhook_content_type)
        headers = {"Content-Type": settings.webhook_content_type, EVENT_ID: hook.id}
        headers |= signed(settings.webhook_secret, body, hook.at_ms // 1_000)
        try:
            status = await self._poster.post(hook.url, body, headers)
        except OSError as error:
            log.info("A webhook does not take an event", app=hook.app, event=hook.id, reason=str(error))
            return False
        if status != OK:
            log.info("A webhook does not take an event", app=hook.app, event=hook.id, status=status)
        return status == OK

    @staticmethod
    def _dropped(reason: str, hook: DueHook | None = None) -> bool:
        metrics.HOOKS_DROPPED.labels(reason).inc()
        app, event = (hook.app, hook.id) if hook is not None else ("", "")
        log.warning("An event for a webhook is given up", app=app, event=event, reason=reason)
        return True
