"""Node-hours, counted day by day. No I/O, no clock.

Every instance of the license service looks at the seats now and then; whoever comes first adds the time since the last
look to the day's record by compare-and-set, so that any number of instances count every second once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime

import msgspec

from rillcast.contracts.fields import Count, Text, UnixMs, Word
from rillcast.contracts.messages import UsageDay, UsageReport

MS_PER_HOUR = 3_600_000
KEPT_DAYS = 400


class LicenseUse(msgspec.Struct, frozen=True):
    """What was used on one day under one license, by kind of node."""

    node_ms: dict[Word, Count] = {}
    peak: dict[Word, Count] = {}


class DayRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One day (UTC), as it lies in the store."""

    measured_at_ms: UnixMs
    """Up to when this is counted, Unix time."""
    unmetered_ms: Count = 0
    licenses: dict[Text, LicenseUse] = msgspec.field(default_factory=dict, name="licences")
    """What was used under each license, by its id. The store keeps the spelling of the first days that were counted."""


def day_of(now_ms: int) -> date:
    """The day in UTC that a time in Unix milliseconds lies in."""
    return datetime.fromtimestamp(now_ms / 1000, UTC).date()


def count(before: DayRecord, now_ms: int, used: Mapping[str, int], license_id: str, longest_ms: int) -> DayRecord:
    """The record after a look at the seats.

    Time since the last look is counted as if `used` had been taken throughout. A gap over `longest_ms` means that no
    license service looked: it's noted, not counted. A clock that was set back starts counting anew from there.
    """
    elapsed_ms = now_ms - before.measured_at_ms
    counted_ms, gap_ms = (elapsed_ms, 0) if 0 <= elapsed_ms <= longest_ms else (0, max(0, elapsed_ms))
    use = before.licenses.get(license_id, LicenseUse())
    kinds = {*use.peak, *(kind for kind, seats in used.items() if seats)}
    after = LicenseUse(
        node_ms={kind: use.node_ms.get(kind, 0) + used.get(kind, 0) * counted_ms for kind in kinds},
        peak={kind: max(use.peak.get(kind, 0), used.get(kind, 0)) for kind in kinds},
    )
    return DayRecord(
        measured_at_ms=now_ms,
        unmetered_ms=before.unmetered_ms + gap_ms,
        licenses={**before.licenses, license_id: after} if kinds else before.licenses,
    )


def node_hours(days: Iterable[DayRecord], license_id: str) -> dict[str, float]:
    """The node-hours used under one license, by kind of node."""
    total: dict[str, int] = defaultdict(int)
    for record in days:
        for kind, ms in record.licenses.get(license_id, LicenseUse()).node_ms.items():
            total[kind] += ms
    return {kind: ms / MS_PER_HOUR for kind, ms in total.items()}


def report(days: Mapping[date, DayRecord], first: date, last: date, issued_at_s: int, licensee: str) -> UsageReport:
    """The days from `first` to `last`, both included."""
    chosen = {day: record for day, record in sorted(days.items()) if first <= day <= last}
    total: dict[str, int] = defaultdict(int)
    lines = []
    for day, record in chosen.items():
        for license_id, use in sorted(record.licenses.items()):
            for kind, ms in use.node_ms.items():
                total[kind] += ms
            lines.append(
                UsageDay(
                    day=day.isoformat(),
                    license_id=license_id,
                    peak=dict(sorted(use.peak.items())),
                    node_hours={kind: _hours(ms) for kind, ms in sorted(use.node_ms.items())},
                )
            )
    return UsageReport(
        first_day=first.isoformat(),
        last_day=last.isoformat(),
        issued_at_s=issued_at_s,
        licensee=licensee,
        node_hours={kind: _hours(ms) for kind, ms in sorted(total.items())},
        unmetered_hours=_hours(sum(record.unmetered_ms for record in chosen.values())),
        days=tuple(lines),
    )


def _hours(ms: int) -> float:
    return round(ms / MS_PER_HOUR, 4)
