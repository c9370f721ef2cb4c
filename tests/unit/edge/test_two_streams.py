"""Sessions with several subscriptions: each stream goes its own way."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from edge_harness import APP, AUDIO, EDGE, KEY, STREAM, VIDEO, WHEP_OFFER, World, rung, until
from test_rung_wait import H264_RUNG, only
from test_viewer_join import answer_to

from rillcast.contracts import subjects
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import SessionId, StreamId, stream_key
from rillcast.contracts.messages import Ack, MuteRequest, PlaySubscription, SelectRendition
from rillcast.contracts.words import EndReason, MediaKind
from rillcast.media import protocol
from rillcast.media.protocol import PlaneSession
from services.edge.domain.join_parts import MAX_SUBSCRIPTIONS

OTHER = StreamId("s2")
OTHER_KEY = stream_key(APP, OTHER)
BOTH = (PlaySubscription(app=APP, stream=STREAM), PlaySubscription(app=APP, stream=OTHER))
HIGH, LOW = msgspec.structs.replace(VIDEO, bitrate_bps=2_000_000), rung(360, 600_000)


async def both_live(world: World) -> None:
    """The `world` fixture's stream, and another of the same origin with the same mids and track ids."""
    await world.live(stream=OTHER)


async def watching_both(world: World, **changes: Any) -> tuple[SessionId, int]:
    await both_live(world)
    offer = await world.play(subscriptions=BOTH, **changes)
    await world.accept(offer.session, answer_to(offer.sdp))
    plane_session = world.added()[-1].session
    world.connect(plane_session)
    return offer.session, plane_session


def sources(world: World, key: str) -> set[int]:
    return {feed.source for feed in world.edge.relays.feeds_of(key)}


def users(world: World, key: str) -> list[int]:
    return [feed.users for feed in world.edge.relays.feeds_of(key)]


def pointed(world: World) -> list[tuple[int, int | None]]:
    return [(command.track, command.source) for command in world.plane.of(protocol.SwitchSource)]


async def test_one_offer_holds_the_lines_of_both_one_after_the_other(world: World) -> None:
    await both_live(world)
    offer = await world.play(subscriptions=BOTH)
    assert offer.id_mapping == {"0": "ARDAMSvs1", "1": "ARDAMSas1", "2": "ARDAMSvs2", "3": "ARDAMSas2"}
    msids = [line for line in offer.sdp.split("\r\n") if line.startswith("a=msid:")]
    assert msids == [f"a=msid:{s} ARDAMS{kind}{s}" for s in ("s1", "s2") for kind in "va"]


async def test_the_lines_of_the_first_stream_are_those_of_a_session_with_it_alone(world: World) -> None:
    await both_live(world)
    alone, both = (await world.play()).sdp, (await world.play(subscriptions=BOTH)).sdp
    first = both.split("\r\nm=")[1:3]
    own = ("a=ssrc", "a=ice-ufrag", "a=ice-pwd")

    def lasting(section: str) -> list[str]:
        return [line for line in section.split("\r\n") if line and not line.startswith(own)]

    assert [lasting(section) for section in first] == [lasting(section) for section in alone.split("\r\nm=")[1:]]


async def test_a_stream_that_goes_while_the_other_is_waited_for_refuses_both(world: World) -> None:
    join = asyncio.ensure_future(world.play(subscriptions=BOTH))
    await world.settle()
    await world.vanish()
    await both_live(world)
    with pytest.raises(RillcastError, match="not live"):
        await join
    await world.vanish(OTHER)
    assert (world.edge.viewers.streams, world.edge.supplies.last(KEY)) == ((), None)
    assert world.parents["origin-1"].opened == []


@pytest.mark.parametrize("change", ["gone", "changed"])
async def test_a_stream_that_goes_while_a_rung_of_the_other_is_waited_for_is_not_begun(
    world: World, change: str
) -> None:
    await both_live(world)
    coming = PlaySubscription(app=APP, stream=STREAM, codecs_to_come=("H264",))
    offer = await world.play(subscriptions=(coming, BOTH[1]))
    head, video, *others = answer_to(offer.sdp).split("\r\nm=")
    h264_first = "\r\nm=".join((only("H264", f"{head}\r\nm={video}").removesuffix("\r\n"), *others))
    join = asyncio.ensure_future(world.accept(offer.session, h264_first))
    await world.settle()
    assert world.added() == []
    if change == "gone":
        await world.vanish(OTHER)
    else:
        await world.live(stream=OTHER, tracks=(msgspec.structs.replace(VIDEO, codec="AV1"), AUDIO))
    await world.ladder(H264_RUNG)
    with pytest.raises(RillcastError) as refused:
        await join
    wanted = ErrorCode.NO_STREAM_EXIST if change == "gone" else ErrorCode.NO_COMMON_CODEC
    assert (refused.value.code, world.added(), world.edge.viewers.streams) == (wanted, [], ())


async def test_each_line_is_fed_from_its_own_stream(world: World) -> None:
    await watching_both(world)
    send = world.added()[-1].send
    assert {track.source for track in send[:2]} == sources(world, KEY)
    assert {track.source for track in send[2:]} == sources(world, OTHER_KEY)
    assert (users(world, KEY), users(world, OTHER_KEY)) == ([1, 1], [1, 1])
    assert sorted(one.stream for one in world.edge.viewers.carried()) == [STREAM, OTHER]


async def test_one_stream_ends_and_the_other_goes_on(world: World) -> None:
    session, plane_session = await watching_both(world)
    await world.ended(epoch=1)
    assert pointed(world) == [(0, None), (1, None)]
    assert (sources(world, KEY), users(world, OTHER_KEY)) == (set(), [1, 1])
    assert ("closed", "stream_ended") not in world.told(session)
    await world.ended(epoch=1, stream=OTHER)
    assert world.told(session)[-1] == ("closed", "stream_ended")
    assert world.plane.of(protocol.RemoveSession) == [protocol.RemoveSession(session=PlaneSession(plane_session))]
    assert len(world.edge.viewers) == len(world.edge.relays) == 0


async def test_heights_and_ends_are_told_by_subscription(world: World) -> None:
    session, plane_session = await watching_both(world)
    world.plane.emit(protocol.SessionMedia(session=PlaneSession(plane_session)))
    await until(lambda: ("media", None) in world.told(session))
    await world.ended(epoch=1)
    await until(lambda: len(world.told_of(session, 0)) == 2)

    assert world.told_of(session, 0) == [VIDEO.height, EndReason.STREAM_ENDED]
    assert world.told_of(session, 1) == [VIDEO.height]
    assert [state for state, _ in world.told(session)] == ["media"]


async def test_a_stream_that_ends_before_the_answer_is_sent_no_more(world: World) -> None:
    await both_live(world)
    offer = await world.play(subscriptions=BOTH)
    await world.ended(epoch=1)
    await world.accept(offer.session, answer_to(offer.sdp))
    send = world.added()[-1].send
    assert [track.source for track in send[:2]] == [None, None]
    assert {track.source for track in send[2:]} == sources(world, OTHER_KEY)


async def test_a_record_change_of_one_does_not_touch_the_other(world: World) -> None:
    session, _ = await watching_both(world)
    before = len(world.plane.commands)
    await world.live(stream=OTHER, tracks=(msgspec.structs.replace(VIDEO, codec="AV1"),))
    await world.settle()
    assert {track for track, _ in pointed(world)} == {2, 3}
    assert all(
        isinstance(command, protocol.SwitchSource | protocol.RemoveSource) for command in world.plane.commands[before:]
    )
    assert (users(world, KEY), OTHER_KEY in world.edge.viewers.streams) == ([1, 1], False)
    assert ("closed", "codec_changed") not in world.told(session)


@pytest.mark.parametrize(("subscription", "tracks"), [(0, {0}), (1, {2}), (None, {0, 2})])
async def test_muting_is_by_subscription(world: World, subscription: int | None, tracks: set[int]) -> None:
    session, _ = await watching_both(world)
    mute = MuteRequest(session=session, kind=MediaKind.VIDEO, enabled=False, subscription=subscription)
    await world.bus.request(subjects.session_mute(EDGE), mute, Ack)
    assert set(pointed(world)) == {(track, None) for track in tracks}


async def test_a_height_is_forced_by_subscription(world: World) -> None:
    await world.parent("transcoder-1", LOW)
    await world.live(tracks=(HIGH, AUDIO))
    await world.ladder(LOW)
    session, _ = await watching_both(world)
    viewer = world.edge.viewers.session(session)
    assert viewer is not None
    for place, forced in ((1, [0, 720]), (0, [720, 720])):
        chosen = SelectRendition(session=session, height=720, subscription=place)
        await world.bus.request(subjects.edge_select(EDGE), chosen, Ack)
        assert [t.selector.forced_height for t in viewer.tracks if t.kind is MediaKind.VIDEO] == forced
    await until(lambda: pointed(world))
    assert {track for track, _ in pointed(world)} == {0}


async def test_a_subscription_that_never_was_is_refused(world: World) -> None:
    session, _ = await watching_both(world)
    with pytest.raises(RillcastError, match="never had a subscription") as refusal:
        await world.bus.request(
            subjects.edge_select(EDGE), SelectRendition(session=session, height=0, subscription=2), Ack
        )
    assert refusal.value.code is ErrorCode.BAD_REQUEST


async def test_leaving_gives_everything_back(world: World) -> None:
    session, _ = await watching_both(world)
    await world.close(session)
    assert (users(world, KEY), users(world, OTHER_KEY)) == ([0, 0], [0, 0])
    assert (len(world.edge.viewers), world.edge.viewers.streams) == (0, ())
    await world.pass_time(40.0, step_s=1.0)
    assert len(world.edge.relays) == 0


async def test_a_whep_client_with_too_few_lines_gets_what_there_is_room_for(world: World) -> None:
    await both_live(world)
    await world.whep(subscriptions=BOTH)
    assert {track.source for track in world.added()[-1].send} == sources(world, KEY)
    assert world.edge.viewers.streams == (KEY,)


async def test_only_the_tracks_that_are_wanted_are_offered(world: World) -> None:
    offer = await world.play(subscriptions=(PlaySubscription(app=APP, stream=STREAM, mids=("a0",)),))
    assert offer.id_mapping == {"0": "ARDAMSas1"}


async def test_all_are_joined_or_none_is(world: World) -> None:
    with pytest.raises(RillcastError, match="not live"):
        await world.play(subscriptions=BOTH)
    assert (len(world.edge.viewers), len(world.edge.relays)) == (0, 0)


async def test_a_stream_that_makes_the_begin_too_much_begins_lower(begin: Any) -> None:
    world = await begin(first_budget_bps=3_000_000)
    await world.parent("origin-1", HIGH, AUDIO)
    await world.parent("transcoder-1", LOW)
    await world.live(tracks=(HIGH, AUDIO))
    await world.ladder(LOW)
    await watching_both(world)
    assert {feed.track.track for feed in world.edge.relays.feeds_of(KEY) if feed.users} >= {LOW.track}


MANY = tuple(PlaySubscription(app=APP, stream=StreamId(f"s{n}")) for n in range(MAX_SUBSCRIPTIONS + 1))


@pytest.mark.parametrize(
    ("subscriptions", "words"),
    [((), "without a stream"), (MANY, "streams at most"), ((BOTH[0], BOTH[0]), "each stream id once")],
)
@pytest.mark.parametrize("sdp_offer", [None, WHEP_OFFER])
async def test_what_cannot_be_served_is_refused_in_words(
    world: World, subscriptions: tuple[PlaySubscription, ...], words: str, sdp_offer: str | None
) -> None:
    with pytest.raises(RillcastError, match=words) as refusal:
        await world.play(subscriptions=subscriptions, sdp_offer=sdp_offer)
    assert refusal.value.code is ErrorCode.BAD_REQUEST
    assert len(world.edge.viewers) == 0


async def test_more_tracks_than_payload_types_is_a_refusal(world: World) -> None:
    tracks = tuple(
        msgspec.structs.replace(VIDEO, track=f"v{n}", mid=f"v{n}", codec="VP9", fmtp=f"profile-id={n}")
        for n in range(32)
    )
    await world.live(tracks=tracks[:16])
    await world.live(tracks=tracks[16:], stream=OTHER)
    with pytest.raises(RillcastError, match="no payload types") as refusal:
        await world.play(subscriptions=BOTH)
    assert refusal.value.code is ErrorCode.BAD_REQUEST
    await until(lambda: len(world.edge.viewers) == 0)
