"""Shapes of calls about backups.

Written by `make reference` from the tables of REST. Do not change it by hand.
"""

from __future__ import annotations

import msgspec
from msgspec import UNSET, UnsetType


class BackupSettings(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The backup of one broadcast, which Ant Media does not have."""

    backup_stream_id: str | None = None
    backup_after_ms: int | None = None
    backup_longest_s: int | None = None
    on_backup: str | None = None


class BackupWishesPatch(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """The keys of BackupWishes to change. Absent ones stay."""

    backup_stream_id: str | UnsetType | None = UNSET
    backup_after_ms: int | UnsetType | None = UNSET
    backup_longest_s: int | UnsetType | None = UNSET
