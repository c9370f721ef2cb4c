"""The offers of the corpus, written otherwise: the same answers. And what `sdp_rules` sees in wrong answers."""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sdp_corpus import REFUSALS, REFUSED, TAKEN, answered, in_words, layers_of, offer_of, setups_of
from sdp_mutations import LONGER, SAME
from sdp_rules import faults

from rillcast.contracts.errors import RillcastError

FIRST_OF_ALL = "chrome-122"
REJECTING = "mediamtx-video-only"
LAYERED = "chrome-simulcast-three"


def check_same(name: str, mutated: str) -> None:
    vector = TAKEN[name]
    answer = answered(vector, mutated)
    assert in_words(answer) == vector.answer
    assert layers_of(answer) == vector.layers
    assert setups_of(answer) == {vector.setup}
    assert faults(mutated, answer) == []


@pytest.mark.parametrize("mutation", SAME)
def test_another_way_to_write_it_changes_no_answer(mutation: str) -> None:
    changed = 0
    for number, name in enumerate(TAKEN):
        offer = offer_of(name)
        mutated = SAME[mutation](offer, random.Random(number))
        changed += mutated != offer
        check_same(name, mutated)
    assert changed > len(TAKEN) // 4, "or it says nothing"


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    name=st.sampled_from(sorted(TAKEN)),
    mutations=st.lists(st.sampled_from(sorted(SAME)), min_size=2, max_size=5, unique=True),
    seed=st.integers(0, 2**32),
)
def test_nor_do_several_at_once(name: str, mutations: list[str], seed: int) -> None:
    offer, chance = offer_of(name), random.Random(seed)
    for mutation in mutations:
        offer = SAME[mutation](offer, chance)
    check_same(name, offer)


@pytest.mark.parametrize("kind", LONGER)
def test_an_m_line_more_that_nobody_takes_is_refused_alone(kind: str) -> None:
    for name, vector in TAKEN.items():
        mutated = LONGER[kind](offer_of(name), random.Random(0))
        answer = answered(vector, mutated)
        assert in_words(answer)[:-1] == vector.answer, name
        assert in_words(answer)[-1].endswith("refused")
        assert faults(mutated, answer) == []


@pytest.mark.parametrize("mutation", SAME)
def test_what_cannot_be_served_is_refused_however_it_is_written(mutation: str) -> None:
    for number, (name, vector) in enumerate(REFUSED.items()):
        with pytest.raises(RillcastError) as caught:
            answered(vector, SAME[mutation](offer_of(name), random.Random(number)))
        assert caught.value.code is REFUSALS[vector.refused], name


@pytest.mark.parametrize(
    ("name", "change", "fault"),
    [
        (FIRST_OF_ALL, ("\r\n", "\n"), "CR LF"),
        (FIRST_OF_ALL, ("t=0 0\r\n", ""), "session part"),
        (FIRST_OF_ALL, ("a=mid:1", "a=mid:7"), "the mid '7' for '1'"),
        (FIRST_OF_ALL, ("BUNDLE 0 1", "BUNDLE 0"), "in use are"),
        (FIRST_OF_ALL, ("m=audio", "m=video"), "video UDP/TLS/RTP/SAVPF for audio"),
        (FIRST_OF_ALL, ("RTP/SAVPF 96", "RTP/SAVP 96"), "RTP/SAVP for video"),
        (FIRST_OF_ALL, ("a=setup:passive", "a=setup:actpass"), "the setups"),
        (FIRST_OF_ALL, ("a=recvonly", "a=sendrecv\r\na=recvonly"), "the directions"),
        (FIRST_OF_ALL, ("a=rtcp-mux\r\n", ""), "no a=rtcp-mux"),
        (FIRST_OF_ALL, ("SAVPF 96 97", "SAVPF 97 96"), "no codec first"),
        (FIRST_OF_ALL, ("a=fmtp:97 apt=96\r\n", ""), "RTX 97"),
        (FIRST_OF_ALL, ("a=rtpmap:111 opus/48000/2\r\n", ""), "no a=rtpmap:111"),
        (FIRST_OF_ALL, ("opus/48000/2", "opus/16000"), "opus/16000 for opus/48000/2"),
        (FIRST_OF_ALL, ("a=extmap:2 ", "a=extmap:13 "), "a=extmap:13"),
        (FIRST_OF_ALL, ("a=rtcp-fb:96 nack pli", "a=rtcp-fb:96 nack rpsi"), "which was not offered"),
        (FIRST_OF_ALL, ("a=ice-lite\r\n", ""), "ice-lite"),
        (FIRST_OF_ALL, ("a=end-of-candidates\r\n", ""), "end-of-candidates"),
        (FIRST_OF_ALL, (" udp ", " tcp "), "the candidates"),
        (FIRST_OF_ALL, ("sha-256 AB", "sha-256 ab"), "the fingerprints"),
        (REJECTING, ("a=rtpmap:97 PCMU/8000\r\n", ""), "no a=rtpmap:97"),
        (REJECTING, ("BUNDLE 0", "BUNDLE 0 1"), "the group has"),
        (REJECTING, ("RTP/SAVPF 97", "RTP/SAVPF 0"), "the formats ['0']"),
        (REJECTING, ("packetization-mode=1", "packetization-mode=0"), "packetization-mode is 0"),
        (LAYERED, ("a=simulcast:recv h", "a=simulcast:recv h;m;l recv h"), "a=simulcast"),
        (LAYERED, ("a=rid:h recv", "a=rid:h send"), "the rids"),
    ],
)
def test_the_rules_see_what_somebody_would_not_take(name: str, change: tuple[str, str], fault: str) -> None:
    offer = offer_of(name)
    wrong = answered(TAKEN[name], offer).replace(*change)
    assert any(fault in found for found in faults(offer, wrong)), faults(offer, wrong)


def test_an_answer_with_an_m_line_less_is_seen_and_one_that_ffmpeg_has_no_room_for() -> None:
    offer = offer_of(FIRST_OF_ALL)
    answer = answered(TAKEN[FIRST_OF_ALL], offer)
    assert faults(offer, answer[: answer.index("m=audio")]) == ["1 m-lines for 2"]
    offer = offer_of("ffmpeg-8")
    long = answered(TAKEN["ffmpeg-8"], offer) + "a=x:y\r\n" * 2_000
    assert any("ffmpeg has room" in found for found in faults(offer, long))
