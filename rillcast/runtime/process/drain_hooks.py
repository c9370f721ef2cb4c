"""What a service still does before its node leaves."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from rillcast.runtime.telemetry.logs import get_logger

log = get_logger(__name__)

CANCEL_AGAIN_S = 0.5
"""How long a hook that was cancelled may take to end. Nobody waits for it any longer."""

DrainHook = Callable[[], Awaitable[None]]


class DrainHooks:
    """The hooks of one node: what its service does between taking no new work and leaving."""

    def __init__(self) -> None:
        self._hooks: list[DrainHook] = []

    def add(self, hook: DrainHook) -> None:
        """Have `hook` run when the node drains. It is called once, on the event loop."""
        self._hooks.append(hook)

    async def run(self, timeout_s: float) -> None:
        """Run all hooks at once, and cancel what is not done after `timeout_s`. A hook that fails is logged and
        disturbs none of the others."""
        if not self._hooks:
            return
        hooks = [asyncio.ensure_future(hook()) for hook in self._hooks]
        done, late = await asyncio.wait(hooks, timeout=timeout_s)
        if late:
            log.warning("Draining took too long and was cut short", after_s=timeout_s)
            for hook in late:
                hook.cancel()
            await asyncio.wait(late, timeout=CANCEL_AGAIN_S)
        for hook in done:
            if not hook.cancelled() and (error := hook.exception()) is not None:
                log.exception("A drain hook failed", raised=error)
