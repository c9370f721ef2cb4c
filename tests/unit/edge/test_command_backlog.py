"""Commands that wait while the media plane is too busy."""

from __future__ import annotations

import pytest

from rillcast.media.plane import PlaneBusy
from rillcast.media.protocol import Command, PlaneSession, RemoveSession
from rillcast.testing.plane import FakePlane
from services.edge import metrics
from services.edge.usecases import command_backlog
from services.edge.usecases.command_backlog import CommandBacklog


class MoodyPlane(FakePlane):
    """Refuses commands as busy while told to."""

    busy = False

    def execute(self, command: Command) -> None:
        if self.busy:
            raise PlaneBusy("the worker is behind")
        super().execute(command)

    def sessions(self) -> list[int]:
        return [command.session for command in self.of(RemoveSession)]


def remove(*sessions: int) -> list[Command]:
    return [RemoveSession(session=PlaneSession(session)) for session in sessions]


def test_a_plane_with_time_gets_commands_at_once() -> None:
    plane = MoodyPlane()
    backlog = CommandBacklog(plane)

    for command in remove(1, 2):
        backlog.execute(command)

    assert plane.sessions() == [1, 2]
    assert len(backlog) == 0


def test_a_busy_plane_gets_them_later_in_order_also_those_that_came_when_it_had_time_again() -> None:
    plane = MoodyPlane()
    backlog = CommandBacklog(plane)
    plane.busy = True
    for command in remove(1, 2):
        backlog.execute(command)
    backlog.tick()
    plane.busy = False
    for command in remove(3):
        backlog.execute(command)
    assert plane.sessions() == []

    backlog.tick()

    assert plane.sessions() == [1, 2, 3]
    assert len(backlog) == 0


def test_an_impossible_command_is_our_bug_and_loud() -> None:
    plane = MoodyPlane()
    plane.close()

    with pytest.raises(ValueError, match="the plane is closed"):
        CommandBacklog(plane).execute(remove(1)[0])


def test_the_backlog_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command_backlog, "MAX_WAITING", 2)
    plane = MoodyPlane()
    backlog = CommandBacklog(plane)
    plane.busy = True
    before = metrics.COMMANDS_DROPPED._value.get()
    for command in remove(1, 2, 3):
        backlog.execute(command)
    plane.busy = False
    backlog.tick()

    assert plane.sessions() == [2, 3]
    assert metrics.COMMANDS_DROPPED._value.get() == before + 1
