"""Tells the other signaling instances of wrong codes, and hears of theirs."""

from __future__ import annotations

from collections.abc import Callable

from rillcast.contracts import subjects
from rillcast.contracts.ids import NodeId
from rillcast.contracts.messages import CodeWrong
from rillcast.node.background import BackgroundTasks
from rillcast.runtime.ports import Bus
from services.signaling.core.domain.guesses import Guesser


class BusGuesses:
    """One per signaling instance."""

    def __init__(self, bus: Bus, own: NodeId, tasks: BackgroundTasks) -> None:
        """`own`: this instance."""
        self._bus = bus
        self._own = own
        self._tasks = tasks

    def tell(self, guesser: Guesser) -> None:
        """A code was wrong. Dropped while the bus is down: then each instance counts for itself."""
        wrong = CodeWrong(
            instance=self._own, subscriber=guesser.subscriber, address=guesser.address, shared=guesser.shared
        )
        self._tasks.queue(self._bus.emit(subjects.SIGNALING_CODE_WRONG, wrong), "tell of a wrong code")

    async def start(self, heard: Callable[[Guesser], None]) -> None:
        """Call `heard` for each wrong code at another instance from now on."""

        async def told(subject: str, wrong: CodeWrong) -> None:
            if wrong.instance != self._own:
                heard(Guesser(subscriber=wrong.subscriber, address=wrong.address, shared=wrong.shared))

        await self._bus.listen(subjects.SIGNALING_CODE_WRONG, CodeWrong, told)
