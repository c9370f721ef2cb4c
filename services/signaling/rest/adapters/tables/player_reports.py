"""What players report."""

from __future__ import annotations

from services.signaling.core.domain.result import Result
from services.signaling.rest.adapters.endpoint import Endpoint, Table
from services.signaling.rest.adapters.tables.guards import APP_REPORTER
from services.signaling.rest.domain.player_reports import PlayerReport, WatchReport
from services.signaling.rest.domain.refusal import Refusal
from services.signaling.rest.usecases.player_reports import NO_STREAM, PlayerReports

ROOT = "/{app}/analytic/events"
REFUSALS = (
    Refusal(200, NO_STREAM),
    Refusal(429, "too many reports of players came from your address"),
)

TABLE = Table(
    tag="reports of players",
    about="What players tell of themselves. It is counted in metrics and written to the log, and nothing hangs on it.",
    resource=PlayerReports,
    input="player_report",
    rows=(
        Endpoint(
            "POST",
            f"{ROOT}/play",
            APP_REPORTER,
            PlayerReports.played,
            "Something happened in a player, such as playStarted.",
            name="add_player_event",
            answer=Result,
            body=PlayerReport,
            errors=REFUSALS,
            example={"body": {"streamId": "stream1", "event": "playStarted", "protocol": "webrtc"}},
        ),
        Endpoint(
            "POST",
            f"{ROOT}/watch-time",
            APP_REPORTER,
            PlayerReports.watched,
            "For how long somebody has watched.",
            name="add_watch_time",
            answer=Result,
            body=WatchReport,
            errors=REFUSALS,
            example={"body": {"streamId": "stream1", "protocol": "webrtc", "watchTimeMs": 30_000}},
        ),
    ),
)
