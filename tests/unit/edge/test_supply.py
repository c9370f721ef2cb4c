"""What a stream can be sent from, worked out once per state of the stream."""

from __future__ import annotations

import msgspec
from edge_harness import APP, AUDIO, KEY, STREAM, VIDEO, rung

from rillcast.cluster.stream_directory import LiveStream, TrackSupply
from rillcast.contracts.epochs import Epoch
from rillcast.contracts.ids import ClaimId, NodeId, SessionId, TrackId
from rillcast.contracts.records import StreamRecord, TrackRecord
from services.edge.domain.supply import Supplies, SwitchCause, supplies_for, switch_cause, tracks_to_come

LOW = rung(360, 600_000)
ORIGIN = NodeId("origin-1")
EPOCH = Epoch(1, ClaimId("c1"))


def live(*tracks: TrackRecord) -> LiveStream:
    record = StreamRecord(app=APP, stream=STREAM, owner=ORIGIN, publisher_session=SessionId("p"), tracks=tracks)
    return LiveStream(KEY, record, EPOCH, (), tuple(TrackSupply(track, ORIGIN, EPOCH.claim) for track in tracks))


def test_renditions_of_one_group_and_codec_come_lowest_first() -> None:
    stream = live(VIDEO, rung(480, 900_000), LOW, rung(240, 1, "AV1"), AUDIO)

    assert [supply.track.height for supply in supplies_for(stream, "v0", "VP8")] == [360, 480, 720]


def test_a_simulcast_layer_that_carries_nothing_is_no_rendition_while_others_do() -> None:
    silent = msgspec.structs.replace(VIDEO, track=TrackId("v0.h"), rid="h")

    assert [supply.track.track for supply in supplies_for(live(silent, LOW), "v0", "VP8")] == [LOW.track]
    assert [supply.track.track for supply in supplies_for(live(silent), "v0", "VP8")] == ["v0.h"]


def test_the_same_state_of_a_stream_is_worked_out_once() -> None:
    supplies, stream = Supplies(), live(VIDEO, LOW)

    assert supplies.of(stream).of("v0", "VP8") is supplies.of(stream).of("v0", "VP8")


def test_a_new_state_is_worked_out_anew() -> None:
    supplies = Supplies()
    supplies.of(live(VIDEO)).of("v0", "VP8")

    group = supplies.of(live(msgspec.structs.replace(VIDEO, bitrate_bps=7))).of("v0", "VP8")

    assert [option.bitrate_bps for option in group.options] == [7]


def test_only_other_renditions_concern_viewers() -> None:
    supplies = Supplies()
    assert supplies.changed(live(VIDEO, LOW)), "nothing was known"
    assert supplies.changed(live(VIDEO, LOW, AUDIO)), "one more"
    assert not supplies.changed(live(msgspec.structs.replace(VIDEO, bitrate_bps=9), LOW, AUDIO))
    assert supplies.changed(live(VIDEO, AUDIO)), "one less"
    assert supplies.changed(live(msgspec.structs.replace(VIDEO, codec="AV1"), AUDIO)), "another codec"


def test_a_stream_that_nobody_watches_is_forgotten() -> None:
    supplies = Supplies()
    supplies.of(live(VIDEO))
    supplies.forget(KEY)

    assert not supplies._by_key
    assert not supplies._offered


def test_lost_renditions_are_left_out_unless_nothing_else_is_left() -> None:
    group = Supplies().of(live(VIDEO, LOW)).of("v0", "VP8")

    assert [option.track for option in group.without({LOW.track}).options] == ["v0"]
    assert group.without({LOW.track, VIDEO.track}) is group
    assert group.without(()) is group


def test_codecs_to_come_are_those_that_nobody_makes_yet() -> None:
    coming = tracks_to_come(live(VIDEO, AUDIO), ("H264", "VP8"))

    assert [(track.mid, track.codec) for track in coming] == [("v0", "H264")]
    assert tracks_to_come(live(AUDIO), ("H264",)) == ()


def test_why_a_rendition_changes() -> None:
    supplies = supplies_for(live(VIDEO, LOW), "v0", "VP8")

    assert switch_cause(supplies, VIDEO.track, LOW.track) is SwitchCause.DOWN
    assert switch_cause(supplies, LOW.track, VIDEO.track) is SwitchCause.UP
    assert switch_cause(supplies, TrackId("gone"), LOW.track) is SwitchCause.LOST
    assert switch_cause(supplies, None, LOW.track) is SwitchCause.LOST
