"""All sockets of an instance: when one of their nodes dies, and when the instance itself goes away."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, ClassVar, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.websockets import WebSocket

from rillcast.contracts.ids import NodeId, SessionId, StreamId
from rillcast.contracts.words import EndReason
from rillcast.node.background import BackgroundTasks
from rillcast.testing.clock import VirtualTimeLoop
from rillcast.testing.eventually import within
from services.signaling.core.domain.client_rate import ClientRate
from services.signaling.core.domain.identity import Client
from services.signaling.core.usecases.change_rate import ChangeRate
from services.signaling.websocket.adapters.websocket_client import SocketLimits, WebSocketClient
from services.signaling.websocket.domain import replies
from services.signaling.websocket.domain.farewell import Farewell
from services.signaling.websocket.domain.outgoing import OutgoingRoom
from services.signaling.websocket.domain.socket_end import SocketEnd
from services.signaling.websocket.usecases.open_sockets import ASKED_PER_TURN, DONE_PER_TURN, IDLE_S, LOOKS, OpenSockets
from services.signaling.websocket.usecases.socket_services import SocketServices
from tests.unit.signaling.talk import LIVE, Talk, Tallied

EDGE = NodeId("edge-1")


def in_virtual_time(work: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(work)


class Peer:
    """A client's socket; it hangs up `leaves_after_s` after it was told, or never."""

    def __init__(self, sockets: OpenSockets, leaves_after_s: float | None = None, client: str = "") -> None:
        self.sockets = sockets
        self.leaves_after_s = leaves_after_s
        self.told_at: float | None = None
        self.closed: SocketEnd | None = None
        self.moved_at: float | None = None
        self.idle = self.sessionless = True
        sockets.add(self, client)

    def send(self, frame: str) -> None:
        assert frame == replies.SERVER_WILL_STOP
        loop = asyncio.get_running_loop()
        self.told_at = loop.time()
        if self.leaves_after_s is not None:
            loop.call_later(self.leaves_after_s, self.sockets.remove, self)

    def close(self, why: SocketEnd) -> None:
        self.closed = why

    def uses(self, node: NodeId) -> bool:
        return node == EDGE

    def node_gone(self, node: NodeId, since: float) -> None:
        self.moved_at = asyncio.get_running_loop().time()


class Line:
    """Stands in for Starlette's WebSocket of a client that plays and then hangs up."""

    def __init__(self, frames: list[str], code: int = 1000) -> None:
        self.frames = frames
        self.code = code

    async def receive(self) -> dict[str, object]:
        if self.frames:
            return {"type": "websocket.receive", "text": self.frames.pop(0)}
        return {"type": "websocket.disconnect", "code": self.code}

    async def send_text(self, text: str) -> None:
        pass


class Served:
    """What a socket uses, as far as its end shows it."""

    def __init__(self) -> None:
        self.ended: list[str] = []
        self.told: list[Callable[[StreamId], None]] = []

    def end(self, session: SessionId, node: NodeId, reason: EndReason, keep_stream_s: float) -> None:
        self.ended.append(reason)

    def enter(self, number: int, tell: Callable[[StreamId], None], client: str) -> None:
        self.told.append(tell)

    def nothing(self, *args: object) -> None:
        pass

    leave = forget = nothing


def told_per_s(peers: list[Peer]) -> list[int]:
    times = [peer.told_at for peer in peers if peer.told_at is not None]
    return [sum(second <= at < second + 1 for at in times) for second in range(int(max(times)) + 1)]


@pytest.mark.parametrize(("count", "drain_timeout_s"), [(20_000, 10.0), (20_000, 2.0), (300, 10.0), (1, 0.5)])
def test_everybody_is_told_and_closed_within_the_time_to_drain(count: int, drain_timeout_s: float) -> None:
    async def drain() -> None:
        sockets = OpenSockets(BackgroundTasks(), drain_timeout_s=drain_timeout_s)
        peers = [Peer(sockets) for _ in range(count)]

        async with within(drain_timeout_s, "the goodbye to everybody"):
            await sockets.drain()

        assert all(peer.told_at is not None and peer.closed is SocketEnd.DRAINING for peer in peers)
        assert max(told_per_s(peers)) <= max(550, 1.1 * count / (0.7 * drain_timeout_s))

    in_virtual_time(drain())


def test_clients_that_leave_when_told_let_the_instance_go_early() -> None:
    async def drain() -> None:
        sockets = OpenSockets(BackgroundTasks(), drain_timeout_s=10.0)
        peers = [Peer(sockets, leaves_after_s=0.1) for _ in range(100)]

        await sockets.drain()

        assert asyncio.get_running_loop().time() < 1.0
        assert not [peer for peer in peers if peer.closed]

    in_virtual_time(drain())


class Counted(Peer):
    """Counts how many are told, or closed, in one turn of the loop."""

    now: ClassVar[int]
    most: ClassVar[int]

    def send(self, frame: str) -> None:
        super().send(frame)
        self.count()

    def close(self, why: SocketEnd) -> None:
        super().close(why)
        self.count()

    @classmethod
    def count(cls) -> None:
        if not cls.now:
            asyncio.get_running_loop().call_soon(setattr, cls, "now", 0)
        cls.now += 1
        cls.most = max(cls.most, cls.now)


def test_a_goodbye_that_is_late_is_said_in_small_turns() -> None:
    """Or the loop, held by what the goodbyes set off, would say all the rest at once, and be held for longer."""

    async def drain() -> None:
        Counted.now = Counted.most = 0
        sockets = OpenSockets(BackgroundTasks(), drain_timeout_s=0.01)
        peers = [Counted(sockets) for _ in range(1_000)]

        await sockets.drain()

        assert all(peer.told_at is not None and peer.closed for peer in peers)
        assert Counted.most <= DONE_PER_TURN

    in_virtual_time(drain())


@given(st.integers(0, 1_000_000), st.floats(0.0, 3_600.0))
def test_a_farewell_fits_into_its_time(sockets: int, drain_timeout_s: float) -> None:
    plan = Farewell.of(sockets, drain_timeout_s)

    assert plan.telling_s + plan.leaving_s + plan.closing_s <= drain_timeout_s * 0.96


def test_when_a_node_dies_its_clients_move_at_a_bounded_rate() -> None:
    async def die() -> None:
        sockets = OpenSockets(BackgroundTasks(), drain_timeout_s=10.0)
        peers = [Peer(sockets) for _ in range(2_000)]

        sockets.node_gone(EDGE)
        await asyncio.sleep(10.0)

        moved = [peer.moved_at for peer in peers if peer.moved_at is not None]
        assert len(moved) == 2_000
        assert all(sum(second <= at < second + 1 for at in moved) <= 501 for second in range(5))

    in_virtual_time(die())


def test_who_has_many_sockets_at_a_node_that_dies_does_not_go_before_the_others() -> None:
    async def die() -> None:
        sockets = OpenSockets(BackgroundTasks(), drain_timeout_s=10.0)
        flood = [Peer(sockets, client="192.0.2.1") for _ in range(2_000)]
        other, nobody = Peer(sockets, client="198.51.100.7"), Peer(sockets)

        sockets.node_gone(EDGE)
        await asyncio.sleep(10.0)

        assert None not in (other.moved_at, nobody.moved_at)
        assert max(other.moved_at or 0, nobody.moved_at or 0) < 0.1
        assert all(peer.moved_at is not None for peer in flood)

    in_virtual_time(die())


@pytest.mark.parametrize(
    ("draining", "code", "ended", "why"),
    [
        (True, 1001, [], SocketEnd.DRAINING),
        (False, 1001, ["socket_closed"], SocketEnd.CLIENT),
        (False, 1005, ["socket_closed"], SocketEnd.CLIENT),
        (False, 1008, ["socket_closed"], SocketEnd.FLOOD),
        (False, 1009, ["socket_closed"], SocketEnd.TOO_LARGE),
        (False, 1011, ["socket_closed"], SocketEnd.KEEPALIVE),
    ],
)
def test_a_socket_that_closes_while_its_instance_goes_away_leaves_its_sessions_told_or_not(
    draining: bool, code: int, ended: list[str], why: SocketEnd
) -> None:
    async def hang_up() -> None:
        served, talk = Served(), Talk()
        talk.running()
        services = SocketServices(
            admission=cast(Any, served),
            joins=cast(Any, served),
            nodes=cast(Any, served),
            events=cast(Any, served),
            waiting_room=cast(Any, served),
            tasks=BackgroundTasks(),
            tally=Tallied(),
            changes=ChangeRate(ClientRate(1.0, 1.0), lambda: 0.0),
            outgoing=OutgoingRoom(),
            conversation=lambda app, client: talk.conversation,
        )
        client = WebSocketClient(
            1,
            cast(WebSocket, Line([], code)),
            app=LIVE,
            client=Client(address=""),
            services=services,
            limits=SocketLimits(messages_per_s=1.0, message_burst=10),
            draining=lambda: draining,
        )

        assert await client.run() is why

        assert served.ended == ended
        assert talk.conversation.idle

    in_virtual_time(hang_up())


def test_looking_for_the_clients_of_a_dead_node_leaves_turns_to_others() -> None:
    async def die() -> None:
        sockets = OpenSockets(BackgroundTasks(), drain_timeout_s=10.0)
        asked: list[int] = []
        turns = 0

        class Elsewhere(Peer):
            def uses(self, node: NodeId) -> bool:
                asked.append(turns)
                return False

        for _ in range(2_000):
            Elsewhere(sockets)
        sockets.node_gone(EDGE)
        while turns < 30:
            await asyncio.sleep(0)
            turns += 1

        assert len(asked) == 2_000
        assert max(map(asked.count, set(asked))) <= ASKED_PER_TURN

    in_virtual_time(die())


# ------------------------------------------------------------------ idle sockets give way


def test_idle_sockets_of_the_address_with_most_give_way_when_all_places_are_taken() -> None:
    async def check() -> None:
        sockets = OpenSockets(BackgroundTasks(), drain_timeout_s=10.0)
        friend = Peer(sockets, client="198.51.100.1")
        held = [Peer(sockets, client=f"2001:db8:0:{net}::/64") for net in range(5) for _ in range(4)]

        assert sockets.room(22, "198.51.100.2")
        for _ in range(10):
            assert sockets.room(21, "198.51.100.2")
            Peer(sockets, client=f"198.51.100.{100 + _}")

        closed = [peer for peer in held if peer.closed is SocketEnd.GAVE_WAY]
        assert len(closed) == 10
        assert friend.closed is None

    in_virtual_time(check())


def test_a_socket_with_something_under_way_gives_no_way_and_is_looked_at_again() -> None:
    async def check() -> None:
        sockets = OpenSockets(BackgroundTasks(), drain_timeout_s=10.0)
        held = [Peer(sockets, client="203.0.113.9") for _ in range(2 * LOOKS)]
        for peer in held:
            peer.idle = peer.sessionless = False

        assert [sockets.room(2 * LOOKS, "198.51.100.1") for _ in range(5)] == [False] * 5
        held[7].idle = held[7].sessionless = True
        await asyncio.sleep(60.0)
        found = [sockets.room(2 * LOOKS, "198.51.100.1")]
        while not found[-1] and len(found) < 5:
            await asyncio.sleep(60.0)
            found.append(sockets.room(2 * LOOKS, "198.51.100.1"))
        assert found[-1]
        assert [peer for peer in held if peer.closed] == [held[7]]

    in_virtual_time(check())


def test_who_waits_for_a_stream_gives_way_only_to_those_whose_address_has_fewer() -> None:
    async def check() -> None:
        sockets = OpenSockets(BackgroundTasks(), drain_timeout_s=10.0)
        crowd = [Peer(sockets, client=f"198.51.100.{n}") for n in range(10)]
        for peer in crowd:
            peer.idle = False
        await asyncio.sleep(IDLE_S)
        assert not sockets.room(10, "192.0.2.1")

        greedy = [Peer(sockets, client="203.0.113.9") for _ in range(5)]
        for peer in greedy:
            peer.idle = False
        assert sockets.room(15, "192.0.2.1")
        assert [peer for peer in crowd + greedy if peer.closed] == [greedy[0]]

    in_virtual_time(check())


def test_an_idle_socket_is_left_alone_for_a_minute() -> None:
    async def check() -> None:
        sockets = OpenSockets(BackgroundTasks(), drain_timeout_s=10.0)
        peer = Peer(sockets, client="198.51.100.1")

        assert not sockets.room(1, "198.51.100.2")
        await asyncio.sleep(IDLE_S)
        assert sockets.room(1, "198.51.100.2")
        assert peer.closed is SocketEnd.GAVE_WAY

    in_virtual_time(check())


def test_nothing_is_kept_of_sockets_that_are_gone() -> None:
    async def check() -> None:
        sockets = OpenSockets(BackgroundTasks(), drain_timeout_s=10.0)
        held = [Peer(sockets, client="203.0.113.9") for _ in range(6)]
        held[0].sessionless = held[1].sessionless = False
        for _ in range(3):
            sockets.room(6, "198.51.100.1")
        for peer in held:
            sockets.remove(peer)

        assert not any((len(sockets._perhaps_idle), sockets._busy, sockets._leaving, sockets._sockets))

    in_virtual_time(check())
