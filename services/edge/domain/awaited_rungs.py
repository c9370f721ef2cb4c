"""Subscriptions to which only a ladder can give anything, while nobody makes it: how long they wait for it, and
when to look at them again."""

from __future__ import annotations

from rillcast.apps.ladder_wish import RUNG_WAIT_S
from services.edge.domain.stream_change import Left
from services.edge.domain.subscription import Subscription


class AwaitedRungs:
    """Of all viewers of one edge. `now` is always monotonic seconds."""

    def __init__(self, patience_s: float) -> None:
        """`patience_s`: how long a subscription waits for another transcoder. For a ladder that begins anew it waits
        as long as a viewer who joins does."""
        self._patience_s = {Left.AWAITED: patience_s, Left.COMING: min(patience_s, RUNG_WAIT_S)}
        self._until: dict[str, float] = {}
        """By stream: when the first of those who wait has waited long enough."""

    def __len__(self) -> int:
        return len(self._until)

    def is_over(self, subscription: Subscription, left: Left, now: float) -> bool:
        """Whether the subscription has nothing to go on for. `left`: what there is of it now. Call it for every state
        of the stream, and when `due` says so."""
        patience_s = self._patience_s.get(left)
        if patience_s is None:
            subscription.awaits_until = None
            return left is not Left.ENOUGH
        if subscription.awaits_until is None:
            subscription.awaits_until = now + patience_s
        until = subscription.awaits_until
        if now < until:
            self._until[subscription.key] = min(until, self._until.get(subscription.key, until))
        return now >= until

    def due(self, now: float) -> list[str]:
        """The streams of which somebody has waited long enough, each once: look at all who watch it."""
        keys = [key for key, until in self._until.items() if now >= until]
        for key in keys:
            del self._until[key]
        return keys

    def forget(self, key: str) -> None:
        """Nobody watches the stream any more."""
        self._until.pop(key, None)
