"""What a node answers at /metrics: OpenMetrics to whom asks for it, as Prometheus does, else Prometheus' older text."""

from __future__ import annotations

import asyncio

from prometheus_client import REGISTRY, disable_created_metrics
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics import exposition as openmetrics

OPENMETRICS = "application/openmetrics-text"
disable_created_metrics()  # type: ignore[no-untyped-call]
"""A series with the time of its birth for every other one would be a third of all series, and nothing reads them."""


async def exposition(accept: str) -> tuple[bytes, str]:
    """All metrics of the process, and their content type. `accept`: the header of the request, of which only the media
    types are looked at: there is one version of each format here. Exemplars are in OpenMetrics only, since the older
    text has no place for them."""
    if OPENMETRICS in (one.partition(";")[0].strip().lower() for one in accept.split(",")):
        return await asyncio.to_thread(openmetrics_text), f"{OPENMETRICS}; version=1.0.0; charset=utf-8"
    return await asyncio.to_thread(text), "text/plain; version=0.0.4; charset=utf-8"


def openmetrics_text() -> bytes:
    """No name of ours has to be escaped, so nobody looks at each of their letters: that is a third of the work."""
    told: bytes = openmetrics.generate_latest(  # type: ignore[no-untyped-call]
        REGISTRY, escaping=openmetrics.ALLOWUTF8, version="1.0.0"
    )
    return told


def text() -> bytes:
    """The older format, likewise."""
    return generate_latest(REGISTRY, escaping=openmetrics.ALLOWUTF8)
