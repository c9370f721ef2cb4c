"""Publishers by WebRTC: their descriptions, their sessions in the plane, and what the plane refuses."""

from __future__ import annotations

import re

import pytest
from origin_harness import H264_OFFER, OFFER, SIMULCAST_OFFER, RunningOrigin, World, request, until

from rillcast.contracts import subjects
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import SessionId
from rillcast.contracts.ingest_figures import IngestFigures
from rillcast.contracts.messages import ReofferRequest, RestartIceAnswer, RestartIceRequest, SessionAnswer
from rillcast.contracts.words import NodeKind
from rillcast.media import protocol


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("app", "é"),
        ("stream", "a/b"),
        ("session", ""),
        ("signaling", "s" * 300),
        ("max_bitrate_bps", -1),
        ("keyframe_interval_ms", 2**70),
        ("start_timeout_ms", -5),
    ],
)
async def test_an_impossible_request_is_refused_by_name_and_leaves_nothing(
    world: World, field: str, value: object
) -> None:
    origin = await world.origin()

    with pytest.raises(RillcastError, match=rf"not a PublishRequest: .*\.{field}`") as refusal:
        await world.go_live(origin, **{field: value})

    assert refusal.value.code is ErrorCode.BAD_REQUEST
    assert not origin.plane.of(protocol.AddSession)
    assert await world.record() is None


async def test_the_same_request_again_gets_the_same_answer(world: World) -> None:
    origin = await world.origin()
    again = request()

    first = await world.bus.request(subjects.origin_publish(origin.name), again, SessionAnswer)
    second = await world.bus.request(subjects.origin_publish(origin.name), again, SessionAnswer)

    assert first == second
    assert len(origin.plane.of(protocol.AddSession)) == 1


async def test_simulcast_layers_are_tracks_of_one_group(world: World) -> None:
    origin = await world.origin()

    await world.go_live(origin, sdp_offer=SIMULCAST_OFFER)

    record = await world.settled_record()
    layers = [t for t in record.tracks if t.kind == "video"]
    assert len(layers) == 3
    assert {t.mid for t in layers} == {"v0"}


async def test_a_broken_offer_claims_nothing(world: World) -> None:
    origin = await world.origin()

    with pytest.raises(RillcastError) as refusal:
        await world.go_live(origin, sdp_offer="v=0")

    assert refusal.value.code is ErrorCode.BAD_REMOTE_DESCRIPTION
    assert world.streams.writes == []


async def test_an_ice_restart_gives_fresh_credentials_and_candidates(world: World) -> None:
    origin = await world.origin()
    answer = await world.go_live(origin)
    restart = RestartIceRequest(session=answer.session, remote_ufrag="abcd", remote_pwd="p" * 22)

    fresh = await world.bus.request(
        subjects.session_restart_ice(NodeKind.ORIGIN, origin.name), restart, RestartIceAnswer
    )

    assert origin.plane.of(protocol.RestartIce)[0].ice.local_ufrag == fresh.local_ufrag
    assert "192.0.2.1 50000" in fresh.candidates[0]


def restarted(offer: str) -> str:
    """The same offer with other ICE credentials and candidates, as a browser writes it for a restart."""
    lines = [line for line in offer.splitlines() if not line.startswith("a=candidate:")]
    fresh = {
        "a=ice-ufrag:": "a=ice-ufrag:fresh",
        "a=ice-pwd:": "a=ice-pwd:" + "p" * 24,
        "o=": "o=- 7 3 IN IP4 0.0.0.0",
    }
    changed = [next((new for start, new in fresh.items() if line.startswith(start)), line) for line in lines]
    return "\r\n".join(changed) + "\r\n"


async def reoffer(world: World, at: RunningOrigin, session: SessionId, offer: str) -> SessionAnswer:
    asked = ReofferRequest(session=session, sdp_offer=offer)
    return await world.bus.request(subjects.origin_reoffer(at.name), asked, SessionAnswer)


@pytest.mark.parametrize("offer", [OFFER, H264_OFFER, SIMULCAST_OFFER])
async def test_an_offer_with_other_ice_credentials_restarts_ice_and_changes_nothing_else(
    world: World, offer: str
) -> None:
    origin = await world.origin()
    first = await world.go_live(origin, sdp_offer=offer)

    answer = await reoffer(world, origin, first.session, restarted(offer))
    again = await reoffer(world, origin, first.session, restarted(offer))

    (restart,) = origin.plane.of(protocol.RestartIce)
    assert (restart.session, restart.ice.remote_ufrag) == (origin.last_session().session, "fresh")
    assert f"a=ice-ufrag:{restart.ice.local_ufrag}\r\n" in answer.sdp
    assert answer == again
    assert len(answer.sdp.splitlines()) == len(first.sdp.splitlines())
    assert len(origin.plane.of(protocol.AddSession)) == 1
    assert world.told(first.session) == [("connected", None), ("media", None)]


async def test_the_same_offer_again_restarts_nothing(world: World) -> None:
    origin = await world.origin()
    first = await world.go_live(origin)

    assert await reoffer(world, origin, first.session, OFFER) == first
    assert not origin.plane.of(protocol.RestartIce)


WITH_DATA = (
    OFFER + "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=mid:chat\r\na=sctp-port:5000\r\n"
)
"""The same, with an m-line that the first offer did not have."""
WITH_SCREEN = OFFER + OFFER[OFFER.index("m=video") : OFFER.index("m=audio")].replace("a=mid:0", "a=mid:screen")
"""The same, with a second video."""


@pytest.mark.parametrize(("offer", "kind"), [(WITH_DATA, "application"), (WITH_SCREEN, "video")])
@pytest.mark.parametrize("restarts", [False, True])
async def test_an_m_line_that_a_later_offer_adds_is_refused_by_port_0(
    world: World, offer: str, kind: str, restarts: bool
) -> None:
    origin = await world.origin()
    first = await world.go_live(origin)

    answer = await reoffer(world, origin, first.session, restarted(offer) if restarts else offer)

    assert len(origin.plane.of(protocol.RestartIce)) == restarts
    before, now = (re.findall(r"(?m)^m=(\S+) (\d+)", sdp) for sdp in (first.sdp, answer.sdp))
    assert now == [*before, (kind, "0")]
    assert re.findall("a=group:.*", answer.sdp) == re.findall("a=group:.*", first.sdp)
    was_ice, is_ice = (re.findall("a=ice-(?:ufrag|pwd):.*", sdp) for sdp in (first.sdp, answer.sdp))
    assert (was_ice != is_ice) == restarts
    was, now_is = (re.search(r"o=- (\d+) (\d+) ", sdp) for sdp in (first.sdp, answer.sdp))
    assert was is not None and now_is is not None
    assert (was[1], int(was[2]) + 1) == (now_is[1], int(now_is[2]))
    assert await reoffer(world, origin, first.session, restarted(offer) if restarts else offer) == answer


SOUND = OFFER.index("m=audio")
SILENT_OFFER = OFFER[:SOUND] + OFFER[SOUND:].replace("a=sendrecv", "a=inactive", 1)
"""The same without sound."""


@pytest.mark.parametrize(
    ("begun", "offer"),
    [
        (OFFER, H264_OFFER),
        (OFFER, SILENT_OFFER),
        (SILENT_OFFER, OFFER),
        (OFFER, restarted(OFFER).replace("a=fingerprint:sha-256 ", "a=fingerprint:sha-256 00:")),
        (OFFER, restarted(OFFER).replace("a=mid:0", "a=mid:9")),
        (OFFER, "v=0"),
    ],
    ids=["codec", "sound dropped", "sound added", "broken", "mid", "nothing"],
)
async def test_an_offer_that_changes_anything_else_is_refused_and_the_session_goes_on(
    world: World, begun: str, offer: str
) -> None:
    origin = await world.origin()
    first = await world.go_live(origin, sdp_offer=begun)

    with pytest.raises(RillcastError) as refusal:
        await reoffer(world, origin, first.session, offer)

    assert refusal.value.code is ErrorCode.BAD_REMOTE_DESCRIPTION
    assert not origin.plane.of(protocol.RestartIce)
    assert world.told(first.session) == [("connected", None), ("media", None)]
    with pytest.raises(RillcastError, match="no such publisher"):
        await reoffer(world, origin, SessionId("nobody"), OFFER)


async def test_the_preferred_codec_is_kept_by_a_living_session_that_offers_in_another_order(world: World) -> None:
    origin = await world.origin()
    first = await world.go_live(origin, preferred_codecs=("H264",), codecs_off=("VP9",))
    (before,) = origin.plane.of(protocol.AddSession)

    answer = await reoffer(world, origin, first.session, restarted(video_reversed(OFFER)))

    assert before.recv[0].codec == "H264"
    assert (await world.settled_record()).tracks[0].codec == "H264"
    assert len(origin.plane.of(protocol.RestartIce)) == 1
    video = next(line for line in answer.sdp.splitlines() if line.startswith("m=video"))
    assert video.split()[3] == str(before.recv[0].payload_type)


async def test_a_publisher_that_has_only_what_is_off_claims_nothing_and_is_told_which(world: World) -> None:
    origin = await world.origin()

    with pytest.raises(RillcastError, match=r"switched off in this app: VP8, H264, AV1, VP9$") as refusal:
        await world.go_live(origin, codecs_off=("H264", "VP8", "VP9", "AV1", "H265"))

    assert refusal.value.code is ErrorCode.NO_COMMON_CODEC
    assert world.streams.writes == []


def video_reversed(offer: str) -> str:
    """The offer with the formats of its video in the opposite order."""
    lines = offer.splitlines()
    place = next(number for number, line in enumerate(lines) if line.startswith("m=video"))
    words = lines[place].split()
    lines[place] = " ".join([*words[:3], *reversed(words[3:])])
    return "\r\n".join(lines) + "\r\n"


async def test_unknown_sessions_close_well_and_do_not_restart(world: World) -> None:
    origin = await world.origin()

    assert not await world.close(origin, SessionId("nobody"))

    with pytest.raises(RillcastError) as refusal:
        restart = RestartIceRequest(session=SessionId("nobody"), remote_ufrag="abcd", remote_pwd="p" * 22)
        await world.bus.request(subjects.session_restart_ice(NodeKind.ORIGIN, origin.name), restart, RestartIceAnswer)
    assert refusal.value.code is ErrorCode.UNKNOWN_SESSION


async def test_a_publisher_whose_handshake_failed_is_told_and_frees_its_id(world: World) -> None:
    origin = await world.origin()
    answer = await world.publish(origin)

    origin.plane.emit(
        protocol.SessionClosed(session=origin.last_session().session, reason=protocol.CloseReason.HANDSHAKE_TIMEOUT)
    )

    await until(lambda: world.told(answer.session) == [("closed", "no_media")])
    await world.settle()
    assert await world.record() is None
    assert {r.source for r in origin.plane.of(protocol.RemoveSource)} == set(origin.sources())


async def test_a_session_that_the_plane_refused_later_is_told_so(world: World) -> None:
    origin = await world.origin()
    answer = await world.publish(origin)

    origin.plane.emit(protocol.Error(command="add_session", id=origin.last_session().session, message="no"))

    await until(lambda: world.told(answer.session) == [("closed", "plane_error")])


async def test_a_plane_that_is_behind_refuses_the_publisher_and_nothing_is_left(world: World) -> None:
    origin = await world.origin(max_sessions=1)
    origin.plane.refused = protocol.AddSession

    with pytest.raises(RillcastError, match="behind") as refusal:
        await world.go_live(origin)
    await world.settle()
    assert refusal.value.code is ErrorCode.HIGH_RESOURCE_USAGE
    assert await world.record() is None
    origin.plane.refused = None

    assert (await world.go_live(origin, credential_digest="other")).sdp


async def test_a_publisher_that_a_busy_plane_refuses_leaves_its_id_free(world: World) -> None:
    origin = await world.origin()
    origin.plane.busy = True

    with pytest.raises(RillcastError) as refusal:
        await world.go_live(origin)

    assert refusal.value.code is ErrorCode.HIGH_RESOURCE_USAGE
    await world.settle()
    assert await world.record() is None
    origin.plane.busy = False
    assert not (await world.go_live(origin)).restored


async def test_the_record_says_how_much_has_come(world: World) -> None:
    origin = await world.origin()
    await world.go_live(origin)
    session, source = origin.last_session().session, origin.sources()[0]

    origin.session_stats(session, bytes_received=123_456)
    origin.session_stats(protocol.PlaneSession(session + 1_000), bytes_received=7)
    origin.source_stats(source, packets=90, lost=10, height=720)

    async def figures() -> IngestFigures | None:
        record = await world.record()
        return record.figures if record is not None else None

    async def written() -> bool:
        return await figures() == IngestFigures(received_bytes=123_456, packets=90, packets_lost=10)

    await until(written)
