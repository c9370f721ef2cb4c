"""The local view of what is live: changes, staleness, outages."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rillcast.cluster.stream_directory import LOST_S, StreamDirectory
from rillcast.contracts.epochs import Epoch
from rillcast.contracts.ids import UNSAID_CLAIM, AppName, ClaimId, NodeId, SessionId, StreamId, TrackId, stream_key
from rillcast.contracts.records import RenditionRecord, StreamRecord, TrackRecord
from rillcast.contracts.words import MediaKind
from rillcast.runtime.ports import Entry

APP, STREAM = AppName("live"), StreamId("a.b")
KEY = stream_key(APP, STREAM)
LEASE_S = 6.0


def track(name: str, mid: str = "v0", height: int = 720) -> TrackRecord:
    return TrackRecord(
        track=TrackId(name), mid=mid, kind=MediaKind.VIDEO, codec="H264", clock_rate=90_000, height=height
    )


def entry(
    revision: int, *, owner: str = "o1", epoch: int = 0, claim: str = UNSAID_CLAIM, tracks: tuple[TrackRecord, ...] = ()
) -> Entry:
    record = StreamRecord(
        app=APP,
        stream=STREAM,
        owner=NodeId(owner),
        publisher_session=SessionId("s"),
        tracks=tracks or (track("v0"),),
        epoch=epoch,
        claim=ClaimId(claim),
    )
    return Entry(KEY, msgspec.json.encode(record), revision)


def rendition(revision: int, stream_claim: str = "c", bitrate_bps: int = 0) -> Entry:
    low = msgspec.structs.replace(track("v0.360p", height=360), bitrate_bps=bitrate_bps)
    record = RenditionRecord(
        app=APP,
        stream=STREAM,
        epoch=1,
        owner=NodeId("t1"),
        claim=ClaimId("job"),
        stream_claim=ClaimId(stream_claim),
        tracks=(low,),
    )
    return Entry(f"{KEY}/t1", msgspec.json.encode(record), revision)


def directory_with(first: Entry) -> StreamDirectory:
    directory = StreamDirectory(LEASE_S)
    directory.expire(0.0, hearing=1)
    directory.apply_stream(first, 0.0)
    return directory


def test_a_record_says_its_epoch_and_claim() -> None:
    live = directory_with(entry(5, epoch=70, claim="c")).get(APP, STREAM)

    assert live is not None
    assert live.epoch == Epoch(70, ClaimId("c"))
    assert [supply.claim for supply in live.supplies()] == ["c"]


def test_a_claim_that_a_node_of_version_3_wrote_has_its_revision_for_an_epoch() -> None:
    live = directory_with(entry(5)).get(APP, STREAM)

    assert live is not None
    assert live.epoch == Epoch(5, UNSAID_CLAIM)


@pytest.mark.parametrize(
    "shown",
    [
        pytest.param(entry(2, owner="o1", epoch=70, claim="a"), id="an owner before"),
        pytest.param(entry(4, owner="o2", epoch=80, claim="c"), id="an older write"),
        pytest.param(entry(9, owner="o3", epoch=79, claim="d"), id="a lower claim in a store that forgot"),
        pytest.param(entry(5, owner="o3", epoch=80, claim="b"), id="an equal revision and number"),
        pytest.param(Entry(KEY, None, 3), id="an older deletion"),
    ],
)
def test_nobody_follows_a_store_that_returned_to_an_earlier_state(shown: Entry) -> None:
    directory = directory_with(entry(5, owner="o2", epoch=80, claim="c"))

    assert directory.apply_stream(shown, 1.0) == frozenset()

    live = directory.get(APP, STREAM)
    assert live is not None
    assert (live.record.owner, live.epoch.number) == ("o2", 80)


def test_the_owner_that_claims_anew_after_the_store_forgot_is_followed_at_once_at_any_revision() -> None:
    directory = directory_with(entry(5, epoch=80, claim="c"))
    directory.apply_stream(entry(3, epoch=80, claim="c"), 1.0)

    assert directory.apply_stream(entry(4, epoch=81, claim="c"), 1.5) == {KEY}

    directory.expire(LEASE_S + 1.0, hearing=1)
    assert directory.get(APP, STREAM) is not None, "it is the write of a living owner"


def test_a_lower_epoch_counts_once_the_higher_one_was_not_heard_for_a_lease() -> None:
    directory = directory_with(entry(5, owner="o2", epoch=80, claim="c"))

    assert directory.apply_stream(entry(4, owner="o3", epoch=79, claim="d"), LEASE_S) == {KEY}


def test_an_older_revision_arriving_late_changes_nothing() -> None:
    directory = directory_with(entry(9, owner="o2"))

    assert directory.apply_stream(entry(5, owner="o1"), 1.0) == frozenset()

    live = directory.get(APP, STREAM)
    assert live is not None
    assert live.record.owner == "o2"


def test_a_bit_rate_is_kept_up_to_date_but_is_no_change_unless_it_starts_or_stops() -> None:
    first, second, stopped = (
        msgspec.structs.replace(track("v0"), bitrate_bps=bitrate_bps) for bitrate_bps in (900_000, 950_000, 0)
    )
    directory = directory_with(entry(5, epoch=5, tracks=(first,)))

    assert directory.apply_stream(entry(6, epoch=5, tracks=(second,)), 2.0) == frozenset()
    live = directory.get(APP, STREAM)
    assert live is not None
    assert live.supplies()[0].track.bitrate_bps == 950_000
    assert directory.apply_stream(entry(7, epoch=5, tracks=(stopped,)), 4.0) == {KEY}
    assert directory.apply_stream(entry(8, epoch=5, tracks=(first,)), 6.0) == {KEY}


def test_a_renditions_bit_rate_is_no_change_either() -> None:
    directory = directory_with(entry(5, epoch=5, claim="c"))
    directory.apply_rendition(rendition(6, bitrate_bps=400_000), 0.0)

    assert directory.apply_rendition(rendition(7, bitrate_bps=420_000), 2.0) == frozenset()
    assert directory.apply_rendition(rendition(8, bitrate_bps=0), 4.0) == {KEY}


@pytest.mark.parametrize("name", [f"{KEY}x/ladder", "live/other/ladder", "ladder", f"{KEY}/ladder/more", KEY])
def test_a_job_under_the_key_of_another_stream_is_passed_over_and_counted(name: str) -> None:
    directory = directory_with(entry(5, epoch=5, claim="c"))

    assert directory.apply_rendition(Entry(name, rendition(6).value, 6), 0.0) == frozenset()

    live = directory.get(APP, STREAM)
    assert live is not None
    assert (live.renditions, directory.undecodable) == ((), 1)


STREAMS = [StreamId(name) for name in ("a.b", "c", "q")]
KEYS = [stream_key(APP, stream) for stream in STREAMS]
JOBS = [f"{key}/{name}" for key in KEYS for name in ("ladder", "t1")] + ["live/x/y/z", "x", ""]
OWNERS = [NodeId("o1"), NodeId("t1")]


@st.composite
def written(draw: st.DrawFn) -> bytes | None:
    """Whatever anybody may write: records of some stream under some key, garbage, or a deletion."""
    stream, owner, epoch = draw(st.sampled_from(STREAMS)), draw(st.sampled_from(OWNERS)), draw(st.integers(0, 9))
    record: StreamRecord | RenditionRecord = RenditionRecord(
        app=APP, stream=stream, epoch=epoch, owner=owner, tracks=(track("v0.360p"),)
    )
    if draw(st.booleans()):
        record = StreamRecord(
            app=APP, stream=stream, owner=owner, publisher_session=SessionId("s"), tracks=(track("v0"),), epoch=epoch
        )
    return draw(st.sampled_from([None, b"\xff garbage", b"{}", msgspec.json.encode(record)]))


@given(st.lists(st.tuples(st.sampled_from([*KEYS, *JOBS]), written(), st.floats(0, 4)), max_size=40))
def test_whatever_is_written_every_stream_can_be_looked_up_and_in_the_end_nothing_is_left(
    writes: list[tuple[str, bytes | None, float]],
) -> None:
    directory, now = StreamDirectory(LEASE_S), 0.0
    for revision, (key, value, later) in enumerate(writes, 1):
        now += later
        directory.apply_stream(Entry(key, value, revision), now)
        directory.apply_rendition(Entry(key, value, revision), now)
        directory.expire(now, hearing=1)
        for live in directory.all():
            assert live.key == stream_key(live.app, live.stream)
            assert all(stream_key(job.app, job.stream) == live.key for job in live.renditions)

    directory.expire(now + 1, hearing=1)
    directory.expire(now + 1 + LEASE_S, hearing=1)

    assert list(directory.all()) == []
    assert not (directory._renditions or directory._by_stream or directory._live)


def test_a_key_not_rewritten_within_the_lease_is_gone() -> None:
    directory = directory_with(entry(5))

    assert directory.expire(LEASE_S - 0.1, hearing=1) == frozenset()
    assert directory.expire(LEASE_S, hearing=1) == {KEY}
    assert directory.get(APP, STREAM) is None


def test_a_stream_that_expired_has_lost_its_owner_for_a_while_and_one_that_was_ended_has_not() -> None:
    directory = directory_with(entry(5))
    assert not directory.has_lost_owner(KEY, LEASE_S)
    directory.expire(LEASE_S, hearing=1)
    assert directory.has_lost_owner(KEY, LEASE_S + LOST_S - 0.1)
    assert not directory.has_lost_owner(KEY, LEASE_S + LOST_S)

    directory.apply_stream(entry(6, epoch=6), LEASE_S + 1.0)
    assert not directory.has_lost_owner(KEY, LEASE_S + 1.0)
    directory.apply_stream(Entry(KEY, None, 7), LEASE_S + 2.0)
    assert not directory.has_lost_owner(KEY, LEASE_S + 2.0)


def test_streams_without_an_owner_are_forgotten_in_time_and_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    directory = directory_with(entry(5))
    directory.expire(LEASE_S, hearing=1)
    directory.expire(LEASE_S + LOST_S, hearing=1)
    assert not directory._lost_at

    monkeypatch.setattr("rillcast.cluster.stream_directory.MOST_LOST", 2)
    for number in range(3):
        directory._lose(f"k{number}", 100.0)
    assert list(directory._lost_at) == ["k1", "k2"]


def test_a_rewritten_key_stays() -> None:
    directory = directory_with(entry(5))
    directory.apply_stream(entry(6, epoch=5), 4.0)

    directory.expire(LEASE_S + 3.0, hearing=1)

    assert directory.get(APP, STREAM) is not None


def test_nothing_expires_while_the_bus_is_down_nor_within_a_lease_after_it_came_back() -> None:
    directory = directory_with(entry(5))

    directory.expire(1.0, hearing=0)
    assert directory.expire(500.0, hearing=0) == frozenset()
    assert directory.expire(501.0, hearing=1) == frozenset()
    assert directory.expire(501.0 + LEASE_S - 0.1, hearing=1) == frozenset()
    assert directory.expire(501.0 + LEASE_S, hearing=1) == {KEY}


def test_nothing_expires_by_a_silence_of_the_bus_that_was_over_before_anybody_looked() -> None:
    directory = directory_with(entry(5))

    assert directory.expire(500.0, hearing=2) == frozenset()
    assert directory.expire(500.0 + LEASE_S - 0.1, hearing=2) == frozenset()
    assert directory.expire(500.0 + LEASE_S, hearing=2) == {KEY}


def test_nothing_of_an_owner_expires_that_lives_and_can_not_write() -> None:
    directory = directory_with(entry(5))
    kept = {NodeId("o1")}

    assert directory.expire(500.0, hearing=1, kept_from_writing=kept.__contains__) == frozenset()
    assert directory.get(APP, STREAM) is not None

    kept.clear()  # it has died, or it can write and does not
    assert directory.expire(500.5, hearing=1, kept_from_writing=kept.__contains__) == frozenset()
    assert directory.expire(500.0 + LEASE_S / 2, hearing=1, kept_from_writing=kept.__contains__) == {KEY}


def test_nothing_expires_whose_media_arrives_here() -> None:
    directory = directory_with(entry(5, epoch=5, claim="c"))
    directory.apply_rendition(rendition(7), 0.0)
    arriving = {KEY}

    assert directory.expire(500.0, hearing=1, flows=arriving.__contains__) == frozenset()
    live = directory.get(APP, STREAM)
    assert live is not None
    assert live.renditions

    arriving.clear()
    assert directory.expire(500.0 + LEASE_S / 2, hearing=1, flows=arriving.__contains__) == {KEY}


def test_an_owner_that_can_write_again_has_the_time_to_do_it() -> None:
    directory = directory_with(entry(5))
    directory.expire(500.0, hearing=1, kept_from_writing=lambda _: True)

    assert directory.expire(500.0 + LEASE_S / 3, hearing=1) == frozenset()
    directory.apply_stream(entry(6), 500.0 + LEASE_S / 3)

    assert directory.expire(500.0 + LEASE_S, hearing=1) == frozenset()


def test_the_same_revision_shown_again_after_a_reconnect_is_no_sign_of_life() -> None:
    directory = directory_with(entry(5))

    directory.apply_stream(entry(5), 5.9)

    assert directory.expire(LEASE_S, hearing=1) == {KEY}


def test_a_deleted_key_is_gone_at_once() -> None:
    directory = directory_with(entry(5))

    assert directory.apply_stream(Entry(KEY, None, 6), 1.0) == {KEY}
    assert directory.get(APP, STREAM) is None


def test_renditions_of_the_present_claim_are_supplied_by_their_transcoder() -> None:
    directory = directory_with(entry(5, epoch=5, claim="c"))

    assert directory.apply_rendition(rendition(7), 0.0) == {KEY}

    live = directory.get(APP, STREAM)
    assert live is not None
    supply = live.supply(TrackId("v0.360p"))
    assert supply is not None
    assert (supply.node, supply.claim) == ("t1", "job")
    assert [s.track.track for s in live.supplies()] == ["v0", "v0.360p"]


def test_renditions_of_another_claim_are_not_offered() -> None:
    directory = directory_with(entry(5, epoch=5, claim="c"))

    directory.apply_rendition(rendition(7, stream_claim="before"), 0.0)

    live = directory.get(APP, STREAM)
    assert live is not None
    assert live.supply(TrackId("v0.360p")) is None


def test_renditions_outlive_a_claim_anew_by_the_same_owner() -> None:
    directory = directory_with(entry(5, epoch=5, claim="c"))
    directory.apply_rendition(rendition(7), 0.0)

    directory.apply_stream(entry(20, epoch=20, claim="c"), 1.0)

    live = directory.get(APP, STREAM)
    assert live is not None
    assert live.supply(TrackId("v0.360p")) is not None


def test_renditions_not_rewritten_are_gone_while_the_stream_stays() -> None:
    directory = directory_with(entry(5, epoch=5, claim="c"))
    directory.apply_rendition(rendition(7), 0.0)
    directory.apply_stream(entry(8, epoch=5, claim="c"), 5.0)

    assert directory.expire(LEASE_S, hearing=1) == {KEY}

    live = directory.get(APP, STREAM)
    assert live is not None
    assert live.renditions == ()


def test_garbage_and_records_under_a_foreign_key_are_counted_and_ignored() -> None:
    directory = StreamDirectory(LEASE_S)

    directory.apply_stream(Entry(KEY, b"\xff", 1), 0.0)
    directory.apply_stream(Entry("live/other", entry(2).value, 2), 0.0)
    directory.apply_rendition(Entry(f"{KEY}/t1", b"[]", 3), 0.0)

    assert directory.undecodable == 3
    assert list(directory.all()) == []
