"""Tells the cluster each second how full this instance is."""

from __future__ import annotations

import asyncio

from rillcast.contracts.messages import NodeLoad
from services.signaling.core.ports import Host
from services.signaling.websocket.usecases.open_sockets import OpenSockets

EVERY_S = 1.0
FULL_AT_LAG_S = 0.25
"""An event loop that runs so many seconds late counts as full."""


async def report_load(host: Host, sockets: OpenSockets) -> None:
    """Report until cancelled."""
    while True:
        host.report_load(NodeLoad(sessions=sockets.count, loop_lag=min(1.0, host.loop_lag_s / FULL_AT_LAG_S)))
        await asyncio.sleep(EVERY_S)
