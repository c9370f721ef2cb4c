"""The first of two offers to a viewer that moves: its media and its association stay those of the former edge."""

from __future__ import annotations

import msgspec
import pytest
from sdp_samples import LOCAL, lines

from rillcast.contracts.ids import TrackId
from rillcast.contracts.records import TrackRecord
from rillcast.contracts.words import MediaKind
from rillcast.media.sdp import LocalTransport, SentStream, after_move, before_viewer_moves, offer_play

FORMER = LocalTransport(
    ufrag="former00",
    pwd="f" * 24,
    fingerprint=":".join(["FE"] * 32),
    addresses=("192.0.2.9", "2001:db8::9"),
    port=50_109,
)
VIDEO = TrackRecord(track=TrackId("v0"), mid="v0", kind=MediaKind.VIDEO, codec="H264", clock_rate=90_000)
AUDIO = TrackRecord(track=TrackId("a0"), mid="a0", kind=MediaKind.AUDIO, codec="opus", clock_rate=48_000, channels=2)
KEPT = ("a=fingerprint:", "a=ssrc")


def offer(local: LocalTransport, *tracks: TrackRecord) -> str:
    return offer_play([SentStream("s1", tracks or (VIDEO, AUDIO))], local).sdp


def test_the_first_offer_changes_the_ice_part_alone() -> None:
    former, ours = offer(FORMER), offer(LOCAL)

    first = before_viewer_moves(ours, former)

    for start in KEPT:
        assert lines(first, start) == lines(former, start) != lines(ours, start)
    assert [line for line in first.splitlines() if not line.startswith(KEPT)] == [
        line for line in ours.splitlines() if not line.startswith(KEPT)
    ]


def test_the_second_one_is_ours_as_a_later_version_of_the_same_session() -> None:
    ours = offer(LOCAL)
    first, then = before_viewer_moves(ours, offer(FORMER)), after_move(ours)

    assert [line.split()[1:3] for line in lines(first, "o=") + lines(then, "o=")] == [
        [lines(ours, "o=")[0].split()[1], version] for version in ("2", "3")
    ]
    assert then.splitlines()[2:] == ours.splitlines()[2:]


def test_a_viewer_that_has_moved_so_can_move_so_again() -> None:
    then = after_move(offer(FORMER))

    assert lines(before_viewer_moves(offer(LOCAL), then), "a=ssrc") == lines(then, "a=ssrc")


@pytest.mark.parametrize(
    "former",
    [
        offer(FORMER, VIDEO),
        offer(FORMER, AUDIO, VIDEO),
        offer(FORMER, msgspec.structs.replace(VIDEO, codec="VP8"), AUDIO),
        "",
        "nonsense",
        "\r\n" * 99,
    ],
)
def test_where_the_offers_differ_in_more_there_is_one(former: str) -> None:
    assert before_viewer_moves(offer(LOCAL), former) == ""
