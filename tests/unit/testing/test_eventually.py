"""The wait of all tests: it ends with a value or with the reason that it saw."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from rillcast.testing.clock import VirtualTimeLoop
from rillcast.testing.eventually import eventually, within


def run(work: Coroutine[Any, Any, object]) -> object:
    """In virtual time: no test here waits."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(work)


def failure(work: Coroutine[Any, Any, object]) -> str:
    with pytest.raises(AssertionError) as caught:
        run(work)
    return str(caught.value)


def test_the_first_true_value_is_returned() -> None:
    values = iter(("", 0, "third", "fourth"))
    assert run(eventually(lambda: next(values))) == "third"


def test_a_coroutine_function_is_awaited() -> None:
    values = iter((None, {"ready": True}))

    async def ask() -> object:
        await asyncio.sleep(0.01)
        return next(values)

    assert run(eventually(ask)) == {"ready": True}


def test_the_failure_names_what_was_waited_for_and_the_last_value() -> None:
    text = failure(eventually(list, timeout_s=1, what="the answer"))
    assert text.startswith("the answer did not come true within 1 s; at the last of ")
    assert text.endswith("looks it returned []")


def test_the_failure_shows_the_variables_the_condition_looks_at() -> None:
    got = ["first"]
    text = failure(eventually(lambda: len(got) == 2, timeout_s=1))
    assert "\n  got = ['first']" in text


def test_an_assertion_in_the_condition_is_the_reason() -> None:
    def two() -> bool:
        raise AssertionError("1 of 2 arrived")

    assert "it raised AssertionError: 1 of 2 arrived" in failure(eventually(two, timeout_s=1))


def test_exceptions_named_count_as_not_yet() -> None:
    answers = iter((ConnectionError("refused"), None))

    def connect() -> bool:
        error = next(answers)
        if error is not None:
            raise error
        return True

    assert run(eventually(connect, not_yet=(ConnectionError,))) is True


def test_any_other_exception_ends_the_wait_at_once() -> None:
    looks = []

    def broken() -> bool:
        looks.append(1)
        raise ValueError("a bug in the test")

    with pytest.raises(ValueError, match="a bug in the test"):
        run(eventually(broken))
    assert len(looks) == 1


def test_a_condition_that_hangs_is_ended_at_the_deadline() -> None:
    async def hang() -> bool:
        await asyncio.Event().wait()
        return True

    assert "no look at it has ended" in failure(eventually(hang, timeout_s=1))


def test_a_timeout_of_the_condition_itself_is_no_deadline_of_the_wait() -> None:
    async def late() -> bool:
        raise TimeoutError("of its own")

    with pytest.raises(TimeoutError, match="of its own"):
        run(eventually(late))


async def late(sent: list[str]) -> None:
    wanted = "a third frame"
    async with within(1, "the third frame"):
        assert len(sent) == 2
        assert wanted
        await never()


async def never() -> None:
    await asyncio.Event().wait()


def test_a_block_that_is_late_says_what_was_waited_for_where_and_what_was_there() -> None:
    text = failure(late(["first", "second"]))
    assert text.startswith("the third frame did not come within 1 s")
    at = [line.strip() for line in text.splitlines() if line.startswith("  at ")]
    assert [line.partition(": ")[2] for line in at[:2]] == ["await never()", "await asyncio.Event().wait()"]
    assert "\n  sent = ['first', 'second']" in text
    assert "\n  wanted = 'a third frame'" in text


def test_a_block_that_ends_in_time_is_left_alone() -> None:
    async def in_time() -> str:
        async with within(1, "the end"):
            await asyncio.sleep(0.9)
            return "done"

    assert run(in_time()) == "done"


@pytest.mark.parametrize("error", [ValueError("a bug"), TimeoutError("of its own"), asyncio.CancelledError()])
def test_what_a_block_raises_itself_is_passed_on(error: BaseException) -> None:
    async def fails() -> None:
        async with within(1, "the end"):
            raise error

    with pytest.raises(type(error)) as caught:
        run(fails())
    assert caught.value is error


def test_a_block_that_is_cancelled_from_outside_is_cancelled_and_not_late() -> None:
    async def cancelled() -> bool:
        waiting = asyncio.ensure_future(late(["first", "second"]))
        await asyncio.sleep(0.5)
        waiting.cancel()
        await asyncio.wait([waiting])
        return waiting.cancelled()

    assert run(cancelled())
