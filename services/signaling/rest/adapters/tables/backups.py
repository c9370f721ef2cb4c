"""The backups of broadcasts, which Ant Media does not have."""

from __future__ import annotations

from rillcast.apps.patch import Patch
from rillcast.contracts.errors import ErrorCode
from services.signaling.rest.adapters.endpoint import Endpoint, Link, Table
from services.signaling.rest.adapters.tables.guards import APP_OPERATOR
from services.signaling.rest.domain.refusal import Refusal
from services.signaling.rest.domain.shapes import BackupSettings
from services.signaling.rest.usecases.backups import Backups, BackupWishes

NO_SUCH_BROADCAST = Refusal(404, "there is no such broadcast")
PATH = "/rillcast/v1/apps/{app}/broadcasts/{stream}/backup"

TABLE = Table(
    tag="backups",
    about="What the viewers of a broadcast are shown while nothing comes from its publisher.",
    resource=Backups,
    input="broadcast",
    rows=(
        Endpoint(
            "GET",
            PATH,
            APP_OPERATOR,
            Backups.get,
            "The backup of a broadcast.",
            name="get_backup",
            answer=BackupSettings,
            errors=(NO_SUCH_BROADCAST,),
        ),
        Endpoint(
            "PUT",
            PATH,
            APP_OPERATOR,
            Backups.change,
            "Changes the keys that are given; null gives one back to the app.",
            name="change_backup",
            answer=BackupSettings,
            body=Patch[BackupWishes],
            errors=(NO_SUCH_BROADCAST, ErrorCode.STORE_UNAVAILABLE, ErrorCode.HIGH_RESOURCE_USAGE),
            example={"body": {"backupStreamId": "evening", "backupAfterMs": 3_000}},
            links=(Link("get_backup"),),
        ),
    ),
)
