"""What REST answers look like: Ant Media's names, and our own status."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from rillcast.cluster.stream_directory import LiveStream
from rillcast.contracts.broadcast_records import KeptBroadcast
from rillcast.contracts.messages import LicenseStatus, NodeReport
from rillcast.contracts.status import ClusterStatus, StreamStatus
from rillcast.contracts.words import LicenseState, MediaKind
from services.signaling.core.domain.stream_info import renditions


class Version(msgspec.Struct, rename="camel", kw_only=True):
    """Of the server. The edition is what clients probe before they use WebRTC playback."""

    version_name: str
    version_type: str = "Enterprise Edition"
    build_number: str = ""


class SimpleStat(msgspec.Struct):
    """A number, in the form in which Ant Media answers with one."""

    number: int


class Licence(msgspec.Struct, rename="camel", kw_only=True):
    """Ant Media's record of a license, spelled as on its wire: strings throughout."""

    licence_id: str
    start_date: str | None = None
    end_date: str | None = None
    type: str
    licence_count: str
    owner: str
    status: str
    hour_used: str | None = None


NEVER = "9999-12-31"
"""The end of a license that has none: panels take null for a license that ended long ago."""
_STATES = {LicenseState.GRACE: "expiring", LicenseState.NOT_YET_VALID: "invalid"}
"""Where Ant Media's panel has another word."""


def license(status: LicenseStatus) -> Licence:
    """A license; a beginning that isn't set is null."""
    return Licence(
        licence_id=status.license_id,
        start_date=_day(status.not_before_s),
        end_date=_day(status.not_after_s) or NEVER,
        type="community" if status.community else "cluster",
        licence_count=str(status.limit_total),
        owner=status.licensee,
        status=_STATES.get(status.state, status.state),
        hour_used=f"{status.node_hours:.0f}",
    )


def _day(unix_s: int | None) -> str | None:
    """As Ant Media's panel shows it."""
    return f"{datetime.fromtimestamp(unix_s, UTC):%Y-%m-%d}" if unix_s else None


def stream_status(live: LiveStream, viewers: int) -> StreamStatus:
    """One stream's line."""
    tracks = [supply.track for supply in live.supplies()]
    heights = {track.height for track in tracks if track.kind is MediaKind.VIDEO and track.height}
    return StreamStatus(
        app=live.app,
        stream=live.stream,
        origin=live.record.owner,
        epoch=live.epoch.number,
        viewers=viewers,
        media_flowing=live.record.media_flowing and not live.record.silent,
        started_at_ms=live.record.started_at_ms,
        codecs=tuple(dict.fromkeys(track.codec for track in tracks)),
        renditions=tuple(sorted(heights, reverse=True)),
        publish_type=live.record.publish_type,
        backup=live.record.backup,
    )


def status(
    version: str, reports: list[NodeReport], streams: list[StreamStatus], known: LicenseStatus | None
) -> ClusterStatus:
    """The cluster in one answer, in a fixed order; what each node carries is left out."""
    return ClusterStatus(
        version=version,
        nodes=tuple(
            msgspec.structs.replace(report, carried=(), signature="")
            for report in sorted(reports, key=lambda report: (report.info.kind, report.info.node))
        ),
        streams=tuple(sorted(streams, key=lambda stream: (stream.app, stream.stream))),
        viewers=sum(stream.viewers for stream in streams),
        license=known,
    )


class BasicStreamInfo(msgspec.Struct, rename="camel", kw_only=True):
    """One video rendition of a live stream, as REST shows it."""

    video_width: int
    video_height: int
    video_bitrate: int
    audio_bitrate: int
    video_codec: str


def basic_stream_info(live: LiveStream) -> list[BasicStreamInfo]:
    """One entry per video rendition, highest first."""
    return [
        BasicStreamInfo(
            video_width=one.stream_width,
            video_height=one.stream_height,
            video_bitrate=one.video_bitrate,
            audio_bitrate=one.audio_bitrate,
            video_codec=one.video_codec,
        )
        for one in renditions(live)
    ]


class BackupSettings(msgspec.Struct, rename="camel", kw_only=True):
    """The backup of one broadcast, which Ant Media does not have."""

    backup_stream_id: str | None = None
    """As it was set for this stream; null = that of the app. The other two likewise."""
    backup_after_ms: int | None = None
    backup_longest_s: int | None = None
    on_backup: str | None = None
    """The stream that viewers are shown now; null while they are shown this one."""


def backup_settings(settings: KeptBroadcast | None, live: LiveStream | None) -> BackupSettings:
    """`settings`: what was set for it, if anything was. `live`: None while nobody publishes it."""
    return BackupSettings(
        backup_stream_id=settings.backup_stream_id if settings is not None else None,
        backup_after_ms=settings.backup_after_ms if settings is not None else None,
        backup_longest_s=settings.backup_longest_s if settings is not None else None,
        on_backup=live.record.backup if live is not None else None,
    )
