"""A node's seat: what takes it out of service, and what doesn't."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from rillcast.contracts import subjects
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import NodeId
from rillcast.contracts.messages import (
    Ack,
    NodeInfo,
    SeatAnswer,
    SeatRelease,
    SeatRequest,
)
from rillcast.contracts.words import NodeKind
from rillcast.runtime.process.readiness import Readiness
from rillcast.runtime.process.seat import Seat
from rillcast.testing.bus import FakeBus
from rillcast.testing.clock import FakeClock
from rillcast.testing.eventually import eventually

GRACE_S = 14 * 86_400.0


class Desk:
    """A license service that does as it is told."""

    def __init__(self) -> None:
        self.bus = FakeBus()
        self.readiness = Readiness()
        self.refusal: ErrorCode | None = None
        self.asked: list[SeatRequest] = []
        self.released: list[SeatRelease] = []
        info = NodeInfo(
            node=NodeId("e1"), kind=NodeKind.EDGE, version="0", admin_address="127.0.0.1:1", incarnation="i"
        )
        self.clock = FakeClock(0.0)
        self.seat = Seat(self.bus, info, self.readiness, self.clock)

    async def open(self) -> None:
        await self.bus.serve(subjects.license_acquire(NodeKind.EDGE), SeatRequest, self.acquire)
        await self.bus.serve(subjects.license_release(NodeKind.EDGE), SeatRelease, self.release)

    async def acquire(self, request: SeatRequest) -> SeatAnswer:
        self.asked.append(request)
        if self.refusal is not None:
            raise RillcastError(self.refusal, "all 3 seats are taken")
        return SeatAnswer(ttl_s=0.15, licensee="test", grace_s=GRACE_S)

    async def release(self, request: SeatRelease) -> Ack:
        self.released.append(request)
        return Ack()


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    made = Desk()
    yield made
    await made.bus.close()


async def test_without_any_answer_a_starting_node_is_not_ready(desk: Desk) -> None:
    await desk.seat.ask()
    assert desk.seat.state == "waiting"
    assert desk.readiness.reasons == {"license": "waiting for the license service"}


async def test_a_seat_makes_it_ready_and_names_node_kind_and_incarnation(desk: Desk) -> None:
    await desk.open()
    await desk.seat.ask()
    assert desk.readiness.ready
    assert desk.asked == [SeatRequest(node=NodeId("e1"), kind=NodeKind.EDGE, incarnation="i")]


async def test_a_refusal_says_why_and_a_later_seat_heals_it(desk: Desk) -> None:
    await desk.open()
    desk.refusal = ErrorCode.SEAT_REFUSED
    await desk.seat.ask()
    assert desk.readiness.reasons == {"license": "all 3 seats are taken"}
    desk.refusal = None
    await desk.seat.ask()
    assert desk.readiness.ready


@pytest.mark.parametrize("code", [ErrorCode.STORE_UNAVAILABLE, ErrorCode.SERVER_ERROR])
async def test_a_license_service_in_trouble_does_not_stop_a_node_that_held_a_seat(desk: Desk, code: ErrorCode) -> None:
    await desk.open()
    await desk.seat.ask()
    desk.refusal = code
    await desk.seat.ask()
    assert (desk.seat.state, desk.readiness.ready) == ("unconfirmed", True)


async def test_a_lost_bus_does_not_stop_it_either(desk: Desk) -> None:
    await desk.open()
    await desk.seat.ask()
    desk.bus.connected = False
    await desk.seat.ask()
    assert (desk.seat.state, desk.readiness.ready) == ("unconfirmed", True)


async def test_without_an_answer_it_goes_on_for_the_grace_time_only_and_an_answer_heals_it(desk: Desk) -> None:
    await desk.open()
    await desk.seat.ask()
    desk.bus.connected = False
    desk.clock.advance(GRACE_S - 1)
    await desk.seat.ask()
    assert desk.readiness.ready
    desk.clock.advance(2)
    await desk.seat.ask()
    assert desk.seat.state == "lapsed"
    assert "grace time of 14 days" in desk.readiness.reasons["license"]
    desk.bus.connected = True
    await desk.seat.ask()
    assert (desk.seat.state, desk.readiness.ready) == ("held", True)


async def test_the_seat_is_renewed_and_given_back(desk: Desk) -> None:
    await desk.open()
    keeping = asyncio.create_task(desk.seat.keep())
    await eventually(lambda: len(desk.asked) >= 3, what="two renewals")
    keeping.cancel()
    await desk.seat.release()
    assert desk.released == [SeatRelease(node=NodeId("e1"), incarnation="i")]
