"""Shapes of calls about recordings.

Written by `make reference` from the tables of REST. Do not change it by hand.
"""

from __future__ import annotations

import msgspec


class VoD(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A recording, or a file that was uploaded. There is none here; of an unknown one Ant Media answers with nothing in
    any key."""

    stream_name: str | None = None
    vod_name: str | None = None
    stream_id: str | None = None
    creation_date: int = 0
    start_time: int = 0
    duration: int = 0
    file_size: int = 0
    file_path: str | None = None
    vod_id: str | None = None
    type: str | None = None
    preview_file_path: str | None = None
    process_status: str | None = None
    process_start_time: int = 0
    process_end_time: int = 0
    description: str | None = None
    metadata: str | None = None
    latitude: str | None = None
    longitude: str | None = None
    altitude: str | None = None
