"""`Joins` that tell somebody what becomes of each join."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, Protocol

from rillcast.contracts.errors import RillcastError
from rillcast.contracts.ids import NodeId, SessionId
from rillcast.contracts.messages import SessionAnswer
from rillcast.contracts.words import EndReason
from services.signaling.core.domain.join_requests import PublisherJoin, ViewerJoin
from services.signaling.core.usecases.joins import Joins


class Witness(Protocol):
    """Who notes it. Must not block."""

    def opened(
        self, join: PublisherJoin | ViewerJoin, answer: SessionAnswer, took_s: float, *, arriving: bool = False
    ) -> None: ...

    def not_opened(self, join: PublisherJoin | ViewerJoin, error: RillcastError, took_s: float) -> None: ...

    def moved(self, old: SessionId, new: SessionId) -> None: ...

    def ending(self, session: SessionId, reason: EndReason) -> None: ...


class NotedJoins(Joins):
    """See `Joins`."""

    def __init__(self, *arguments: Any, witness: Witness, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._witness = witness
        self._now = asyncio.get_running_loop().time

    async def publish(self, join: PublisherJoin, left: asyncio.Event | None = None) -> SessionAnswer:
        """See `Joins.publish`."""
        return await self._noted(join, super().publish(join, left))

    async def move(self, join: PublisherJoin, left: asyncio.Event | None = None) -> SessionAnswer:
        """See `Joins.move`. What a move comes to is told by `moved`, and a failed one is followed by another."""
        answer = await super().move(join, left)
        self._witness.opened(join, answer, 0.0, arriving=True)
        return answer

    async def play(self, join: ViewerJoin, left: asyncio.Event | None = None) -> SessionAnswer:
        """See `Joins.play`."""
        return await self._noted(join, super().play(join, left))

    def moved(self, old: SessionId, new: SessionId, node: NodeId | None = None, *, anew: bool = False) -> None:
        """See `Joins.moved`. A client that begins anew makes another join."""
        if not anew:
            self._witness.moved(old, new)
        super().moved(old, new, node, anew=anew)

    def end(self, session: SessionId, node: NodeId, reason: EndReason, keep_stream_s: float = 0.0) -> None:
        """See `Joins.end`."""
        self._witness.ending(session, reason)
        super().end(session, node, reason, keep_stream_s)

    async def _noted(self, join: PublisherJoin | ViewerJoin, opening: Awaitable[SessionAnswer]) -> SessionAnswer:
        began = self._now()
        try:
            answer = await opening
        except RillcastError as error:
            self._witness.not_opened(join, error, self._now() - began)
            raise
        self._witness.opened(join, answer, self._now() - began)
        return answer
