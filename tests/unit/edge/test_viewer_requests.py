"""What is asked of a living session over the bus, and what is refused in words."""

from __future__ import annotations

import msgspec
import pytest
from edge_harness import EDGE, World, rung

from rillcast.contracts import subjects
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import SessionId
from rillcast.contracts.messages import Ack, RestartIceAnswer, RestartIceRequest, SelectRendition
from rillcast.contracts.words import NodeKind
from rillcast.media import protocol

LOW = rung(360, 600_000)


class _Mute(msgspec.Struct, kw_only=True):
    """A `MuteRequest` of somebody who knows other kinds."""

    session: SessionId
    kind: str
    enabled: bool = True


async def test_closing_says_whether_there_was_a_session(world: World) -> None:
    session, _ = await world.watching()

    assert [await world.close(session) for _ in range(2)] == [True, False]


async def test_nonsense_and_unknown_sessions_are_named(world: World) -> None:
    session, _ = await world.watching()

    for subject, message, code in (
        (subjects.edge_select(EDGE), SelectRendition(session=session, height=-1), ErrorCode.BAD_REQUEST),
        (subjects.session_mute(EDGE), _Mute(session=session, kind="smell"), ErrorCode.BAD_REQUEST),
        (subjects.edge_select(EDGE), SelectRendition(session=SessionId("x"), height=0), ErrorCode.UNKNOWN_SESSION),
    ):
        with pytest.raises(RillcastError) as refusal:
            await world.bus.request(subject, message, Ack)
        assert refusal.value.code is code


async def test_an_ice_restart_gives_fresh_credentials(world: World) -> None:
    session, plane_session = await world.watching()
    restart = RestartIceRequest(session=session, remote_ufrag="abcd", remote_pwd="p" * 22)

    fresh = await world.bus.request(subjects.session_restart_ice(NodeKind.EDGE, EDGE), restart, RestartIceAnswer)

    command = world.plane.of(protocol.RestartIce)[0]
    assert (command.session, command.ice.local_ufrag) == (plane_session, fresh.local_ufrag)
