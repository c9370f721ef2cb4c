"""The fencing number of a lease, with the claim that it belongs to."""

from __future__ import annotations

import msgspec

from rillcast.contracts.fields import Count
from rillcast.contracts.ids import UNSAID_CLAIM, ClaimId
from rillcast.contracts.records import RenditionRecord, StreamRecord


class Epoch(msgspec.Struct, frozen=True, order=True):
    """Epochs are totally ordered: by their number, and those of one number by their claim. The higher one wins. No two
    owners ever have equal ones, whatever the store gives out twice, since the claim is random."""

    number: Count = 0
    claim: ClaimId = UNSAID_CLAIM


def epoch_of(record: StreamRecord | RenditionRecord, revision: int) -> Epoch:
    """Under which epoch the record was written that has this revision in the store. A stream that a node of version 3
    of the protocol claimed says no number in that write, and means the revision."""
    return Epoch(record.epoch or revision, record.claim)
