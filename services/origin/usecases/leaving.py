"""An origin that is emptied: publishers go to other origins one by one, so that those can take them, and media goes on
here until each has gone. Who has not moved in time is left for the next origin."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress

from rillcast.node.outbox import Outbox
from rillcast.relay.parent import RelayParent
from rillcast.runtime.process.departure import Departure, Left, Load
from services.origin.usecases.living_streams import LivingStreams
from services.origin.usecases.owned_streams import OwnedStreams
from services.origin.usecases.stream_owner import StreamOwner

SHARE_OF_TIME = 0.8
"""Of the drain of a process that ends: how long publishers may take to move. The rest is for closing."""
MOVES_PER_S = 100.0
"""Publishers that are sent elsewhere per second, while there is time. Each costs another origin a handshake, and the
edges of its viewers a new relay for each track."""
ASKED_BY = 0.5
"""Share of the time by which the last publisher is sent away. What is left is for it to go, or to be sent again."""
STEP_S = 0.02


class Leaving:
    """Empties an origin. It is a `Leaves`."""

    def __init__(
        self,
        owner: StreamOwner,
        living: LivingStreams,
        streams: OwnedStreams,
        relays: RelayParent,
        *,
        outbox: Outbox,
        hears: Callable[[], object] = lambda: True,
    ) -> None:
        """`hears`: whether the bus is heard, without which nobody can be moved (`Bus.hearing`)."""
        self._outbox = outbox
        self._hears = hears
        self._owner = owner
        self._living = living
        self._streams = streams
        self._relays = relays

    async def leave(self, departure: Departure) -> None:
        """See `Leaves.leave`. A stream goes on here until another origin asks for it (`hand_over`) or the time is up.
        Records stay in the store, so that the next origin takes the streams over with all their viewers attached."""
        self._owner.send_newcomers_away()
        await self._outbox.flush()
        with suppress(TimeoutError):
            async with asyncio.timeout(departure.left_before(SHARE_OF_TIME) if departure.ending else None):
                await self._send_away(departure)
                await self._living.nobody_sends.wait()

    def left(self) -> Left:
        """See `Leaves.left`."""
        connected = sum(owned.connected for owned in self._streams)
        return {Load.PUBLISHERS: connected, Load.RELAYS: len(self._relays)}

    def named(self) -> Iterable[tuple[Load, str]]:
        """See `Leaves.named`. Edges find the relays of the next owner by themselves."""
        return (
            (Load.PUBLISHERS, f"publisher of {owned.stream.publisher.app}/{owned.stream.publisher.stream}"[:256])
            for owned in self._streams
            if owned.connected
        )

    async def cut(self) -> None:
        """See `Leaves.cut`."""
        await self._living.give_up()

    def stay(self) -> None:
        """See `Leaves.stay`."""

    async def _send_away(self, departure: Departure) -> None:
        """At a bounded rate, evenly. While nobody can be moved, what is left of the time is for all."""
        leaving = deque(owned for owned in self._streams if owned.connected)
        while leaving:
            if self._may_go(departure):
                span_s = min(len(leaving) / MOVES_PER_S, departure.left_before(ASKED_BY))
                per_step = math.ceil(len(leaving) / max(1, int(span_s / STEP_S)))
                for owned in [leaving.popleft() for _ in range(min(per_step, len(leaving)))]:
                    if owned in self._streams and owned.connected:
                        owned.ingest.send_away()
                await self._outbox.flush()
            if leaving:
                await asyncio.sleep(STEP_S)

    def _may_go(self, departure: Departure) -> bool:
        """Whether somebody who is sent away finds another origin. A process that ends does not wait for one."""
        return bool(self._hears()) and (departure.ending or departure.elsewhere())
