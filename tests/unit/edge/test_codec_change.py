"""The record of a stream changes under its viewers: another codec, tracks or layers that come and go, a ladder that is
away for a while."""

from __future__ import annotations

import msgspec
import pytest
from edge_harness import AUDIO, KEY, VIDEO, Begin, World, rung, until
from test_rung_wait import OFFER, only

from rillcast.apps.ladder_wish import RUNG_WAIT_S
from rillcast.contracts.ids import SessionId, TrackId
from rillcast.contracts.records import TrackRecord
from rillcast.contracts.words import EndReason
from rillcast.media import protocol

CHANGED = ("closed", EndReason.CODEC_CHANGED)
H264 = msgspec.structs.replace(VIDEO, codec="H264", bitrate_bps=2_000_000)
VP8 = msgspec.structs.replace(VIDEO, bitrate_bps=2_000_000)
VP8_RUNG = msgspec.structs.replace(rung(720, 1_900_000), track=TrackId("v0.720p.vp8"))
MONO = msgspec.structs.replace(AUDIO, codec="PCMU", clock_rate=8_000, channels=1)
GRACE_S = 10.0
VP8_ONLY, H264_ONLY = only("VP8", OFFER), only("H264", OFFER)
H264_RUNG = msgspec.structs.replace(rung(720, 1_900_000, "H264"), track=TrackId("v0.720p.h264"))


async def a_world(begin: Begin, *tracks: TrackRecord) -> World:
    world = await begin(stream_gone_grace_s=GRACE_S)
    await world.parent("origin-1", *tracks)
    await world.live(tracks=tracks)
    return world


async def returns(world: World, *tracks: TrackRecord, epoch: int = 5) -> None:
    """The publisher's next session has these tracks, at the same origin."""
    parent = world.parents["origin-1"]
    parent.tracks = {track.track: track for track in tracks}
    await world.live(tracks=tracks, epoch=epoch)
    await world.settle()


def over(world: World, session: SessionId) -> bool:
    return world.told(session)[-1:] == [CHANGED]


def sent(world: World, plane_session: int) -> dict[int, int | None]:
    """The sources to which the tracks of a session were pointed last."""
    added = next(command for command in world.added() if command.session == plane_session)
    switched = (s for s in world.plane.of(protocol.SwitchSource) if s.session == plane_session)
    return {**{track.track: track.source for track in added.send}, **{s.track: s.source for s in switched}}


def codecs_fed(world: World) -> dict[int, str]:
    return {feed.source: feed.codec for feed in world.feeds()}


# ------------------------------------------------------------ another codec


@pytest.mark.parametrize(("before", "after"), [(H264, VP8), (VP8, H264)])
async def test_viewers_of_the_old_codec_are_told_at_once_although_the_audio_goes_on(
    begin: Begin, before: TrackRecord, after: TrackRecord
) -> None:
    world = await a_world(begin, before, AUDIO)
    session, _ = await world.watching()

    await returns(world, after, AUDIO)

    await until(lambda: over(world, session))
    assert len(world.edge.viewers) == 0


async def test_viewers_are_told_at_once_if_it_is_the_audio_that_changed(begin: Begin) -> None:
    world = await a_world(begin, VP8, AUDIO)
    session, _ = await world.watching()

    await returns(world, VP8, MONO)

    await until(lambda: over(world, session))


async def test_who_joins_after_the_change_gets_the_new_codec_from_a_relay_of_its_own(begin: Begin) -> None:
    world = await a_world(begin, H264, AUDIO)
    session, _ = await world.watching()
    await returns(world, VP8, AUDIO)
    await until(lambda: over(world, session))

    _, plane_session = await world.watching()

    source = sent(world, plane_session)[0]
    assert source is not None
    assert codecs_fed(world)[source] == "VP8"
    assert world.parents["origin-1"].opened[-1].claim == "c5"


async def test_who_joins_before_the_old_viewers_are_gone_is_not_sent_the_old_source(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = await a_world(begin, H264, AUDIO)
    _, old = await world.watching()
    monkeypatch.setattr(world.edge.allocator, "reconcile", lambda _viewer: [])
    await returns(world, VP8, AUDIO)
    await world.pass_time(1.0)

    _, new = await world.watching()

    before, after = sent(world, old)[0], sent(world, new)[0]
    assert before is not None
    assert after is not None
    assert (codecs_fed(world)[before], codecs_fed(world)[after]) == ("H264", "VP8")


async def test_a_relay_of_the_old_codec_is_closed_as_soon_as_nobody_uses_it(begin: Begin) -> None:
    world = await a_world(begin, H264, AUDIO)
    session, plane_session = await world.watching()
    old = sent(world, plane_session)[0]

    await returns(world, VP8, AUDIO)
    await until(lambda: over(world, session))
    await world.pass_time(0.5)

    assert old in [removed.source for removed in world.plane.of(protocol.RemoveSource)]
    assert [feed.track.track for feed in world.edge.relays.feeds_of(KEY)] == ["a0"]


async def test_an_idle_relay_of_the_old_codec_is_closed_when_the_codec_changes(begin: Begin) -> None:
    world = await a_world(begin, H264, AUDIO)
    session, _ = await world.watching()
    await world.close(session)
    assert {feed.track.codec for feed in world.edge.relays.feeds_of(KEY)} == {"H264", "opus"}

    await returns(world, VP8, AUDIO)
    await world.pass_time(0.5)

    assert {feed.track.codec for feed in world.edge.relays.feeds_of(KEY)} == {"opus"}


async def test_viewers_of_a_rung_in_the_new_codec_go_over_to_the_publishers_own(begin: Begin) -> None:
    world = await begin()
    await world.parent("origin-1", H264, AUDIO)
    await world.parent("transcoder-1", VP8_RUNG)
    await world.live(tracks=(H264, AUDIO))
    await world.ladder(VP8_RUNG)
    session, plane_session = await world.watching(offer=VP8_ONLY)
    assert codecs_fed(world)[sent(world, plane_session)[0] or 0] == "VP8"

    await returns(world, VP8, AUDIO)

    await until(lambda: sent(world, plane_session)[0] == world.source_of("v0"))
    assert codecs_fed(world)[world.source_of("v0")] == "VP8"
    assert not over(world, session)


# ------------------------------------------------------------ another codec, and a ladder that makes the old one


async def with_ladder(begin: Begin) -> tuple[World, SessionId, int]:
    """A viewer of the publisher's H264, in an app whose ladders are in H264 and VP8."""
    world = await a_world(begin, H264, AUDIO)
    await world.parent("transcoder-1", H264_RUNG)
    session, plane_session = await world.watching(offer=H264_ONLY, ladder_codecs=("H264", "VP8"))
    return world, session, plane_session


async def test_viewers_wait_for_a_rung_in_their_codec_and_get_it(begin: Begin) -> None:
    world, session, plane_session = await with_ladder(begin)

    await returns(world, VP8, AUDIO)
    await world.pass_time(RUNG_WAIT_S - 0.5)
    assert not over(world, session)
    await world.ladder(H264_RUNG, epoch=5)

    await until(lambda: sent(world, plane_session)[0] == world.source_of(H264_RUNG.track))
    await world.pass_time(2 * GRACE_S)
    assert not over(world, session)


async def test_viewers_are_told_when_the_rung_does_not_come_in_time(begin: Begin) -> None:
    world, session, _ = await with_ladder(begin)

    await returns(world, VP8, AUDIO)
    await world.pass_time(RUNG_WAIT_S - 0.5)
    assert not over(world, session)
    await world.pass_time(1.0)

    await until(lambda: over(world, session))


@pytest.mark.parametrize("codec", ["H266", "VP8"])
async def test_viewers_are_told_at_once_if_no_ladder_can_make_their_codec(begin: Begin, codec: str) -> None:
    world, session, _ = await with_ladder(begin)
    audio = AUDIO if codec == "H266" else MONO

    await returns(world, msgspec.structs.replace(VIDEO, codec=codec), audio)

    await until(lambda: over(world, session))


# ------------------------------------------------------------ a ladder that is away


async def laddered(begin: Begin) -> tuple[World, SessionId, int]:
    """A viewer of the only rung in VP8 of a stream in H264."""
    world = await begin(stream_gone_grace_s=GRACE_S)
    await world.parent("origin-1", H264, AUDIO)
    await world.parent("transcoder-1", VP8_RUNG)
    await world.parent("transcoder-2", VP8_RUNG)
    await world.live(tracks=(H264, AUDIO))
    await world.ladder(VP8_RUNG)
    session, plane_session = await world.watching(offer=VP8_ONLY)
    return world, session, plane_session


async def test_viewers_wait_for_a_rung_that_another_transcoder_takes_on(begin: Begin) -> None:
    world, session, plane_session = await laddered(begin)
    source = sent(world, plane_session)[0]

    await world.renditions.delete(f"{KEY}/transcoder-1")
    await world.pass_time(GRACE_S - 1)
    assert not over(world, session)
    await world.ladder(VP8_RUNG, owner="transcoder-2")
    await world.pass_time(2 * GRACE_S)

    assert not over(world, session)
    assert world.parents["transcoder-2"].opened
    assert sent(world, plane_session)[0] == source


async def test_viewers_of_a_rung_that_does_not_come_back_are_told(begin: Begin) -> None:
    world, session, _ = await laddered(begin)

    await world.renditions.delete(f"{KEY}/transcoder-1")
    await world.pass_time(GRACE_S - 1)
    assert not over(world, session)
    await world.pass_time(2.0)

    await until(lambda: over(world, session))


async def test_a_second_gap_is_waited_for_anew(begin: Begin) -> None:
    world, session, _ = await laddered(begin)
    await world.renditions.delete(f"{KEY}/transcoder-1")
    await world.pass_time(GRACE_S - 2)
    await world.ladder(VP8_RUNG, owner="transcoder-2")
    await world.pass_time(1.0)
    await world.renditions.delete(f"{KEY}/transcoder-2")

    await world.pass_time(GRACE_S - 2)
    assert not over(world, session)
    await world.pass_time(3.0)

    await until(lambda: over(world, session))


async def test_viewers_of_a_rung_are_told_at_once_when_the_publisher_changes_its_codec_as_well(begin: Begin) -> None:
    world, session, _ = await laddered(begin)

    await returns(world, msgspec.structs.replace(VIDEO, codec="AV1"), AUDIO)

    await until(lambda: over(world, session))


async def test_waiting_for_a_rung_leaves_nothing_behind_when_the_viewer_leaves(begin: Begin) -> None:
    world, session, _ = await laddered(begin)
    await world.renditions.delete(f"{KEY}/transcoder-1")
    await world.pass_time(1.0)

    await world.close(session)
    await world.pass_time(GRACE_S)

    assert len(world.edge.sessions.awaited) == 0


# ------------------------------------------------------------ tracks and layers


async def test_a_stream_that_drops_its_video_goes_on_for_its_viewers(begin: Begin) -> None:
    world = await a_world(begin, VP8, AUDIO)
    session, plane_session = await world.watching()
    video = sent(world, plane_session)[0]

    await returns(world, AUDIO)
    await world.pass_time(2 * GRACE_S)
    assert not over(world, session)
    await returns(world, VP8, AUDIO, epoch=6)
    await world.pass_time(1.0)

    assert (over(world, session), sent(world, plane_session)[0]) == (False, video)
    assert [o.claim for o in world.parents["origin-1"].opened if o.track == "v0"] == ["c1", "c6"]


async def test_a_video_that_comes_back_in_another_codec_is_told_at_once(begin: Begin) -> None:
    world = await a_world(begin, H264, AUDIO)
    session, _ = await world.watching()
    await returns(world, AUDIO)

    await returns(world, VP8, AUDIO, epoch=6)

    await until(lambda: over(world, session))


async def test_viewers_with_nothing_left_are_told(begin: Begin) -> None:
    world = await a_world(begin, VP8)
    session, _ = await world.watching()

    await returns(world, AUDIO)

    await until(lambda: over(world, session))


async def test_viewers_of_a_layer_that_is_gone_go_over_to_one_that_is_there(begin: Begin) -> None:
    small = msgspec.structs.replace(VP8, track=TrackId("v0.l"), rid="l", height=360, bitrate_bps=500_000)
    large = msgspec.structs.replace(VP8, track=TrackId("v0.h"), rid="h")
    world = await a_world(begin, small, large, AUDIO)
    session, plane_session = await world.watching()

    await returns(world, VP8, AUDIO)

    await until(lambda: sent(world, plane_session)[0] == world.source_of("v0"))
    assert not over(world, session)
