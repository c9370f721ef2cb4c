"""What spans of messages are called and say, by OpenTelemetry's conventions for messaging."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from rillcast.runtime.bus.envelope import label

_MOST = 2_048


@lru_cache(_MOST)
def request(subject: str) -> Mapping[str, str]:
    """Of a request, at the side that asks."""
    return _attributes(subject, "request", "send")


@lru_cache(_MOST)
def process(subject: str) -> Mapping[str, str]:
    """Of a request or an event, at the side that has got it."""
    return _attributes(subject, "process", "process")


def _attributes(subject: str, name: str, kind: str) -> Mapping[str, str]:
    short = label(subject)
    found = {
        "messaging.system": "nats",
        "messaging.operation.name": name,
        "messaging.operation.type": kind,
        "messaging.destination.name": subject,
    }
    before, separator, _ = subject.partition(f".{short}.")
    if separator:
        found["messaging.destination.template"] = f"{before}.{short}.{{node}}"
    return found
