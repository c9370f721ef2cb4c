"""What a node answers at /metrics: OpenMetrics to whom asks for it, as Prometheus does, else Prometheus' older text."""

from __future__ import annotations

import asyncio

from prometheus_client import REGISTRY, disable_created_metrics
from prometheus_client.exposition import choose_encoder

disable_created_metrics()  # type: ignore[no-untyped-call]
"""A series with the time of its birth for every other one would be a third of all series, and nothing reads them."""


async def exposition(accept: str) -> tuple[bytes, str]:
    """All metrics of the process, and their content type. `accept`: the header of the request. Exemplars are in
    OpenMetrics only, since the older text has no place for them."""
    encoder, content_type = choose_encoder(accept)
    return await asyncio.to_thread(encoder, REGISTRY), content_type
