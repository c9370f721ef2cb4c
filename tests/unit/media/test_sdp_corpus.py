"""Every offer of the corpus gets the answer that its manifest names, and the rules of those who read it are kept."""

from __future__ import annotations

import pytest
from aiortc.sdp import SessionDescription
from sdp_corpus import CORPUS, FOLDER, REFUSALS, REFUSED, TAKEN, answered, in_words, layers_of, offer_of, setups_of
from sdp_rules import faults
from sdp_samples import LOCAL, PLAYERS, PUBLISHERS, audio, sources, vector, video

from rillcast.contracts.errors import RillcastError
from rillcast.media.sdp import SentStream, answer_play, answer_publish


def test_every_offer_has_its_entry_and_every_entry_its_offer() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.sdp")) == sorted(CORPUS)
    assert len(CORPUS) >= 150
    for name, entry in CORPUS.items():
        assert entry.source.startswith("https://"), name
        assert bool(entry.answer) is not bool(entry.refused), name


def test_no_offer_stands_there_twice() -> None:
    """Two that differ only in keys and numbers of SSRCs would be the same to a parser."""
    assert len({offer_of(name) for name in CORPUS}) == len(CORPUS)


@pytest.mark.parametrize("name", TAKEN)
def test_an_offer_gets_its_answer(name: str) -> None:
    entry, offer = TAKEN[name], offer_of(name)
    answer = answered(entry, offer)
    assert in_words(answer) == entry.answer
    assert layers_of(answer) == entry.layers
    assert setups_of(answer) == {entry.setup}
    assert faults(offer, answer) == []
    assert [media.rtp.muxId for media in SessionDescription.parse(answer).media if media.port], "aiortc reads it"


@pytest.mark.parametrize("name", REFUSED)
def test_an_offer_that_cannot_be_served_is_refused_in_words(name: str) -> None:
    entry = REFUSED[name]
    with pytest.raises(RillcastError) as caught:
        answered(entry, offer_of(name))
    assert caught.value.code is REFUSALS[entry.refused]
    assert entry.says in caught.value.message


@pytest.mark.parametrize("name", PUBLISHERS)
def test_the_rules_are_kept_for_captured_publishers_too(name: str) -> None:
    offer = vector(name)
    assert faults(offer, answer_publish(offer, LOCAL, allocate_source=sources()).answer_sdp) == []


@pytest.mark.parametrize("name", PLAYERS)
@pytest.mark.parametrize("codec", ["VP8", "H264"])
def test_and_for_captured_viewers(name: str, codec: str) -> None:
    offer = vector(name)
    try:
        answer = answer_play(offer, [SentStream("s", (video(codec), audio()))], LOCAL).sdp
    except RillcastError as refused:
        assert "no common codec" in refused.message
    else:
        assert faults(offer, answer or "") == []
