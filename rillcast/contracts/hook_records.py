"""What the store has of webhooks that are told events: which streams they know of, and what is still to be told."""

from __future__ import annotations

import msgspec

from rillcast.contracts.access_records import Hold
from rillcast.contracts.fields import Text, UnixMs, Url, Word
from rillcast.contracts.ids import AppName, StreamId


class ToldStream(msgspec.Struct, frozen=True, kw_only=True):
    """A stream that is live, as far as webhooks are told. It is written before they are told anything."""

    app: AppName
    stream: StreamId
    mark: Word
    """Random for each life of a stream, from its start to its end: the ids of both events are made of it."""
    started_at_ms: UnixMs
    ended_at_ms: UnixMs = 0
    """When it was found to be over; 0 = it is live."""
    told: bool = False
    """Whether liveStreamStarted is on its way to the receiver."""
    name: Text = ""
    meta_data: Text = ""
    category: Text = ""
    main_track: Word = ""
    """The broadcast of which it is a subtrack."""
    subscriber_id: Text = ""
    url: Url = ""
    """The stream's own ``listenerHookURL`` when it started: its broadcast may be deleted before it ends."""


class ToldPlay(msgspec.Struct, frozen=True, kw_only=True):
    """A viewer that watches, as far as webhooks are told."""

    app: AppName
    stream: StreamId
    mark: Word
    """Random for each viewer's session, however often it moves: the ids of its events are made of it."""
    subscriber_id: Text = ""
    hold: Hold
    """Which signaling process says when it is gone."""
    ended_at_ms: UnixMs = 0
    """When it was gone; 0 = it is there."""


class DueHook(msgspec.Struct, frozen=True, kw_only=True):
    """One event for one receiver."""

    id: Word
    """Of the event. It is the same whenever the event is sent again."""
    app: AppName
    url: Url
    at_ms: UnixMs
    """When it happened."""
    fields: dict[Word, Text]
    """What is sent, by Ant Media's names. What has no value is not in it."""
