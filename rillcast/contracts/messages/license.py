"""Seats, the license and its usage: from every node, and from operators, to the license service."""

from __future__ import annotations

import msgspec

from rillcast.contracts.fields import (
    Count,
    Document,
    DurationS,
    Hours,
    Text,
    UnixS,
    Word,
)
from rillcast.contracts.ids import NodeId
from rillcast.contracts.words import LicenseState, NodeKind


class SeatRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A node asks for, or renews, its seat."""

    node: NodeId
    kind: NodeKind
    incarnation: Word


class SeatAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The node has its seat for ``ttl_s`` seconds, and is to renew it after each third of them."""

    ttl_s: DurationS
    licensee: Text
    warning: Text = ""
    grace_s: DurationS = 1_209_600.0
    """How long the node may go on while no license service answers."""


class SeatRelease(msgspec.Struct, frozen=True, kw_only=True):
    """The node goes away in order, so its seat is free at once."""

    node: NodeId
    incarnation: Word


class LicenseStatusRequest(msgspec.Struct, frozen=True):
    """Ask for the license of the cluster and how much of it is used."""


class LicenseCheck(msgspec.Struct, frozen=True):
    """Ask what a document would grant, without putting it in force. If it is refused, the state in the answer is
    ``invalid``."""

    document: Document


class LicenseInstall(msgspec.Struct, frozen=True):
    """Put a new license in force for the whole cluster. A bad one is refused with BAD_REQUEST and the reason."""

    document: Document


class LicenseStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The cluster license and how much of it is used."""

    license_id: Text
    licensee: Text
    community: bool
    state: LicenseState
    reason: Text = ""
    not_after_s: UnixS | None = None
    """The end of the license in Unix seconds; None = never."""
    limit_total: Count
    limits_by_kind: dict[Word, Count] = {}
    used_by_kind: dict[Word, Count] = {}
    not_before_s: UnixS = 0
    """The beginning of the license in Unix seconds; 0 = it has always held."""
    grace_s: Count = 0
    """How long after `not_after_s` the license is honoured. It is also how long nodes go on while no license service
    answers."""
    features: tuple[Text, ...] = ()
    node_hours: Hours = 0.0
    """How much has been used under this license so far."""
    answered_by: Word = ""
    """The node id of the license service that answered."""
    cluster: Word = ""
    """The id of the cluster, which a license may be bound to."""

    @property
    def suspends_at_s(self) -> int | None:
        """When new publishes and plays stop, in Unix seconds; None = never."""
        return None if self.not_after_s is None else self.not_after_s + self.grace_s


class LicenseUsageRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Ask for the usage report of some days. Days are in UTC, as ``2026-09-14``, and both are included."""

    first_day: Word = ""
    """Empty: the first day that is known."""
    last_day: Word = ""
    """Empty: the present day."""


class UsageDay(msgspec.Struct, frozen=True, kw_only=True):
    """What nodes used on one day under one license."""

    day: Word
    """UTC, ``2026-09-14``."""
    license_id: Text
    node_hours: dict[Word, Hours]
    """The hours of all nodes, by kind of node."""
    peak: dict[Word, Count]
    """The most seats taken at once on that day, by kind of node."""


class UsageReport(msgspec.Struct, frozen=True, kw_only=True):
    """Node-hours of a cluster, as the license service signs them."""

    first_day: Word
    last_day: Word
    issued_at_s: UnixS
    licensee: Text
    """Of the license in force when the report was made."""
    node_hours: dict[Word, Hours]
    """Sum of all days, by kind of node."""
    unmetered_hours: Hours = 0.0
    """Time in these days in which no license service ran, so that nothing was counted."""
    days: tuple[UsageDay, ...] = ()


class LicenseUsage(msgspec.Struct, frozen=True, kw_only=True):
    """The report, and the same signed (see `rillcast.licensing.usage_report`)."""

    report: UsageReport
    signed: Document
    key_id: Word
    """The thumbprint (RFC 7638) of the key with which the cluster signs its reports."""
