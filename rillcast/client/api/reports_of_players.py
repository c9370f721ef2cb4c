"""Calls about reports of players.

Written by `make reference` from the tables of REST. Do not change it by hand.
"""

from __future__ import annotations

from rillcast.client.asking import Asking, part
from rillcast.client.shapes.common import Result
from rillcast.client.shapes.reports_of_players import PlayerReport, WatchReport


class ReportsOfPlayers:
    """What players tell of themselves. It is counted in metrics and written to the log, and nothing hangs on it."""

    def __init__(self, ask: Asking) -> None:
        self._ask = ask

    def add_player_event(self, app: str, body: PlayerReport) -> Result:
        """Something happened in a player, such as playStarted.

        ``POST /{app}/analytic/events/play``

        `app`: The app.
        """
        return self._ask(Result, "POST", f"/{part(app)}/analytic/events/play", body=body)

    def add_watch_time(self, app: str, body: WatchReport) -> Result:
        """For how long somebody has watched.

        ``POST /{app}/analytic/events/watch-time``

        `app`: The app.
        """
        return self._ask(Result, "POST", f"/{part(app)}/analytic/events/watch-time", body=body)
