"""`limit_reservations.Instances` on the bus, and the other end of it."""

from __future__ import annotations

from rillcast.contracts import subjects
from rillcast.contracts.ids import NodeId
from rillcast.contracts.messages import Ack, ReservationArrived, ReservationOver, ReserveRequest
from rillcast.runtime.ports import Bus
from services.signaling.core.usecases.limit_reservations import LimitReservations

TIMEOUT_S = 0.5
"""An instance that lives answers in a millisecond, from memory. The client is waiting."""


class BusReservations:
    """One per signaling instance."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def reserve(self, node: NodeId, request: ReserveRequest) -> None:
        """Ask the instance that counts."""
        await self._bus.request(subjects.signaling_reserve(node), request, Ack, timeout_s=TIMEOUT_S)

    async def arrived(self, node: NodeId, arrived: ReservationArrived) -> None:
        """Tell it that somebody is there."""
        await self._bus.request(subjects.signaling_reservation_arrived(node), arrived, Ack, timeout_s=TIMEOUT_S)

    async def give_back(self, node: NodeId, over: ReservationOver) -> None:
        """Tell it that somebody is gone."""
        await self._bus.emit(subjects.signaling_reservation_over(node), over)

    async def start(self, node: NodeId, reservations: LimitReservations) -> None:
        """Answer the other instances from now on. `node`: this one."""

        async def count(request: ReserveRequest) -> Ack:
            reservations.count(request)
            return Ack()

        async def count_arrived(arrived: ReservationArrived) -> Ack:
            reservations.count_arrived(arrived)
            return Ack()

        async def given_back(subject: str, over: ReservationOver) -> None:
            reservations.given_back(over)

        await self._bus.serve(subjects.signaling_reserve(node), ReserveRequest, count)
        await self._bus.serve(subjects.signaling_reservation_arrived(node), ReservationArrived, count_arrived)
        await self._bus.listen(subjects.signaling_reservation_over(node), ReservationOver, given_back)
