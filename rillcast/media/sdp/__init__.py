"""Negotiation: reads and writes the session descriptions (SDP) of publishers and viewers. No I/O.

Whatever a peer got wrong becomes a `RillcastError` (BAD_REMOTE_DESCRIPTION or NO_COMMON_CODEC) that names it.
"""

from rillcast.media.sdp.play_answer import answer_play
from rillcast.media.sdp.play_offer import PlayOffer, TooManyTracks, accept_play_answer, offer_play
from rillcast.media.sdp.publish import (
    PublishNegotiation,
    VideoChoice,
    accept_move,
    answer_publish,
    offer_move,
)
from rillcast.media.sdp.sending import PlayNegotiation, SentStream
from rillcast.media.sdp.transport import IceCredentials, LocalTransport, local_candidates, new_transport_credentials
from rillcast.media.sdp.trickle import (
    IceFragment,
    IcePair,
    ice_pairs,
    parse_candidates,
    restart_ice_fragment,
    write_ice_fragment,
)
from rillcast.media.sdp.two_offers import after_move, as_sent_before, before_move, before_viewer_moves
from rillcast.media.sdp.writing import later_version

__all__ = [
    "IceCredentials",
    "IceFragment",
    "IcePair",
    "LocalTransport",
    "PlayNegotiation",
    "PlayOffer",
    "PublishNegotiation",
    "SentStream",
    "TooManyTracks",
    "VideoChoice",
    "accept_move",
    "accept_play_answer",
    "after_move",
    "answer_play",
    "answer_publish",
    "as_sent_before",
    "before_move",
    "before_viewer_moves",
    "ice_pairs",
    "later_version",
    "local_candidates",
    "new_transport_credentials",
    "offer_move",
    "offer_play",
    "parse_candidates",
    "restart_ice_fragment",
    "write_ice_fragment",
]
