"""What operators have set for all nodes, as far as every node acts upon it: the level of its log."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import NoReturn

from rillcast.contracts.decoding import Undecodable, decode_json
from rillcast.contracts.errors import RillcastError
from rillcast.contracts.server_records import SETTINGS_KEY, ServerRecord
from rillcast.contracts.subjects import BUCKET_SERVER
from rillcast.contracts.words import LogLevel
from rillcast.runtime.ports import Entry, KeyValue
from rillcast.runtime.store.follow import follow
from rillcast.runtime.telemetry.logs import OWN_LEVELS, get_logger, set_log_level

RETRY_S = 2.0
"""Between two looks for the bucket, which a license service of an older version does not make."""

log = get_logger(__name__)


class LevelKeeper:
    """Sets the level of the log as the store says it. One for each node."""

    def __init__(self, own: str, use: Callable[[LogLevel], None] = set_log_level) -> None:
        """`own`: the level that this node's settings name, which holds while operators have set none. `use`: called
        with each other level."""
        self._own = OWN_LEVELS[own]
        self._level = self._own
        self._use = use

    async def keep(self, kv: Callable[[str], Awaitable[KeyValue]]) -> NoReturn:
        """Follow what operators set, for ever. `kv`: see `Node.kv`."""
        while True:
            try:
                bucket = await kv(BUCKET_SERVER)
            except RillcastError as error:
                log.debug("The servers' settings can't be read right now", reason=error.message)
                await asyncio.sleep(RETRY_S)
            else:
                await follow(bucket, self.apply, name=BUCKET_SERVER)

    def apply(self, entry: Entry) -> None:
        """Take in an entry of the bucket. One that makes no sense changes nothing."""
        if entry.key != SETTINGS_KEY:
            return
        try:
            record = decode_json(entry.value, ServerRecord) if entry.value is not None else ServerRecord()
        except Undecodable as error:
            log.warning("The servers' settings in the store make no sense, the former ones stay", reason=str(error))
            return
        level = record.log_level or self._own
        if level is not self._level:
            log.info("The level of the log is another one from now on", level=level)
            self._level = level
            self._use(level)
