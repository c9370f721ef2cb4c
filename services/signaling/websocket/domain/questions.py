"""Commands that ask about a stream. They change nothing, and their answer is the same in every phase."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import msgspec

from rillcast.cluster.stream_directory import LiveStream
from rillcast.contracts.access_records import SubscriberRecord
from rillcast.contracts.broadcast_records import KeptBroadcast
from rillcast.contracts.ids import AppName, StreamId
from services.signaling.core.domain import stream_info
from services.signaling.core.ports import Audience, Streams
from services.signaling.websocket.domain import replies
from services.signaling.websocket.domain.asked import MOST_OF_A_LIST, Question
from services.signaling.websocket.domain.effects import Effect, Send
from services.signaling.websocket.domain.subscriber_pages import SubscriberPages
from services.signaling.websocket.domain.subtracks import NO_ADDRESS, KnownBroadcasts, Subtracks, told

_OF_HEIGHTS = frozenset({"getStreamInfo", "getStreamInfoList"})


class Outlook(Protocol):
    """The part of `LadderOutlook` that questions need."""

    def rungs_to_come(self, app: AppName, stream: StreamId) -> bool: ...


class Questions:
    """Answers them from memory. One per signaling instance."""

    def __init__(
        self,
        streams: Streams,
        broadcasts: KnownBroadcasts,
        audience: Audience,
        subscribers: SubscriberPages,
        outlook: Outlook,
    ) -> None:
        self._streams = streams
        self._broadcasts = broadcasts
        self._audience = audience
        self._subscribers = subscribers
        self._outlook = outlook
        self._subtracks = Subtracks(streams, broadcasts, audience)

    def answer(self, asked: Question) -> list[Effect]:
        """The one frame that answers. There is an answer for streams that are live, and for some questions also for
        those that were created by REST."""
        live, settings = self._streams.live(asked.app, asked.stream), self._broadcasts.get(asked.app, asked.stream)
        if live is not None:
            answer = _OF_LIVE[asked.command](self, asked, live)
        elif settings is not None and asked.command in _OF_CREATED:
            answer = _OF_CREATED[asked.command](self, asked, settings)
        elif asked.command in _OF_MAIN_TRACKS and self._subtracks.has_any(asked):
            answer = _OF_MAIN_TRACKS[asked.command](self, asked, None)
        else:
            answer = replies.no_stream_info(asked.stream)
        return [Send(answer)]

    def is_to_come(self, asked: Question, *, has: bool) -> bool:
        """Whether more will be known in a moment. `has`: whether the client publishes or plays the stream, so that it
        is live even where nobody here has heard of it."""
        live = self._streams.live(asked.app, asked.stream)
        if live is None:
            return has
        if asked.command not in _OF_HEIGHTS:
            return False
        return not stream_info.is_measured(live) or self._outlook.rungs_to_come(asked.app, asked.stream)

    def renditions(self, asked: Question, live: LiveStream) -> str:
        """`getStreamInfo`: of what heights the stream can be had."""
        shown = msgspec.to_builtins(stream_info.heights(live))
        return replies.frame("streamInformation", streamId=asked.stream, streamInfo=shown)

    def broadcast(self, asked: Question, live: LiveStream) -> str:
        """`getBroadcastObject` of a live stream."""
        settings = self._broadcasts.get(asked.app, asked.stream)
        return self.shown(asked, stream_info.broadcast(live, self._viewers(asked), NO_ADDRESS, settings))

    def created(self, asked: Question, settings: KeptBroadcast) -> str:
        """`getBroadcastObject` of a stream that is not live."""
        return self.shown(asked, stream_info.created(settings))

    def shown(self, asked: Question, broadcast: stream_info.Broadcast) -> str:
        """Ant Media's record has no list of sub-tracks any more, but one of its pages reads it here."""
        fields = {**told(broadcast), "subTrackStreamIds": self._subtracks.ids(asked)}
        return replies.notification("broadcastObject", asked.stream, broadcast=msgspec.json.encode(fields).decode())

    def subtracks(self, asked: Question, _: object) -> str:
        """`getSubtracks`: a page of the broadcasts of which this one is the main track."""
        return replies.notification("subtrackList", asked.stream, subtrackList=self._subtracks.page(asked))

    def subtrack_count(self, asked: Question, _: object) -> str:
        """`getSubtracksCount`: how many there are."""
        return replies.notification("subtrackCount", asked.stream, count=self._subtracks.count(asked))

    def debug_info(self, asked: Question, live: LiveStream) -> str:
        """`getDebugInfo`: the tracks, and how many watch. Nothing of it says where a node is."""
        tracks = [
            {
                "kind": track.kind.value,
                "codec": track.codec,
                "width": track.width,
                "height": track.height,
                "bitrate": track.bitrate_bps,
            }
            for track in (supply.track for supply in live.supplies())
        ]
        shown = {"streamId": asked.stream, "viewers": self._viewers(asked), "tracks": tracks}
        text = msgspec.json.encode(shown).decode()
        return replies.notification("debugInfo", asked.stream, debugInfo=text)

    def viewer_count(self, asked: Question, _: object) -> str:
        """`getSubscriberCount`: how many watch."""
        return replies.notification("subscriberCount", asked.stream, count=self._viewers(asked))

    def subscribers(self, asked: Question, _: object) -> str:
        """`getSubscribers`: those that are registered for the stream, or are connected with a code."""
        page = self._subscribers.page(asked.app, asked.stream, asked.offset, min(asked.size, MOST_OF_A_LIST))
        return replies.notification("subscriberList", asked.stream, subscriberList=[_subscriber(one) for one in page])

    def _viewers(self, asked: Question) -> int:
        return self._audience.viewers(asked.app, asked.stream)


def _subscriber(record: SubscriberRecord) -> str:
    """A subscriber as a text of JSON. Its secret is not shown."""
    shown = {
        "subscriberId": record.subscriber_id,
        "subscriberName": record.subscriber_name,
        "streamId": record.stream,
        "type": record.type,
        "connected": bool(record.holds),
        "currentConcurrentConnections": len(record.holds),
    }
    return msgspec.json.encode(shown).decode()


def _tracks(_: Questions, asked: Question, __: object) -> str:
    return replies.frame("trackList", streamId=asked.stream, trackList=[asked.stream])


_OF_LIVE: Mapping[str, Callable[[Questions, Question, LiveStream], str]] = {
    "getStreamInfo": Questions.renditions,
    "getStreamInfoList": Questions.renditions,
    "getBroadcastObject": Questions.broadcast,
    "getTrackList": _tracks,
    "getSubtracks": Questions.subtracks,
    "getSubtracksCount": Questions.subtrack_count,
    "getSubscriberCount": Questions.viewer_count,
    "getSubscribers": Questions.subscribers,
    "getDebugInfo": Questions.debug_info,
}
_OF_CREATED: Mapping[str, Callable[[Questions, Question, KeptBroadcast], str]] = {
    "getBroadcastObject": Questions.created,
    "getSubtracks": Questions.subtracks,
    "getSubtracksCount": Questions.subtrack_count,
    "getSubscriberCount": Questions.viewer_count,
    "getSubscribers": Questions.subscribers,
}
_OF_MAIN_TRACKS: Mapping[str, Callable[[Questions, Question, None], str]] = {
    "getSubtracks": Questions.subtracks,
    "getSubtracksCount": Questions.subtrack_count,
}
"""Questions about a stream that need not exist, as long as others belong to it."""
QUESTIONS = _OF_LIVE.keys()
