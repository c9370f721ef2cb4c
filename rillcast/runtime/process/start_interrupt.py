"""Stopping a node that is still starting: whatever its start waits for is cancelled."""

from __future__ import annotations

import asyncio
from typing import Any

AGAIN_S = 3.0
"""A start that swallowed its cancellation gets another one so much later: longer than what it may clean up takes."""


class StartInterrupt:
    """Cancels the task that starts the node. Its own cancellations are told apart from those of others."""

    def __init__(self) -> None:
        self._owner: asyncio.Task[Any] | None = None
        """The task that starts the node, from `begin` on."""
        self._starting = True
        self._sent = 0
        """Cancellations that were sent and not taken back."""

    def begin(self) -> None:
        """The calling task is the one that starts the node."""
        self._owner = asyncio.current_task()

    def finish(self) -> bool:
        """From now on nothing is cancelled. Whether the start was still under way."""
        before, self._starting = self._starting, False
        return before

    def interrupt(self) -> None:
        """Cancel what the start waits for. Again and again, since Python 3.11's `asyncio.wait_for`, and thereby
        nats-py, swallows a cancellation that comes with the answer."""
        if self._starting and self._owner not in {None, asyncio.current_task()}:
            assert self._owner is not None
            self._owner.cancel()
            self._sent += 1
            asyncio.get_running_loop().call_later(AGAIN_S, self.interrupt)

    def take_back(self) -> bool:
        """Take the cancellations back. Whether there were any, and nobody else wants the task cancelled."""
        if self._owner is None or not self._sent:
            return False
        while self._sent:
            self._sent -= 1
            self._owner.uncancel()
        return self._owner.cancelling() == 0
