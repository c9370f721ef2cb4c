"""The events that a node sends about its sessions and streams: in order, bounded, and said again where a loss would
leave something behind.

The bus delivers an event at most once: what is sent into a connection that is already dead, or while those who listen
are connecting anew, is lost. For a measurement this does no harm. Whoever misses the end of a session, however, would
keep it for ever. So ends are remembered for a while, and are sent again after each interruption.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable

import msgspec
from opentelemetry import context
from opentelemetry.context import Context

from rillcast.runtime.ports import Bus

MAX_WAITING_EVENTS = 20_000
REMEMBERED_S = 15.0
"""How long an event is remembered that must not be missed: a dead connection is noticed after 9 s."""
LOOK_S = 0.5
SETTLED_S = 4.0
"""How long after an interruption the others are connected again; they pause for 2 s at most."""


class Outbox:
    """Sends events in the order in which they happened. When it is full, the oldest one goes, and `on_drop` is
    called."""

    def __init__(self, bus: Bus, on_drop: Callable[[], None], clock: Callable[[], float] = time.monotonic) -> None:
        """`clock`: monotonic seconds."""
        self._bus = bus
        self._on_drop = on_drop
        self._clock = clock
        self._waiting: deque[tuple[str, msgspec.Struct, Context]] = deque()
        """With the trace to which an event belongs, so that whoever hears it goes on with that."""
        self._remembered: deque[tuple[float, str, msgspec.Struct]] = deque(maxlen=MAX_WAITING_EVENTS)
        self._some = asyncio.Event()
        self._sending = asyncio.Lock()
        """It is held from taking an event out to having sent it. Otherwise two senders could change the order."""

    def put(
        self, subject: str, event: msgspec.Struct, *, again: bool = False, instead_of: msgspec.Struct | None = None
    ) -> None:
        """Send an event soon, without waiting for it. If too many wait already, the oldest one is dropped. `again`:
        send it a second time if the bus was interrupted about now; whoever hears it twice must not mind. `instead_of`:
        an event of which this one says everything. It is not sent if it is the last one that waits."""
        if instead_of is not None and self._waiting and self._waiting[-1][1] is instead_of:
            self._waiting.pop()
        if again:
            self._remembered.append((self._clock(), subject, event))
        if len(self._waiting) >= MAX_WAITING_EVENTS:
            self._waiting.popleft()
            self._on_drop()
        self._waiting.append((subject, event, context.get_current()))
        self._some.set()

    async def run(self) -> None:
        """Send whatever is put, until cancelled. Belongs to a supervised task."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._send())
            tasks.create_task(self._say_again())

    async def flush(self) -> None:
        """Send everything that waits; returns when also what `run` took out before is sent."""
        async with self._sending:
            self._some.clear()
            while self._waiting:
                subject, event, belongs_to = self._waiting.popleft()
                token = context.attach(belongs_to)
                try:
                    await self._bus.emit(subject, event)
                finally:
                    context.detach(token)

    async def _send(self) -> None:
        while True:
            await self._some.wait()
            if self._bus.connected:
                await self.flush()
            else:  # the bus would drop it
                await asyncio.sleep(LOOK_S)

    async def _say_again(self) -> None:
        heard_in = self._bus.hearing
        due = 0.0
        while True:
            await asyncio.sleep(LOOK_S)
            hearing, now = self._bus.hearing, self._clock()
            if not hearing:
                continue
            if hearing != heard_in:
                heard_in, due = hearing, now + SETTLED_S
            if due and now >= due:
                due = 0.0
                for _, subject, event in tuple(self._remembered):
                    self.put(subject, event)
            while not due and self._remembered and self._remembered[0][0] < now - REMEMBERED_S:
                self._remembered.popleft()
