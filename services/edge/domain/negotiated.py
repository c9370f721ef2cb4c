"""What was agreed on with a viewer, held against what there is to send."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from rillcast.cluster.stream_directory import LiveStream
from rillcast.contracts.errors import RillcastError
from rillcast.media.sdp import PlayNegotiation, PlayOffer, accept_play_answer
from services.edge.domain.supply import supplies_for


def accept_answer(offer: PlayOffer, answer_sdp: str, live: LiveStream) -> PlayNegotiation:
    """The client's answer to an offer that may hold codecs to come. Whatever its order, a codec of which there is
    something already goes first. Raises as `accept_play_answer`."""
    negotiation = accept_play_answer(offer, answer_sdp)
    if has_all(live, negotiation.codecs_by_mid):
        return negotiation
    lines = tuple(
        msgspec.structs.replace(
            line, payloads=tuple(p for p in line.payloads if supplies_for(live, line.group, p.codec))
        )
        for line in offer.lines
    )
    try:
        present = accept_play_answer(msgspec.structs.replace(offer, lines=lines), answer_sdp)
    except RillcastError:
        return negotiation
    return present if present.track_groups == negotiation.track_groups else negotiation


def has_all(live: LiveStream, codecs_by_mid: Mapping[str, str]) -> bool:
    """Whether somebody makes every group in the codec agreed on."""
    return all(supplies_for(live, group, codec) for group, codec in codecs_by_mid.items())
