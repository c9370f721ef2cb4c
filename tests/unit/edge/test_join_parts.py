"""The streams of a join: what is possible, what may be taken, and with what a session begins."""

from __future__ import annotations

import msgspec
import pytest
from edge_harness import APP, AUDIO, VIDEO, rung
from test_supply import live

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import StreamId
from rillcast.contracts.messages import PlaySubscription
from rillcast.contracts.records import TrackRecord
from rillcast.media.sdp import LocalTransport, PlayNegotiation, PlayOffer, accept_play_answer, offer_play
from services.edge.domain.join_parts import MAX_SUBSCRIPTIONS, FirstRenditions, Part, require_possible, sent
from services.edge.domain.subscription import Subscription
from services.edge.domain.supply import Supplies

LOCAL = LocalTransport(
    ufrag="ufrag123", pwd="p" * 24, fingerprint=":".join(["AB"] * 32), addresses=("192.0.2.2",), port=50_000
)
HIGH, LOW = msgspec.structs.replace(VIDEO, bitrate_bps=2_000_000), rung(360, 600_000)


def part(*tracks: TrackRecord, place: int = 0, **wanted: tuple[str, ...]) -> Part:
    subscription = PlaySubscription(app=APP, stream=StreamId(f"s{place}"), **wanted)
    return Part(Subscription(f"live/s{place}", place), subscription, live(*tracks))


def offer(*parts: Part) -> PlayOffer:
    return offer_play([sent(one) for one in parts], LOCAL)


def agreed(*parts: Part) -> PlayNegotiation:
    made = offer(*parts)
    answer = made.sdp.replace("a=ice-lite\r\n", "").replace("a=sendonly", "a=recvonly").replace(":actpass", ":active")
    return accept_play_answer(made, answer)


def streams(count: int) -> list[PlaySubscription]:
    return [PlaySubscription(app=APP, stream=StreamId(f"s{n}")) for n in range(count)]


def test_a_session_may_have_one_to_eight_streams() -> None:
    require_possible(streams(1))
    require_possible(streams(MAX_SUBSCRIPTIONS))


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (streams(0), "^subscriptions: .* without a stream"),
        (streams(MAX_SUBSCRIPTIONS + 1), "has 8 streams at most"),
        (streams(1) * 2, "each stream id once"),
    ],
)
def test_any_other_number_is_refused_in_words(wanted: list[PlaySubscription], words: str) -> None:
    with pytest.raises(RillcastError, match=words) as refusal:
        require_possible(wanted)
    assert refusal.value.code is ErrorCode.BAD_REQUEST


def test_a_client_may_take_what_there_is_and_what_a_ladder_will_make() -> None:
    tracks = sent(part(HIGH, AUDIO, codecs_to_come=("H264", "VP8"))).tracks

    assert [(track.track, track.codec) for track in tracks] == [("v0", "VP8"), ("a0", "opus"), ("v0.to-come", "H264")]


def test_a_client_may_want_some_of_the_tracks_only() -> None:
    assert [track.track for track in sent(part(HIGH, AUDIO, mids=("a0",))).tracks] == ["a0"]


@pytest.mark.parametrize("nothing", [part(), part(codecs_to_come=("H264",)), part(AUDIO, mids=("v0",))])
def test_a_stream_without_anything_wanted_is_not_live(nothing: Part) -> None:
    with pytest.raises(RillcastError) as refusal:
        sent(nothing)
    assert refusal.value.code is ErrorCode.NO_STREAM_EXIST


@pytest.mark.parametrize(
    ("budget_bps", "track"), [(0, "v0"), (2_000_000, "v0"), (1_999_999, LOW.track), (1, LOW.track)]
)
def test_a_session_begins_with_the_highest_rendition_within_the_budget(budget_bps: int, track: str) -> None:
    one = part(HIGH, LOW, AUDIO)

    probable = FirstRenditions(Supplies(), budget_bps).probable(offer(one), [one])

    assert [first.supply.track.track for _, first in probable] == [track, "a0"]


def test_each_stream_has_its_share_of_the_budget() -> None:
    both = [part(HIGH, LOW, place=0), part(HIGH, LOW, place=1)]

    chosen = FirstRenditions(Supplies(), 3_900_000).agreed(both, agreed(*both))

    assert [firsts["v0"].supply.track.track for _, firsts in chosen] == [LOW.track, LOW.track]


def test_what_is_still_to_come_is_not_probable() -> None:
    coming = part(msgspec.structs.replace(VIDEO, codec="VP9"), codecs_to_come=("VP8",))
    made = offer(coming)
    made = msgspec.structs.replace(
        made, lines=tuple(msgspec.structs.replace(line, payloads=line.payloads[::-1]) for line in made.lines)
    )

    assert FirstRenditions(Supplies(), 0).probable(made, [coming]) == []


def test_a_height_that_was_chosen_goes_before_the_budget() -> None:
    one = part(HIGH, LOW)
    one.subscription.wishes.height = 720

    (chosen,) = FirstRenditions(Supplies(), 1).agreed([one], agreed(one))

    assert chosen[1]["v0"].supply.track == HIGH


def test_a_codec_that_vanished_since_is_refused_in_words() -> None:
    one = part(HIGH, AUDIO)
    changed = one._replace(live=live(msgspec.structs.replace(HIGH, codec="AV1"), AUDIO))

    with pytest.raises(RillcastError, match="changed its codec during the join") as refusal:
        FirstRenditions(Supplies(), 0).agreed([changed], agreed(one))
    assert refusal.value.code is ErrorCode.NO_COMMON_CODEC


def test_a_viewer_is_not_offered_what_is_switched_off() -> None:
    both = part(HIGH, AUDIO, codecs_to_come=("H264", "VP8"), codecs_off=("VP8",))
    assert [(track.track, track.codec) for track in sent(both).tracks] == [("a0", "opus"), ("v0.to-come", "H264")]
    assert [track.track for track in sent(part(HIGH, AUDIO, codecs_off=("H264",))).tracks] == ["v0", "a0"]
    assert [track.track for track in sent(part(AUDIO, codecs_off=("VP8",))).tracks] == ["a0"]


def test_a_stream_whose_video_is_switched_off_is_refused_in_words_and_not_shown_as_sound() -> None:
    with pytest.raises(RillcastError, match="has its video in VP8, which is switched off in this app") as refusal:
        sent(part(HIGH, LOW, AUDIO, codecs_off=("VP8", "H264")))
    assert refusal.value.code is ErrorCode.NO_COMMON_CODEC
