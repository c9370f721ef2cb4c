"""What all who look at one part of the cluster are told: worked out once, and encoded once."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Mapping

from rillcast.contracts.messages import ViewerLook
from services.signaling.rest.domain.live_ask import Ask
from services.signaling.rest.domain.live_delta import Moment, Picture, delta, snapshot
from services.signaling.rest.domain.live_rows import Row, Told

MOST_KEPT = 32
"""Deltas for those who read slowly. Who is further behind is given all anew."""
MOST_BYTES = 131_072
MOST_EVENTS = 100
"""Of the newest events, in a snapshot."""


class Channel:
    """One part of the cluster. It lives while somebody looks at it."""

    def __init__(self, ask: Ask) -> None:
        self.ask = ask
        self.seq = 0
        self.listeners: set[LiveListener] = set()
        self.around: Mapping[str, Mapping[str, Row]] = {"carriers": {}, "watchers": {}}
        """Of one stream: what edges said when they were asked last."""
        self.look: ViewerLook | None = None
        """Of one viewer, likewise."""
        self.looked_at = float("-inf")
        self.looking: asyncio.Task[None] | None = None
        self._picture: Picture | None = None
        self._events: deque[Told] = deque(maxlen=MOST_EVENTS)
        self._kept: deque[tuple[int, bytes]] = deque()
        self._size = 0
        self._whole: tuple[int, bytes] | None = None
        self._moment = Moment(0, 0)

    def show(self, picture: Picture, moment: Moment) -> None:
        """The picture at this moment, and what has happened since the last one."""
        before, self._picture, self._moment = self._picture, picture, moment
        told = delta(before, picture, moment) if before is not None else None
        if before is not None and told is None:
            return
        self.seq += 1
        self._events.extend(moment.events)
        if told is not None:
            self._keep(told)
        for listener in self.listeners:
            listener.wake()

    def since(self, seq: int) -> list[tuple[str, int, bytes]]:
        """What whoever knows all up to `seq` is told: kind, number, and JSON. 0: it knows nothing."""
        if self._picture is None or seq == self.seq:
            return []
        if seq and self._kept and self._kept[0][0] <= seq + 1:
            return [("delta", number, told) for number, told in self._kept if number > seq]
        if self._whole is None or self._whole[0] != self.seq:
            self._whole = self.seq, snapshot(self._picture, self._moment, self._events)
        return [("snapshot", *self._whole)]

    def _keep(self, told: bytes) -> None:
        self._kept.append((self.seq, told))
        self._size += len(told)
        while len(self._kept) > MOST_KEPT or (self._size > MOST_BYTES and len(self._kept) > 1):
            self._size -= len(self._kept.popleft()[1])


class LiveListener:
    """Somebody who looks. It keeps its place in the channel and nothing else."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._seq = 0
        self._some = asyncio.Event()
        self._over = False

    def wake(self) -> None:
        """Something new is to be told."""
        self._some.set()

    def end(self) -> None:
        """Nothing more comes."""
        self._over = True
        self._some.set()

    async def told(self, pause_s: float) -> AsyncGenerator[list[tuple[str, int, bytes]], None]:
        """As `Channel.since`, as it comes; an empty list after each pause without anything."""
        while not self._over:
            self._some.clear()
            if found := self._channel.since(self._seq):
                self._seq = found[-1][1]
                yield found
                continue
            try:
                async with asyncio.timeout(pause_s):
                    await self._some.wait()
            except TimeoutError:
                yield []
