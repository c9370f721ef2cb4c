"""`rillcast up` waits until signaling sees all nodes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import httpx
import pytest

from rillcast.cli.faults import CannotGoOn
from rillcast.cli.plan import ProcessSpec
from rillcast.cli.up import seen_by_signaling
from rillcast.testing.clock import VirtualTimeLoop

NODES = [
    ProcessSpec("origin-1", ()),
    ProcessSpec("edge-1", ()),
    ProcessSpec("edge-2", ()),
    ProcessSpec("signaling-1", (), ready_url="http://signaling/readyz"),
]
ALL = {"origin": 1, "edge": 2, "signaling": 1}


def waited_s(answer: Callable[[int], httpx.Response]) -> float:
    """How long it waited. `answer`: of signaling to the question with this number, from 1."""
    asked = 0

    def signaling(_: httpx.Request) -> httpx.Response:
        nonlocal asked
        asked += 1
        return answer(asked)

    async def wait() -> float:
        await seen_by_signaling(NODES, httpx.MockTransport(signaling))
        return asyncio.get_running_loop().time()

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(wait())


def seen(**kinds: int) -> httpx.Response:
    return httpx.Response(200, json={"placeable": kinds})


def test_it_waits_until_signaling_sees_every_node() -> None:
    assert 0 < waited_s(lambda number: seen(**ALL) if number > 3 else seen(origin=1, edge=number - 1)) < 1


@pytest.mark.parametrize("error", [httpx.ReadTimeout(""), httpx.ConnectError("refused")])
def test_a_signaling_that_does_not_answer_at_once_is_asked_again(error: httpx.HTTPError) -> None:
    def busy(number: int) -> httpx.Response:
        if number < 3:
            raise error
        return seen(**ALL)

    assert 0 < waited_s(busy) < 1


def test_an_answer_that_makes_no_sense_is_asked_for_again() -> None:
    assert waited_s(lambda number: seen(**ALL) if number > 1 else httpx.Response(502, text="no")) < 1


def test_who_is_missing_at_last_is_named() -> None:
    with pytest.raises(CannotGoOn, match=r"signaling does not see 1 edge$"):
        waited_s(lambda _: seen(origin=1, edge=1, signaling=1))


def test_why_nothing_was_heard_at_last_is_said() -> None:
    def silent(_: int) -> httpx.Response:
        raise httpx.ReadTimeout("")

    with pytest.raises(CannotGoOn, match=r"signaling does not see .*: ReadTimeout$"):
        waited_s(silent)
