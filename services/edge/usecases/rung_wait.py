"""Viewers who have no codec of a stream but one that a ladder is about to make: agreed on at once, begun when it is
there."""

from __future__ import annotations

from collections.abc import Mapping

from rillcast.apps.ladder_wish import RUNG_WAIT_S
from rillcast.cluster.shares import NoPlace, SharedPlaces
from rillcast.cluster.stream_directory import LiveStream
from rillcast.cluster.stream_watch import StreamWatch
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.messages import PlaySubscription
from services.edge import metrics
from services.edge.domain.negotiated import has_all
from services.edge.domain.supply import supplies_for

MAX_AWAITING = 200
"""Each holds a request open, of which the bus allows this node 1 000 at a time; more are refused at once."""
RETRY_AFTER_S = 2.0


class RungWait:
    """Keeps them waiting, each for `RUNG_WAIT_S` at most and no longer than its request."""

    def __init__(self, watch: StreamWatch) -> None:
        self._watch = watch
        self._places = SharedPlaces(MAX_AWAITING)

    async def settle(
        self, live: LiveStream, wanted: PlaySubscription, codecs_by_mid: Mapping[str, str], client: str = ""
    ) -> LiveStream:
        """The stream once it has every group in the codec agreed on. Raises NO_COMMON_CODEC if that is hopeless, or is
        not so in time. `client`: whose share of the places it takes; see `PlayRequest`."""
        if has_all(live, codecs_by_mid):
            return live
        missing = [codec for group, codec in codecs_by_mid.items() if not supplies_for(live, group, codec)]
        if not set(missing) <= set(wanted.codecs_to_come):
            raise RillcastError(ErrorCode.NO_COMMON_CODEC, "the stream changed its codec during the join", 1.0)
        if refused := self._places.take(client):
            metrics.RUNG_WAITS.labels("too_many" if refused is NoPlace.FULL else refused).inc()
            raise _not_there(missing)
        metrics.AWAITING_RUNGS.inc()
        try:
            found = await self._watch.wait_for(
                wanted.app, wanted.stream, RUNG_WAIT_S, lambda now: has_all(now, codecs_by_mid)
            )
        finally:
            self._places.leave(client)
            metrics.AWAITING_RUNGS.dec()
        metrics.RUNG_WAITS.labels("late" if found is None else "ok").inc()
        if found is None:
            raise _not_there(missing)
        return found


def _not_there(codecs: list[str]) -> RillcastError:
    return RillcastError(
        ErrorCode.NO_COMMON_CODEC,
        f"no common codec: the rendition in {', '.join(codecs)} that was asked for is not made yet",
        RETRY_AFTER_S,
    )
