"""A publisher goes on at this origin in the peer connection that it has: our offer, its answer, and its stream."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from origin_harness import H264_OFFER, OFFER, SIMULCAST_OFFER, RunningOrigin, World, request, until

from rillcast.contracts import subjects
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import SessionId
from rillcast.contracts.messages import Ack, AnswerRequest, ReofferRequest, SessionAnswer
from rillcast.media import protocol


def answer_of(offer: str, **changes: str) -> str:
    """What a browser answers: its offer again, with other ICE credentials and a role."""
    fresh = {"a=ice-ufrag:": "a=ice-ufrag:moved", "a=ice-pwd:": "a=ice-pwd:" + "m" * 24, "a=setup:": "a=setup:active"}
    fresh |= changes
    lines = [next((new for start, new in fresh.items() if line.startswith(start)), line) for line in offer.splitlines()]
    return "\r\n".join(line for line in lines if line) + "\r\n"


async def move_in(world: World, at: RunningOrigin, **changes: Any) -> SessionAnswer:
    return await world.bus.request(subjects.origin_move_in(at.name), request(**changes), SessionAnswer)


async def accept(world: World, at: RunningOrigin, session: SessionId, sdp: str) -> None:
    await world.bus.request(subjects.origin_accept(at.name), AnswerRequest(session=session, sdp_answer=sdp), Ack)


@pytest.mark.parametrize("offer", [OFFER, H264_OFFER, SIMULCAST_OFFER])
async def test_a_publisher_of_an_origin_that_drains_goes_on_at_another_one(world: World, offer: str) -> None:
    old, new = await world.origin("origin-1"), await world.origin("origin-2")
    first = await world.go_live(old, sdp_offer=offer)
    before = await world.settled_record()
    draining = asyncio.create_task(old.drain())
    await until(lambda: ("closed", "draining") in world.told(first.session))

    offered = await move_in(world, new, sdp_offer=offer)
    assert new.plane.commands == []
    await accept(world, new, offered.session, answer_of(offer))
    (session,) = new.plane.of(protocol.AddSession)
    assert not draining.done(), "media goes on until it has come here"
    assert old.plane.of(protocol.RemoveSession) == []
    new.media()
    await until(lambda: ("media", None) in world.told(offered.session))
    await asyncio.wait((draining,), timeout=5)

    assert draining.done()
    assert offered.restored
    assert (session.ice.remote_ufrag, session.dtls.role) == ("moved", protocol.DtlsRole.SERVER)
    assert session.recv[0].payload_type == old.plane.of(protocol.AddSession)[0].recv[0].payload_type
    after = await world.settled_record()
    assert (after.owner, after.publisher_session) == (new.name, offered.session)
    assert after.epoch > before.epoch
    assert (after.credential_digest, after.secret_digest) == (before.credential_digest, before.secret_digest)
    assert [t.track for t in after.tracks] == [t.track for t in before.tracks]
    assert world.announced() == ["started", "restored"]


async def test_a_publisher_that_moves_goes_on_in_the_codec_that_it_was_given(world: World) -> None:
    old, new = await world.origin("origin-1"), await world.origin("origin-2")
    given: dict[str, Any] = {"preferred_codecs": ("H264",), "codecs_off": ("VP8",)}
    await world.go_live(old, **given)
    await world.settled_record()

    offered = await move_in(world, new, **given)
    await accept(world, new, offered.session, answer_of(OFFER))

    (there,), (here,) = old.plane.of(protocol.AddSession), new.plane.of(protocol.AddSession)
    assert (here.recv[0].codec, here.recv[0].payload_type) == ("H264", there.recv[0].payload_type)


async def test_our_offer_is_the_answer_that_the_publisher_has_with_another_transport(world: World) -> None:
    old, new = await world.origin("origin-1"), await world.origin("origin-2")
    answer = (await world.go_live(old)).sdp.splitlines()
    await world.settled_record()

    offer = (await move_in(world, new)).sdp.splitlines()

    def media(lines: list[str]) -> list[str]:
        transport = ("o=", "a=ice-", "a=fingerprint:", "a=setup:", "a=candidate:", "c=")
        kept = [line for line in lines if not line.startswith(transport)]
        return [" ".join(line.split()[2:]) if line.startswith("m=") else line for line in kept]

    assert media(offer) == media(answer)
    assert "a=setup:actpass" in offer
    assert "a=setup:passive" in answer


async def test_while_the_old_origin_takes_the_media_our_first_offer_keeps_its_certificate(world: World) -> None:
    old, new = await world.origin("origin-1"), await world.origin("origin-2")
    old.media_node.addresses._fingerprint = "AA:" * 31 + "AA"
    answered = (await world.go_live(old)).sdp
    await world.settled_record()

    offered = await move_in(world, new, sdp_answered=answered)

    def of(sdp: str, start: str) -> set[str]:
        return {line for line in sdp.splitlines() if line.startswith(start)}

    plain = await move_in(world, new, stream="other")
    assert of(offered.sdp, "a=fingerprint") == of(answered, "a=fingerprint") != of(plain.sdp, "a=fingerprint")
    assert of(offered.sdp_then, "a=fingerprint") == of(plain.sdp, "a=fingerprint")
    assert plain.sdp_then == ""
    others = [
        [line for line in sdp.splitlines() if not line.startswith(("a=fingerprint", "o="))]
        for sdp in (offered.sdp, offered.sdp_then)
    ]
    assert others[0] == others[1], "the way is the same, and so is the media"
    versions = [next(iter(of(sdp, "o="))).split()[1:3] for sdp in (offered.sdp, offered.sdp_then)]
    assert versions == [[versions[0][0], "2"], [versions[0][0], "3"]]
    await accept(world, new, offered.session, answer_of(OFFER))
    assert len(new.plane.of(protocol.AddSession)) == 1


async def test_a_former_description_without_a_certificate_is_refused_in_words(world: World) -> None:
    new = await world.origin()

    with pytest.raises(RillcastError, match="the former description lacks a=fingerprint") as refusal:
        await move_in(world, new, sdp_answered="v=0\r\nm=audio 9 RTP/AVP 0\r\n")

    assert refusal.value.code is ErrorCode.BAD_REMOTE_DESCRIPTION
    assert new.plane.of(protocol.AddSession) == []
    assert not new.origin.webrtc._sessions
    assert not len(new.origin.owner._newcomers)


async def test_the_same_move_and_the_same_answer_again_change_nothing(world: World) -> None:
    new = await world.origin()
    again = request()

    first = await world.bus.request(subjects.origin_move_in(new.name), again, SessionAnswer)
    second = await world.bus.request(subjects.origin_move_in(new.name), again, SessionAnswer)
    for _ in range(2):
        await accept(world, new, again.session, answer_of(OFFER))

    assert first == second
    assert len(new.plane.of(protocol.AddSession)) == 1


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda sdp: "v=0", "no m-line"),
        (lambda sdp: sdp.replace("a=mid:0", "a=mid:9"), "no video with the mid '0'"),
        (lambda sdp: sdp.replace("a=sendrecv", "a=inactive").replace("a=sendonly", "a=inactive"), "inactive"),
        (lambda sdp: sdp.replace("a=setup:active", "a=setup:actpass"), "must choose"),
        (lambda sdp: sdp.replace("a=ice-pwd:", "a=nothing:"), "lacks a=ice-pwd"),
        (lambda sdp: sdp.replace(" VP8/90000", " VP9/90000"), "lacks the payload type"),
        (lambda sdp: sdp.replace("m=video 9 ", "m=video 0 "), "no video"),
    ],
    ids=["nothing", "mid", "direction", "role", "ice", "codec", "refused"],
)
async def test_an_answer_that_does_not_go_on_is_refused_in_words_and_a_better_one_taken(
    world: World, wrong: Any, words: str
) -> None:
    new = await world.origin()
    offered = await move_in(world, new)
    sdp = answer_of(OFFER)
    assert wrong(sdp) != sdp

    with pytest.raises(RillcastError, match=words) as refusal:
        await accept(world, new, offered.session, wrong(sdp))
    assert refusal.value.code is ErrorCode.BAD_REMOTE_DESCRIPTION
    assert new.plane.commands == []
    await accept(world, new, offered.session, sdp)

    assert len(new.plane.of(protocol.AddSession)) == 1


async def test_who_lacks_a_layer_does_not_go_on(world: World) -> None:
    new = await world.origin()
    offered = await move_in(world, new, sdp_offer=SIMULCAST_OFFER)
    fewer = answer_of(SIMULCAST_OFFER, **{"a=simulcast:": "a=simulcast:send h;m"})

    with pytest.raises(RillcastError, match="lacks layers"):
        await accept(world, new, offered.session, fewer)


async def test_who_never_answers_is_forgotten_and_the_stream_stays_where_it_is(world: World) -> None:
    old, new = await world.origin("origin-1"), await world.origin("origin-2")
    await world.go_live(old)
    before = await world.settled_record()
    offered = await move_in(world, new)

    await world.pass_time(10.5)

    await until(lambda: world.told(offered.session) == [("closed", "no_media")])
    assert not new.origin.webrtc._sessions
    assert not len(new.origin.owner._newcomers)
    assert new.media_node.load.sessions == 0
    assert new.plane.of(protocol.AddSession) == []
    after = await world.record()
    assert after is not None
    assert (after.owner, after.epoch) == (old.name, before.epoch)
    with pytest.raises(RillcastError) as unknown:
        await accept(world, new, offered.session, answer_of(OFFER))
    assert unknown.value.code is ErrorCode.UNKNOWN_SESSION


async def test_somebody_else_does_not_move_in_with_a_stream_that_is_not_theirs(world: World) -> None:
    old, new = await world.origin("origin-1"), await world.origin("origin-2")
    await world.go_live(old)
    await world.settled_record()

    with pytest.raises(RillcastError) as refusal:
        await move_in(world, new, credential_digest="another")

    assert refusal.value.code is ErrorCode.STREAM_ID_IN_USE


async def test_who_has_moved_in_restarts_ice_like_any_other(world: World) -> None:
    new = await world.origin()
    offered = await move_in(world, new)
    await accept(world, new, offered.session, answer_of(OFFER))
    new.media()
    await until(lambda: ("media", None) in world.told(offered.session))
    restarted = answer_of(OFFER, **{"a=setup:": "a=setup:actpass", "a=ice-ufrag:": "a=ice-ufrag:again"})

    asked = ReofferRequest(session=offered.session, sdp_offer=restarted)
    answer = await world.bus.request(subjects.origin_reoffer(new.name), asked, SessionAnswer)

    assert "a=setup:passive" in answer.sdp
    assert [restart.ice.remote_ufrag for restart in new.plane.of(protocol.RestartIce)] == ["again"]


@pytest.mark.parametrize(("offer", "videos"), [(OFFER, 1), (SIMULCAST_OFFER, 3)])
async def test_a_keyframe_of_each_picture_is_asked_for_as_soon_as_that_can_be(
    world: World, offer: str, videos: int
) -> None:
    new = await world.origin()
    offered = await move_in(world, new, sdp_offer=offer)
    asked_before = new.plane.of(protocol.RequestKeyframe)
    for _ in range(2):
        await accept(world, new, offered.session, answer_of(offer))

    video = [e.source for track in new.last_session().recv if track.kind == "video" for e in track.encodings]
    assert asked_before == []
    assert [request.source for request in new.plane.of(protocol.RequestKeyframe)] == video
    assert len(video) == videos


async def reached(world: World, old: RunningOrigin, new: RunningOrigin) -> SessionAnswer:
    """A publisher whose origin drains has chosen its way to the new one, whose DTLS is still to come."""
    answered = (await world.go_live(old)).sdp
    await world.settled_record()
    for owned in old.origin.owner._streams:
        owned.ingest.send_away()
    offered = await move_in(world, new, sdp_answered=answered)
    await accept(world, new, offered.session, answer_of(OFFER))
    new.plane.emit(protocol.SessionNominated(session=new.last_session().session))
    return offered


async def test_the_stream_is_claimed_when_its_media_can_go_nowhere_else(world: World) -> None:
    old, new = await world.origin("origin-1"), await world.origin("origin-2")

    offered = await reached(world, old, new)

    await until(new.origin.living.carried)
    record = await world.settled_record()
    assert (record.owner, record.publisher_session) == (new.name, offered.session)
    assert ("media", None) not in world.told(offered.session), "signaling waits for the media itself"
    new.media()
    await until(lambda: ("media", None) in world.told(offered.session))
    assert world.announced() == ["started", "restored"]


async def test_who_goes_on_elsewhere_hears_no_goodbye_of_its_former_origin(world: World) -> None:
    old, new = await world.origin("origin-1"), await world.origin("origin-2")

    await reached(world, old, new)

    await until(lambda: old.plane.of(protocol.RemoveSession))
    assert [removed.silent for removed in old.plane.of(protocol.RemoveSession)] == [True]


async def test_who_is_ended_for_good_is_told_so(world: World) -> None:
    origin = await world.origin(drain_timeout_s=0.0)
    await world.go_live(origin)

    await origin.drain()
    await origin.origin.living.give_up()

    assert [removed.silent for removed in origin.plane.of(protocol.RemoveSession)] == [False]


async def test_a_stream_whose_media_does_not_come_after_all_waits_for_its_publisher(world: World) -> None:
    old, new = await world.origin("origin-1"), await world.origin("origin-2")
    offered = await reached(world, old, new)
    await until(new.origin.living.carried)

    session = new.last_session().session
    new.plane.emit(protocol.SessionClosed(session=session, reason=protocol.CloseReason.HANDSHAKE_TIMEOUT))

    await until(lambda: ("closed", "handshake_timeout") in world.told(offered.session))
    assert new.origin.living.carried(), "its viewers stay"


async def test_a_move_under_way_when_the_new_origin_drains_as_well_is_over(world: World) -> None:
    new = await world.origin(drain_timeout_s=0.0)
    offered = await move_in(world, new)

    await new.drain()

    await until(lambda: world.told(offered.session)[:1] == [("closed", "draining")])
    assert not new.origin.webrtc._sessions
    with pytest.raises(RillcastError, match="going away"):
        await move_in(world, new, stream="other")


@pytest.mark.parametrize("drains", [True, False])
async def test_who_moves_in_with_two_offers_is_told_when_it_has_reached_this_origin(world: World, drains: bool) -> None:
    old, new = await world.origin("origin-1"), await world.origin("origin-2")
    answered = (await world.go_live(old)).sdp
    await world.settled_record()
    offered = await move_in(world, new, sdp_answered=answered if drains else "")
    await accept(world, new, offered.session, answer_of(OFFER))

    (session,) = new.plane.of(protocol.AddSession)
    new.plane.emit(protocol.SessionNominated(session=session.session))
    new.media()
    await until(lambda: ("media", None) in world.told(offered.session))

    told = [change for change in world.changes if change.session == offered.session and change.reached]
    assert len(told) == drains
