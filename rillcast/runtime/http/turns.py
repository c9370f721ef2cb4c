"""How much one turn of the event loop does for the clients of a listener, and for whom first.

An event loop runs whatever is ready before it looks at the network again. So the answer to one client waits for all
that others have sent until then: a thousand sockets with one millisecond of work each are a second. Here the work waits
in line, a turn does little of it, and addresses take turns: whoever sends much waits behind whoever sends little.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable

Job = Callable[[], int]
"""A small piece of work, which returns how much it was."""

WORK_PER_TURN = 32
"""One unit is about 50 µs: a frame of a WebSocket with what the application does with it. A turn ends when it has done
so much, so it does one job more at most. A smaller number would cost more looks at the network, and gain little."""
CONNECTION_WORK = 4
"""Of a new connection."""
REQUEST_WORK = 16
"""Of a request, or of a WebSocket that is opened."""
HANDSHAKE_WORK = 24
"""Of TLS: a signature and an exchange of keys."""


class Turns:
    """The line in which the work of one listener waits."""

    def __init__(self, per_turn: int = WORK_PER_TURN) -> None:
        self._per_turn = per_turn
        self._waiting: OrderedDict[Hashable, deque[Job]] = OrderedDict()
        """By party; the one whose turn is next first. None is empty."""
        self._begins = False

    def __len__(self) -> int:
        """Jobs that wait."""
        return sum(map(len, self._waiting.values()))

    def ask(self, party: Hashable, job: Job) -> None:
        """Do `job` soon. Jobs of one party are done in their order. Whoever asks bounds how many wait."""
        self._waiting.setdefault(party, deque()).append(job)
        self._begin_soon()

    def _begin_soon(self) -> None:
        if not self._begins:
            self._begins = True
            asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        self._begins = False
        left = self._per_turn
        try:
            while left > 0 and self._waiting:
                left -= max(1, self._next()())
        finally:
            if self._waiting:
                self._begin_soon()

    def _next(self) -> Job:
        party, jobs = self._waiting.popitem(last=False)
        job = jobs.popleft()
        if jobs:
            self._waiting[party] = jobs  # behind the others
        return job
