"""What clients set of a broadcast that asks for something which isn't there, so that it is refused rather than kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rillcast.contracts.broadcast_records import KeptBroadcast
from services.signaling.core.domain.access_rules import is_http
from services.signaling.rest.domain.stream_sources import LIVE_STREAM, PULLED

NO_RECORDING = "nothing is recorded here"
_ASKS: Mapping[str, tuple[Callable[[KeptBroadcast], object], str]] = {
    "mp4Enabled": (lambda record: max(record.mp4_enabled, 0), NO_RECORDING),
    "webMEnabled": (lambda record: max(record.web_m_enabled, 0), NO_RECORDING),
    "maxIdleTime": (lambda record: record.max_idle_time, "no stream is ended here because it is idle"),
    "publish": (lambda record: not record.publish, "it would neither hide the stream nor keep anybody from publishing"),
    "endPointList": (lambda record: record.end_point_list, "nothing is pushed to other servers here"),
    "autoStartStopEnabled": (
        lambda record: record.auto_start_stop_enabled and record.type in PULLED,
        "nothing is pulled from elsewhere here",
    ),
    "listenerHookURL": (
        lambda record: record.listener_hook_url and not is_http(record.listener_hook_url) and record.listener_hook_url,
        "events are told at addresses that begin with http:// or https:// and name a host",
    ),
}
"""Of each key: what it asks for, if anything, and why that is not done."""


def unfulfilled(before: KeptBroadcast, wanted: KeptBroadcast) -> str:
    """Why a broadcast cannot be as it is wanted, with every key that asks for too much; empty when it can. What it
    asked for `before` does not count: clients send back what they have read."""
    reasons: dict[str, list[str]] = {}
    for key, (asks, why) in _ASKS.items():
        if asks(wanted) and asks(wanted) != asks(before):
            reasons.setdefault(why, []).append(key)
    if before.type == LIVE_STREAM and wanted.type != LIVE_STREAM:
        reasons["what is published to us is no other type"] = ["type"]
    return "; ".join(f"{', '.join(keys)}: {why}" for why, keys in reasons.items())
