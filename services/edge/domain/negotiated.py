"""What was agreed on with a viewer, held against what there is to send."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from rillcast.cluster.stream_directory import LiveStream
from rillcast.contracts.errors import RillcastError
from rillcast.media.sdp import PlayNegotiation, PlayOffer, accept_play_answer
from services.edge.domain.supply import supplies_for

Lives = Mapping[int, LiveStream]
"""The streams of a session by the place of their subscriptions. One that has ended is missing."""


def accept_answer(offer: PlayOffer, answer_sdp: str, lives: Lives) -> PlayNegotiation:
    """The client's answer to an offer that may hold codecs to come. Whatever its order, a codec of which there is
    something already goes first. Raises as `accept_play_answer`."""
    negotiation = accept_play_answer(offer, answer_sdp)
    if all(has_all(live, negotiation.codecs(place)) for place, live in lives.items()):
        return negotiation
    lines = tuple(
        msgspec.structs.replace(
            line, payloads=tuple(p for p in line.payloads if _made(lives.get(line.subscription), line.group, p.codec))
        )
        for line in offer.lines
    )
    try:
        present = accept_play_answer(msgspec.structs.replace(offer, lines=lines), answer_sdp)
    except RillcastError:
        return negotiation
    same_lines = [track.track for track in present.agreed] == [track.track for track in negotiation.agreed]
    return present if same_lines else negotiation


def has_all(live: LiveStream, codecs_by_mid: Mapping[str, str]) -> bool:
    """Whether somebody makes every group in the codec agreed on."""
    return all(supplies_for(live, group, codec) for group, codec in codecs_by_mid.items())


def _made(live: LiveStream | None, group: str, codec: str) -> bool:
    return live is None or bool(supplies_for(live, group, codec))
