"""What clients are told about a live stream: its renditions, and itself as Ant Media's broadcast."""

from __future__ import annotations

import msgspec

from rillcast.cluster.stream_directory import LiveStream, StreamDirectory
from rillcast.contracts.broadcast_records import KeptBroadcast
from rillcast.contracts.ids import AppName, NodeId, SessionId, StreamId, TrackId, stream_key
from rillcast.contracts.ingest_figures import IngestFigures
from rillcast.contracts.messages import NodeLoad, NodeReport
from rillcast.contracts.records import LadderRung, StreamRecord, TrackRecord
from rillcast.contracts.words import MediaKind, NodeKind
from rillcast.runtime.ports import Entry
from services.signaling.core.domain import stream_info
from services.signaling.core.domain.node_address import address_of
from services.signaling.rest.domain import shapes
from tests.unit.signaling.fake_nodes import info

LIVE, STREAM = AppName("live"), StreamId("s1")


def video(height: int, bitrate_bps: int, codec: str = "H264") -> TrackRecord:
    return TrackRecord(
        track=TrackId(f"v{height}"),
        mid="v0",
        kind=MediaKind.VIDEO,
        codec=codec,
        clock_rate=90_000,
        width=height * 16 // 9,
        height=height,
        bitrate_bps=bitrate_bps,
    )


AUDIO = TrackRecord(
    track=TrackId("a0"), mid="a0", kind=MediaKind.AUDIO, codec="opus", clock_rate=48_000, bitrate_bps=64_000
)


def live(*tracks: TrackRecord, media_flowing: bool = True, name: str = "") -> LiveStream:
    record = StreamRecord(
        app=LIVE,
        stream=STREAM,
        owner=NodeId("origin-1"),
        publisher_session=SessionId("p"),
        tracks=tracks,
        media_flowing=media_flowing,
        started_at_ms=1_700_000_000_000,
        name=name,
    )
    directory, key = StreamDirectory(), stream_key(LIVE, STREAM)
    directory.apply_stream(Entry(key, msgspec.json.encode(record), 1), 0.0)
    found = directory.by_key(key)
    assert found is not None
    return found


def test_renditions_are_listed_from_the_highest_with_the_bit_rate_of_the_sound() -> None:
    listed = stream_info.renditions(live(video(360, 600_000), AUDIO, video(720, 2_000_000, "VP8")))

    assert [(one.stream_height, one.stream_width, one.video_bitrate, one.video_codec) for one in listed] == [
        (720, 1280, 2_000_000, "VP8"),
        (360, 640, 600_000, "H264"),
    ]
    assert {one.audio_bitrate for one in listed} == {64_000}


def test_a_stream_of_sound_alone_is_one_rendition_without_a_picture() -> None:
    (only,) = stream_info.renditions(live(AUDIO))

    assert (only.stream_height, only.video_codec, only.audio_bitrate) == (0, "", 64_000)


def test_a_broadcast_shows_what_its_origin_has_counted() -> None:
    figures = IngestFigures(received_bytes=5_000_000_000, packets=990, packets_lost=10)
    found = live(video(720, 2_000_000))
    found = msgspec.structs.replace(found, record=msgspec.structs.replace(found.record, figures=figures))
    shown = stream_info.broadcast(found, 0, "", None)
    assert (shown.received_bytes, shown.packets_lost, shown.packet_lost_ratio) == (5_000_000_000, 10, 0.01)
    nothing_yet = stream_info.broadcast(live(), 0, "", None)
    assert (nothing_yet.received_bytes, nothing_yet.packets_lost, nothing_yet.packet_lost_ratio) == (0, 0, 0.0)


def test_a_broadcast_shows_its_largest_picture_and_all_its_bits() -> None:
    shown = stream_info.broadcast(live(video(360, 600_000), video(720, 2_000_000), AUDIO, name="A show"), 3, "", None)

    assert (shown.height, shown.width, shown.bitrate) == (720, 1280, 2_664_000)
    assert (shown.web_rtc_viewer_count, shown.anyone_watching, shown.name) == (3, True, "A show")


def test_a_broadcast_without_settings_ends_with_its_stream_and_one_with_them_stays() -> None:
    rungs = (LadderRung(height=360, video_bitrate=600_000),)
    settings = KeptBroadcast(stream_id=STREAM, encoder_settings_list=rungs)
    without, having = (stream_info.broadcast(live(AUDIO), 0, "", given) for given in (None, settings))

    assert (without.zombi, without.encoder_settings_list) == (True, None)
    assert without.update_time == without.start_time > 0
    assert (having.zombi, having.encoder_settings_list) == (False, rungs)
    assert (stream_info.created(settings).status, stream_info.created(settings).zombi) == ("created", False)


def test_a_broadcast_whose_media_has_not_begun_is_being_prepared() -> None:
    shown = stream_info.broadcast(live(media_flowing=False), 0, "192.0.2.7", None)

    assert (shown.status, shown.origin_adress, shown.name) == ("preparing", "192.0.2.7", None)
    assert (shown.height, shown.anyone_watching) == (0, False)


def test_the_address_of_a_node_is_its_relay_address_and_nothing_for_one_that_is_gone() -> None:
    reports = [NodeReport(info=info("origin-1", NodeKind.ORIGIN), load=NodeLoad(), ready=True)]

    assert address_of(reports, NodeId("origin-1")) == "192.0.2.7"
    assert address_of(reports, NodeId("origin-2")) == ""


def test_the_status_of_a_stream_names_each_codec_and_height_once() -> None:
    status = shapes.stream_status(live(video(360, 1), video(720, 1), video(180, 1, "VP8"), AUDIO), 2)

    assert (status.codecs, status.renditions, status.viewers) == (("H264", "VP8", "opus"), (720, 360, 180), 2)
