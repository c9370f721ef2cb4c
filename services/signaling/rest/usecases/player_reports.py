"""Takes in what players report: it is counted, and written to the log. Anybody may report, so both have a bound."""

from __future__ import annotations

from collections.abc import Callable

from rillcast.contracts.ids import is_stream_id
from rillcast.runtime.http.addresses import counted_as
from rillcast.runtime.telemetry.logs import get_logger
from services.signaling import metrics
from services.signaling.core.domain.client_rate import ClientRate, TooOften
from services.signaling.core.domain.result import Result
from services.signaling.operators.domain.rights import Caller
from services.signaling.rest.domain.parameters import App
from services.signaling.rest.domain.player_reports import (
    EVENTS,
    PROTOCOLS,
    WATCH_TIME,
    WEBRTC,
    PlayerReport,
    WatchReport,
    one_of,
)
from services.signaling.rest.domain.refusal import NotTaken

log = get_logger(__name__)

PER_S_AND_ADDRESS = 5.0
BURST = 50.0
LINES_PER_S = 20.0
"""Of the log, whoever reports. Further reports are only counted."""
MOST_COUNTED_MS = 300_000
"""Of one report of time. Players report each minute or more often, and anybody may: who says more is not believed."""
MS_OF_A_FREEZE = 100
"""A picture that stood still for less has not stood still."""
NO_STREAM = "streamId: a report names the stream that is played"


class PlayerReports:
    """One per signaling instance."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock`: monotonic seconds."""
        self._clock = clock
        self._rate = ClientRate(PER_S_AND_ADDRESS, BURST)
        self._lines = ClientRate(LINES_PER_S, LINES_PER_S)

    async def played(self, app: App, caller: Caller, body: PlayerReport) -> Result:
        """Something happened in a player. Raises `NotTaken`, and `TooOften`."""
        self._check(caller, body)
        event, protocol = one_of(EVENTS, body.event), one_of(PROTOCOLS, body.protocol)
        metrics.PLAYER_EVENTS.labels(event, protocol).inc()
        if body.first_frame_ms is not None and protocol == WEBRTC:
            metrics.PLAYER_FIRST_FRAME_SECONDS.observe(body.first_frame_ms / 1_000)
        self._write(app, body, event, 0)
        return Result(success=True)

    async def watched(self, app: App, caller: Caller, body: WatchReport) -> Result:
        """Somebody has watched for a while. Raises as `played`."""
        self._check(caller, body)
        protocol = one_of(PROTOCOLS, body.protocol)
        metrics.PLAYER_EVENTS.labels(WATCH_TIME, protocol).inc()
        watched_ms = min(body.watch_time_ms, MOST_COUNTED_MS)
        frozen_ms = min(body.frozen_ms, watched_ms)
        metrics.PLAYER_WATCH_SECONDS.labels(protocol).inc(watched_ms / 1_000)
        if protocol == WEBRTC:
            metrics.PLAYER_FREEZES.inc(min(body.freezes, frozen_ms // MS_OF_A_FREEZE))
            metrics.PLAYER_FROZEN_SECONDS.inc(frozen_ms / 1_000)
        self._write(app, body, WATCH_TIME, body.watch_time_ms)
        return Result(success=True)

    def _check(self, caller: Caller, body: PlayerReport) -> None:
        wait_s = self._rate.take(counted_as(caller.address), self._clock())
        if wait_s > 0:
            metrics.RATE_LIMITED.labels("report").inc()
            raise TooOften("too many reports of players came from your address", wait_s)
        if not is_stream_id(body.stream_id):
            raise NotTaken(NO_STREAM)

    def _write(self, app: str, body: PlayerReport, event: str, watched_ms: int) -> None:
        if self._lines.take("all", self._clock()) > 0:
            metrics.PLAYER_REPORTS_UNWRITTEN.inc()
            return
        log.info(
            "A player reports",
            app=app,
            stream=body.stream_id,
            event_of_player=event,
            protocol=one_of(PROTOCOLS, body.protocol),
            subscriber=body.subscriber_id or "",
            watched_ms=watched_ms,
        )
