"""What is said to somebody who wants to watch a stream that is not live, as far as is known here."""

from __future__ import annotations

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import AppName, StreamId
from services.signaling.core.ports import WatchedStreams

RETRY_AFTER_S = 1.0


def not_live(streams: WatchedStreams, app: AppName, stream: StreamId) -> RillcastError:
    """Only who would know of the stream says that it is not there."""
    if streams.has_lost_owner(app, stream):
        why = f"the node of the stream {stream} is gone, and its publisher is waited for"
        return RillcastError(ErrorCode.NO_NODE_AVAILABLE, why, RETRY_AFTER_S)
    if not streams.certain:
        why = f"nobody can tell right now whether the stream {stream} is live: the store does not answer"
        return RillcastError(ErrorCode.STORE_UNAVAILABLE, why, RETRY_AFTER_S)
    return RillcastError(ErrorCode.NO_STREAM_EXIST, f"the stream {stream} is not live")


def not_seen(streams: WatchedStreams, app: AppName, stream: StreamId, refusal: RillcastError) -> RillcastError:
    """What is said when an edge has refused somebody. One that does not know of a stream which is live, as far as is
    known here, is cut off from the store, or hears of it later."""
    if refusal.code is not ErrorCode.NO_STREAM_EXIST:
        return refusal
    if streams.live(app, stream) is None:
        return not_live(streams, app, stream)
    why = f"the edge does not know of the stream {stream} at the moment"
    return RillcastError(ErrorCode.NO_NODE_AVAILABLE, why, RETRY_AFTER_S)
