"""How late the event loop is."""

from __future__ import annotations

import asyncio

from rillcast.runtime import metrics

SAMPLE_S = 0.25


class LoopLag:
    """Measures by how much timers of the running event loop are late."""

    def __init__(self) -> None:
        self.lag_s = 0.0
        """How late timers fired lately: the highest lag of the last second or so, in seconds."""

    async def sample(self) -> None:
        """Sleep for `SAMPLE_S` and see how much longer that took. To be called again and again."""
        loop = asyncio.get_running_loop()
        before = loop.time()
        await asyncio.sleep(SAMPLE_S)
        lag_s = max(0.0, loop.time() - before - SAMPLE_S)
        metrics.LOOP_LAG_SECONDS.observe(lag_s)
        self.lag_s = max(lag_s, self.lag_s * 0.8)
