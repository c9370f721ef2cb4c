"""Keeps the days' usage in the store and makes the signed report. Any instance may count, any may report."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from rillcast.contracts.decoding import Undecodable, decode_json
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.messages import LicenseUsage, LicenseUsageRequest
from rillcast.licensing.usage_report import key_id, parse_day, sign_report
from rillcast.runtime.telemetry.logs import get_logger
from services.license.domain.usage import KEPT_DAYS, DayRecord, count, day_of, node_hours, report
from services.license.ports import Entry, KeyValue
from services.license.usecases.license_vault import LicenseVault

log = get_logger(__name__)

PREFIX = "usage/"
SIGNING_KEY = "license_usage_key"
COUNT_EVERY_S = 30.0
"""How far counting lags behind; a node that lives shorter may go unseen."""
CAS_ATTEMPTS = 8


class UsageMeter:
    """The part of one instance in the shared record."""

    def __init__(self, state: KeyValue, vault: LicenseVault, every_s: float = COUNT_EVERY_S) -> None:
        self._state = state
        self._vault = vault
        self._every_ms = int(every_s * 1000)
        self._days: dict[date, DayRecord] = {}

    async def count(self, used: Mapping[str, int]) -> None:
        """Add the time since anybody's last look, with these seats taken. Call every few seconds; it does nothing
        while the last look is recent. Raises STORE_UNAVAILABLE."""
        for _ in range(CAS_ATTEMPTS):
            now_ms = int(self._vault.wall_s() * 1000)
            today = day_of(now_ms)
            entry = await self._state.get(_key(today))
            before = _decode(entry)
            if before is not None and -self._every_ms * 4 < now_ms - before.measured_at_ms < self._every_ms:
                self._days[today] = before
                return  # another instance looked just now, perhaps by a clock that is a little ahead
            if before is None:
                before = await self._beginning(today, now_ms)
            license_id = self._vault.in_force().license.license_id
            value = msgspec.json.encode(count(before, now_ms, used, license_id, self._every_ms * 4))
            if entry is None or entry.value is None:
                written = await self._state.create(_key(today), value)
            else:
                written = await self._state.update(_key(today), value, entry.revision)
            if written is not None:
                await self._read_days(today)
                return

    def node_hours(self, license_id: str) -> dict[str, float]:
        """Used under a license, by kind, as of the last look of this instance."""
        return node_hours(self._days.values(), license_id)

    async def refresh(self) -> None:
        """Read what has been counted. Raises STORE_UNAVAILABLE."""
        await self._read_days(day_of(int(self._vault.wall_s() * 1000)))

    async def usage(self, request: LicenseUsageRequest) -> LicenseUsage:
        """The signed report. Raises BAD_REQUEST for impossible days; STORE_UNAVAILABLE."""
        await self.refresh()
        now_s = int(self._vault.wall_s())
        today = day_of(now_s * 1000)
        first = _asked("first_day", request.first_day, min(self._days, default=today))
        last = _asked("last_day", request.last_day, today)
        if first > last:
            raise RillcastError(ErrorCode.BAD_REQUEST, f"the first day ({first}) is after the last ({last})")
        made = report(self._days, first, last, now_s, self._vault.in_force().license.licensee)
        key = await self._signing_key()
        return LicenseUsage(report=made, signed=sign_report(made, key), key_id=key_id(key.public_key()))

    async def _beginning(self, today: date, now_ms: int) -> DayRecord:
        """An empty record that goes on where the last day before ended."""
        await self._read_days(today)
        ends = [record.measured_at_ms for day, record in self._days.items() if day < today]
        return DayRecord(measured_at_ms=min(now_ms, max(ends, default=now_ms)))

    async def _read_days(self, today: date) -> None:
        days = {}
        for entry in await self._state.entries():
            day = _day(entry.key)
            record = None if day is None else _decode(entry)
            if day is None or record is None:
                continue
            if day < today - timedelta(days=KEPT_DAYS):
                await self._state.delete(entry.key, entry.revision)
            else:
                days[day] = record
        self._days = days

    async def _signing_key(self) -> Ed25519PrivateKey:
        fresh = Ed25519PrivateKey.generate().private_bytes_raw()
        await self._state.create(SIGNING_KEY, fresh.hex().encode())
        entry = await self._state.get(SIGNING_KEY)
        stored = b"" if entry is None or entry.value is None else entry.value
        try:
            return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(stored.decode()))
        except ValueError as error:
            raise RillcastError(
                ErrorCode.STORE_UNAVAILABLE, "the store has no usable key for signing usage reports"
            ) from error


def _asked(field: str, text: str, otherwise: date) -> date:
    try:
        return parse_day(text, otherwise)
    except ValueError as error:
        raise RillcastError(ErrorCode.BAD_REQUEST, f"{field}: {error}") from error


def _key(day: date) -> str:
    return f"{PREFIX}{day.isoformat()}"


def _day(key: str) -> date | None:
    try:
        return date.fromisoformat(key.removeprefix(PREFIX)) if key.startswith(PREFIX) else None
    except ValueError:
        return None


def _decode(entry: Entry | None) -> DayRecord | None:
    if entry is None or entry.value is None:
        return None
    try:
        return decode_json(entry.value, DayRecord)
    except Undecodable:
        log.warning("A day's usage in the store can't be read and is counted anew", key=entry.key)
        return None
