"""What a backup of the store holds, and what it leaves out and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rillcast.contracts import subjects
from rillcast.contracts.permissions import BUCKETS, Bucket, BusUser


@dataclass(frozen=True)
class Kept:
    """A bucket of which backups are made."""

    bucket: Bucket
    left_out: frozenset[str] = frozenset()
    """Keys that are neither backed up nor put back nor removed."""

    @property
    def owner(self) -> BusUser:
        """Who may read and write it, and whose key is therefore shown."""
        (writer,) = self.bucket.writers
        return writer


_ROWS = {bucket.name: bucket for bucket in BUCKETS}
KEPT = (
    Kept(_ROWS[subjects.BUCKET_SECRETS]),
    Kept(_ROWS[subjects.BUCKET_ACCOUNTS]),
    Kept(_ROWS[subjects.BUCKET_SERVER]),
    Kept(_ROWS[subjects.BUCKET_APPS]),
    Kept(_ROWS[subjects.BUCKET_LADDERS]),
    Kept(_ROWS[subjects.BUCKET_BROADCASTS]),
    Kept(_ROWS[subjects.BUCKET_TOKENS]),
    Kept(_ROWS[subjects.BUCKET_SUBSCRIBERS]),
    Kept(_ROWS[subjects.BUCKET_LICENSE_STATE], left_out=frozenset({"ledger"})),
)
"""In the order in which they are read and written. The ledger of the license says which nodes are there now."""
LEFT_OUT: Mapping[str, str] = {
    subjects.BUCKET_STREAMS: "who publishes now; its owner writes it every two seconds",
    subjects.BUCKET_RENDITIONS: "likewise, of ladders",
    subjects.BUCKET_LICENSE: "the seats of the nodes that are there now",
    subjects.BUCKET_CONNECTIONS: "when subscribers came and went in the last week, which nothing is decided by",
    subjects.BUCKET_TOLD_STREAMS: "what webhooks are still to hear the end of; it would be told of streams long gone",
    subjects.BUCKET_TOLD_PLAYS: "likewise, of viewers",
    subjects.QUEUE_HOOKS: "events that wait for webhooks for an hour at most; they would be told twice",
    subjects.JOURNAL_EVENTS: "what happened in the last week; a journal is never written behind its end",
}
"""Everything else in the store, and why no backup has it."""
