"""The client's answer to an offer that holds codecs to come: what is there already goes first."""

from __future__ import annotations

import msgspec
import pytest
from edge_harness import AUDIO, VIDEO
from test_join_parts import agreed, offer, part
from test_supply import live

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.media.sdp import PlayOffer
from services.edge.domain.negotiated import accept_answer, has_all

H264 = msgspec.structs.replace(VIDEO, codec="H264")
OFFER: PlayOffer = offer(part(VIDEO, AUDIO, codecs_to_come=("H264",)))
BOTH, SWAPPED, TO_COME = "SAVPF 96 97 98 99", "SAVPF 98 99 96 97", "SAVPF 98 99"


def answer(payloads: str) -> str:
    """Of a client that lists these payload types, in its order."""
    text = OFFER.sdp.replace("a=ice-lite\r\n", "").replace("a=sendonly", "a=recvonly").replace(":actpass", ":active")
    text = text.replace(BOTH, payloads)
    if payloads == TO_COME:
        text = "\r\n".join(line for line in text.split("\r\n") if line.split(" ")[0].split(":")[-1] not in ("96", "97"))
    return text


@pytest.mark.parametrize("payloads", [BOTH, SWAPPED])
def test_a_codec_that_is_there_goes_before_one_to_come_whatever_the_answers_order(payloads: str) -> None:
    assert accept_answer(OFFER, answer(payloads), {0: live(VIDEO, AUDIO)}).codecs(0)["v0"] == "VP8"


def test_once_all_are_there_the_clients_order_counts() -> None:
    all_there = {0: live(VIDEO, H264, AUDIO)}

    assert accept_answer(OFFER, answer(SWAPPED), all_there).codecs(0)["v0"] == "H264"
    assert accept_answer(OFFER, answer(BOTH), all_there).codecs(0)["v0"] == "VP8"


def test_a_client_that_has_only_the_codec_to_come_gets_that() -> None:
    assert accept_answer(OFFER, answer(TO_COME), {0: live(VIDEO, AUDIO)}).codecs(0) == {"v0": "H264", "a0": "opus"}


def test_the_stream_may_have_ended_meanwhile() -> None:
    assert accept_answer(OFFER, answer(BOTH), {}).codecs(0)["v0"] == "VP8"


def test_nonsense_is_refused() -> None:
    with pytest.raises(RillcastError) as refusal:
        accept_answer(OFFER, "v=0 nonsense", {0: live(VIDEO, AUDIO)})
    assert refusal.value.code is ErrorCode.BAD_REMOTE_DESCRIPTION


def test_a_stream_has_all_when_somebody_makes_every_group_in_its_codec() -> None:
    codecs = agreed(part(VIDEO, AUDIO)).codecs(0)

    assert has_all(live(VIDEO, AUDIO), codecs)
    assert not has_all(live(VIDEO), codecs)
    assert not has_all(live(H264, AUDIO), codecs)
