"""What nodes tell of the traces that they keep in memory for a while."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import msgspec

from rillcast.contracts.fields import Count, Word
from rillcast.contracts.grammars import grammar
from rillcast.contracts.ids import NodeId

TraceId = Annotated[str, grammar("[0-9a-f]{32}", "32 hexadecimal digits in lower case")]
SpanId = Annotated[str, grammar("(?:[0-9a-f]{16})?", "16 hexadecimal digits in lower case, or nothing")]
SpanLink = Annotated[str, grammar("(?:[0-9a-f]{32}-[0-9a-f]{16})?", "a trace and a span, or nothing")]
MOST_TRACES = 64
"""Ids in one message."""
MOST_SPANS = 1_000
"""Spans in one answer."""
MOST_ATTRIBUTES = 32
TraceIds = Annotated[tuple[TraceId, ...], msgspec.Meta(max_length=MOST_TRACES)]
SpanValue = Word | Count | bool


class SpanRole(StrEnum):
    """The part that a span plays in a conversation, as in OpenTelemetry. A word of a newer version reads as
    INTERNAL."""

    INTERNAL = "internal"
    CLIENT = "client"
    """It asks somebody and waits for the answer."""
    SERVER = "server"
    """It answers somebody."""
    PRODUCER = "producer"
    """It tells something and does not wait."""
    CONSUMER = "consumer"
    """It was told something."""

    @classmethod
    def _missing_(cls, value: object) -> SpanRole:
        return cls.INTERNAL


class FinishedSpan(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One span that has ended. There is no token, session description or address of a client in it."""

    trace: TraceId
    span: SpanId
    parent: SpanId = ""
    """Empty for a root."""
    name: Word
    role: SpanRole = SpanRole.INTERNAL
    began_ns: Count
    """Unix time in nanoseconds, by the clock of the node's machine."""
    took_ns: Count = 0
    error: Word = ""
    """What went wrong: an error code, a reason of an end or the name of an exception; empty when nothing did."""
    attributes: Annotated[dict[Word, SpanValue], msgspec.Meta(max_length=MOST_ATTRIBUTES)] = {}
    sampled: bool = False
    """Whether it is sent to a collector in any case."""
    link: SpanLink = ""
    """A span of another trace, of which this one comes: trace and span."""


class TracesRequest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which spans are wanted: those of `traces` where some are named, else the newest traces that are about something,
    or any."""

    traces: TraceIds = ()
    about: Word = ""
    """A stream, a session or a trace."""
    app: Word = ""
    failed: bool = False
    """Only traces in which this node knows of an error."""
    most: Annotated[int, msgspec.Meta(ge=1, le=MOST_TRACES)] = 1
    """How many traces, where none is named."""


class TracesAnswer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a node has kept of it."""

    node: NodeId
    spans: Annotated[tuple[FinishedSpan, ...], msgspec.Meta(max_length=MOST_SPANS)] = ()
    """The newest trace first, each in the order in which its spans ended."""
    kept: Count = 0
    """Spans that this node has in memory."""
    forgotten: Count = 0
    """Spans that were pushed out by newer ones since it began."""
    cut: Count = 0
    """Spans that would have been wanted as well, and did not fit in."""


class TracesKept(msgspec.Struct, frozen=True, kw_only=True):
    """These traces have failed, or were slow: whoever has spans of them sends them to the collector, although they were
    not sampled."""

    node: NodeId
    traces: TraceIds = ()
