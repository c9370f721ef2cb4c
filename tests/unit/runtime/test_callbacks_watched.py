"""Callbacks of the event loop: a bug of ours in one ends the node, as a bug in a task does."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import pytest
import uvloop

from rillcast.runtime.tasks.supervisor import Supervisor
from rillcast.testing.clock import VirtualTimeLoop

Callback = Callable[[], object]
LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": VirtualTimeLoop,
    "uvloop": uvloop.new_event_loop,
}


def raises_in(module: str) -> Callback:
    """A function that fails, as if it were defined there."""
    space: dict[str, object] = {"__name__": module}
    exec("def fail(*_):\n    raise ValueError('on purpose')", space)
    fail = space["fail"]
    assert callable(fail)
    return fail


def crashes(loop: str, begin: Callable[[asyncio.AbstractEventLoop], object]) -> list[str]:
    crashed: list[str] = []

    async def run() -> None:
        running = asyncio.get_running_loop()
        with Supervisor(crashed.append).callbacks_watched(running):
            begin(running)
            await asyncio.sleep(0.02)
        assert running.get_exception_handler() is None

    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.run(run())
    return crashed


async def done() -> None:
    """Nothing to do."""


BEGUN: dict[str, Callable[[asyncio.AbstractEventLoop, Callback], object]] = {
    "soon": lambda loop, callback: loop.call_soon(callback),
    "later": lambda loop, callback: loop.call_later(0.001, callback),
    "from a thread": lambda loop, callback: loop.call_soon_threadsafe(callback),
    "after a task": lambda loop, callback: loop.create_task(done()).add_done_callback(callback),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("how", BEGUN)
def test_a_callback_of_ours_that_fails_is_a_crash(how: str, loop: str) -> None:
    callback = raises_in("services.somewhere")
    assert crashes(loop, lambda running: BEGUN[how](running, callback)) == ["callback of services.somewhere"]


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("how", BEGUN)
def test_a_callback_of_a_library_is_logged_only(how: str, loop: str, caplog: pytest.LogCaptureFixture) -> None:
    callback = raises_in("rillcastle.somewhere")
    with caplog.at_level(logging.ERROR, "asyncio"):
        assert crashes(loop, lambda running: BEGUN[how](running, callback)) == []
    assert "on purpose" in caplog.text
