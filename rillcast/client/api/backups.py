"""Calls about backups.

Written by `make reference` from the tables of REST. Do not change it by hand.
"""

from __future__ import annotations

from rillcast.client.asking import Asking, part
from rillcast.client.shapes.backups import BackupSettings, BackupWishesPatch


class Backups:
    """What the viewers of a broadcast are shown while nothing comes from its publisher."""

    def __init__(self, ask: Asking) -> None:
        self._ask = ask

    def get_backup(self, app: str, stream: str) -> BackupSettings:
        """The backup of a broadcast.

        ``GET /rillcast/v1/apps/{app}/broadcasts/{stream}/backup``

        `app`: The app.
        `stream`: The stream's id.
        """
        return self._ask(BackupSettings, "GET", f"/rillcast/v1/apps/{part(app)}/broadcasts/{part(stream)}/backup")

    def change_backup(self, app: str, stream: str, body: BackupWishesPatch) -> BackupSettings:
        """Changes the keys that are given; null gives one back to the app.

        ``PUT /rillcast/v1/apps/{app}/broadcasts/{stream}/backup``

        `app`: The app.
        `stream`: The stream's id.
        """
        return self._ask(
            BackupSettings, "PUT", f"/rillcast/v1/apps/{part(app)}/broadcasts/{part(stream)}/backup", body=body
        )
