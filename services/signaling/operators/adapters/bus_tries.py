"""`ports.OtherInstances` on the bus, and the other end of it."""

from __future__ import annotations

from collections.abc import Callable

from rillcast.contracts import subjects
from rillcast.contracts.ids import NodeId
from rillcast.contracts.messages import PasswordTried
from rillcast.contracts.words import TryStep
from rillcast.runtime.ports import Bus


class BusTries:
    """One per signaling instance."""

    def __init__(self, bus: Bus, own: NodeId) -> None:
        """`own`: this instance."""
        self._bus = bus
        self._own = own

    async def tell(self, account: str, address: str, step: TryStep) -> None:
        """Tell the others. Dropped while the bus is down: then each instance counts for itself."""
        tried = PasswordTried(instance=self._own, account=account, address=address, step=step)
        await self._bus.emit(subjects.SIGNALING_PASSWORD_TRIED, tried)

    async def start(self, heard: Callable[[str, str, TryStep], None]) -> None:
        """Call `heard` with what the others tell from now on: account, address and step."""

        async def told(subject: str, tried: PasswordTried) -> None:
            if tried.instance != self._own:
                heard(tried.account, tried.address, tried.step)

        await self._bus.listen(subjects.SIGNALING_PASSWORD_TRIED, PasswordTried, told)
