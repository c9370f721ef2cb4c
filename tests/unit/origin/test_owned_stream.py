"""One stream at its origin: what follows from what happened and from the time."""

from __future__ import annotations

import msgspec
import pytest

from rillcast.contracts.epochs import Epoch
from rillcast.contracts.ids import AppName, ClaimId, NodeId, SessionId, StreamId, TrackId
from rillcast.contracts.ingest_figures import IngestFigures
from rillcast.contracts.records import TrackRecord
from rillcast.contracts.words import EndReason, MediaKind
from rillcast.media.protocol import SourceId, SourceStats
from services.origin.domain.owned_stream import Due, OwnedStream, Publisher
from services.origin.domain.takeover import QUICK_IN_A_ROW, SETTLED_S, Marks

V0 = TrackId("v0")
EPOCH = Epoch(7, ClaimId("c7"))
VIDEO = TrackRecord(track=V0, mid="v0", kind=MediaKind.VIDEO, codec="VP8", clock_rate=90_000, fmtp="old")


def publisher(session: str = "first") -> Publisher:
    return Publisher(
        app=AppName("live"),
        stream=StreamId("s1"),
        session=SessionId(session),
        marks=Marks(verified="mine"),
        start_timeout_s=10.0,
    )


def begun() -> OwnedStream:
    """A stream whose first session began at 0."""
    stream = OwnedStream(publisher(), [VIDEO], node=NodeId("o1"), wall_ms=1)
    stream.begin(publisher(), 0.0)
    return stream


def stats(
    bitrate_bps: int = 0, *, silent_ms: int = 0, lost: int = 0, recovered: int = 0, packets: int = 1
) -> SourceStats:
    return SourceStats(
        source=SourceId(1),
        bitrate_bps=bitrate_bps,
        packets=packets,
        lost=lost,
        recovered=recovered,
        keyframes=1,
        frames_per_second=30.0,
        width=0,
        height=0,
        consumers=0,
        silent_ms=silent_ms,
    )


def test_a_few_take_overs_in_a_row_are_quick_and_then_a_session_has_the_stream_for_itself() -> None:
    stream = begun()
    settled = []
    for moment in (5.0, 6.0, 7.0, 8.0, 11.0, 60.0):
        stream.succeed(publisher(str(moment)), moment)
        settled.append(stream.living(moment, connected=True).settled_in_s)

    assert stream.restored
    assert settled == [0.0, 0.0, 1.0, 3.0, 3.0, 0.0]


def test_whoever_takes_over_as_often_as_possible_does_so_every_few_seconds() -> None:
    stream, took, now = begun(), 0, 0.0
    while now < 20 * SETTLED_S:
        now += stream.living(now, connected=True).settled_in_s + 0.1
        stream.succeed(publisher(str(took)), now)
        took += 1

    assert took <= 20 + QUICK_IN_A_ROW


def test_a_grace_time_is_neither_prolonged_nor_loses_its_reason() -> None:
    stream = begun()
    stream.gone(5.0, EndReason.SOCKET_CLOSED, 1.0)
    stream.gone(30.0, EndReason.CONSENT_EXPIRED, 2.0)

    assert (stream.due(5.9), stream.due(6.0)) == (Due.NOTHING, Due.GRACE_OVER)
    assert stream.grace is not None
    assert stream.grace.reason is EndReason.SOCKET_CLOSED


def test_a_later_loss_can_make_the_grace_time_shorter() -> None:
    stream = begun()
    stream.gone(30.0, EndReason.SOCKET_CLOSED, 1.0)
    stream.gone(5.0, EndReason.CONSENT_EXPIRED, 2.0)

    assert stream.due(7.0) is Due.GRACE_OVER


def test_who_returns_ends_the_grace_time() -> None:
    stream = begun()
    stream.gone(5.0, EndReason.SOCKET_CLOSED, 2.0)

    stream.succeed(publisher("second"), 3.0)

    assert stream.living(3.0, connected=True).last_heard_s == 0.0
    assert stream.due(8.0) is Due.NOTHING


def test_only_packets_show_that_a_publisher_is_alive() -> None:
    stream = begun()

    stream.heard(V0, stats(silent_ms=5_000, packets=0), 6.0)
    assert stream.living(6.0, connected=True).last_heard_s == 6.0
    stream.heard(V0, stats(silent_ms=200), 6.0)

    assert stream.living(6.0, connected=True).last_heard_s == pytest.approx(0.2)


def test_bit_rates_are_averaged_and_a_stopped_track_has_none() -> None:
    stream = begun()
    for bitrate_bps in (1_000_000, 2_000_000):
        stream.heard(V0, stats(bitrate_bps), 1.0)
    assert stream.tracks[V0].bitrate_bps == 1_250_000

    stream.heard(V0, stats(2_000_000, silent_ms=2_500), 3.0)

    assert stream.tracks[V0].bitrate_bps == 0


def test_losses_are_told_as_they_grow_also_when_the_plane_counts_anew() -> None:
    stream = begun()

    told = [stream.heard(V0, stats(lost=lost, recovered=lost // 2), 1.0) for lost in (4, 10, 10, 2)]

    assert told == [(4, 2), (6, 3), (0, 0), (0, 0)]


def test_what_came_is_counted_over_all_sessions_of_a_stream() -> None:
    stream = begun()
    stream.lay_out([VIDEO], {V0: SourceId(1)}, 0)
    for packets, lost in ((10, 1), (100, 5)):
        stream.heard(V0, stats(packets=packets, lost=lost), 1.0)
    stream.received(SessionId("first"), 7_000)
    stream.received(SessionId("somebody else"), 1_000_000)
    assert stream.record(EPOCH).figures == IngestFigures(received_bytes=7_000, packets=100, packets_lost=5)

    stream.succeed(publisher("second"), 2.0)
    stream.lay_out([VIDEO], {V0: SourceId(1)}, 0)
    stream.heard(V0, stats(packets=120, lost=5), 2.0)
    stream.received(SessionId("second"), 500)
    assert stream.record(EPOCH).figures == IngestFigures(received_bytes=7_500, packets=120, packets_lost=5)

    stream.lay_out([VIDEO], {V0: SourceId(2)}, 0)
    stream.heard(V0, msgspec.structs.replace(stats(packets=30, lost=2), source=SourceId(2)), 3.0)
    assert stream.figures == IngestFigures(received_bytes=7_500, packets=150, packets_lost=7)

    elsewhere = begun()
    elsewhere.inherit(stream.record(EPOCH))
    elsewhere.begin(publisher("third"), 4.0)
    elsewhere.received(SessionId("third"), 10)
    assert elsewhere.figures == IngestFigures(received_bytes=7_510, packets=150, packets_lost=7)


def test_new_format_parameters_keep_what_was_measured() -> None:
    stream = begun()
    stream.heard(V0, stats(500_000), 1.0)

    stream.renegotiated([msgspec.structs.replace(VIDEO, fmtp="new")])

    assert (stream.tracks[V0].fmtp, stream.tracks[V0].bitrate_bps) == ("new", 500_000)


def test_a_stream_that_is_over_has_nothing_more_to_happen() -> None:
    stream = begun()
    stream.over()

    with pytest.raises(RuntimeError, match="OVER cannot have NEWCOMER"):
        stream.succeed(publisher("second"), 1.0)


def test_a_silence_is_noticed_once_and_so_is_its_end() -> None:
    stream = begun()

    assert [stream.notice_silence(now) for now in (3.0, 3.1, 60.0)] == [False, True, False]
    assert stream.record(EPOCH).silent
    stream.heard(V0, stats(silent_ms=20), 61.0)

    assert [stream.notice_silence(now) for now in (61.0, 61.1)] == [True, False]
    assert not stream.record(EPOCH).silent
