"""What an origin has counted of a stream that comes in."""

from __future__ import annotations

import msgspec

from rillcast.contracts.fields import Count


class IngestFigures(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Since the stream began, at whichever origins. For display only."""

    received_bytes: Count = 0
    """What has come from the publisher as RTP, with the headers of RTP, repairs and what is no media."""
    packets: Count = 0
    """How many packets of media have come."""
    packets_lost: Count = 0
    """How many never came, although they were asked for again."""
