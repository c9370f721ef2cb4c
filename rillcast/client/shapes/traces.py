"""Shapes of calls about traces.

Written by `make reference` from the tables of REST. Do not change it by hand.
"""

from __future__ import annotations

import msgspec

from rillcast.contracts.messages.traces import SpanRole
from rillcast.contracts.words import NodeKind


class TracedSpan(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Something that took time at one node."""

    span: str
    parent: str = ""
    name: str
    role: SpanRole
    node: str
    service: NodeKind
    began_us: int
    took_us: int
    error: str = ""
    attributes: dict[str, str | int | bool] = msgspec.field(default_factory=dict)


class TraceStatus(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One trace, as far as it is still in memory."""

    trace: str
    name: str = ""
    app: str = ""
    stream: str = ""
    session: str = ""
    began_us: int
    took_us: int
    error: str = ""
    whole: bool
    spans: list[TracedSpan]


class FoundTraces(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The newest traces that were wanted, and how complete the search was."""

    traces: list[TraceStatus]
    asked: int
    silent: list[str] = msgspec.field(default_factory=list)
    left_out: int = 0
    kept: int = 0
    forgotten: int = 0
    cut: int = 0
