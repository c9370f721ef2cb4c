"""The wait of all tests: it ends with a value or with the reason that it saw."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from rillcast.testing.clock import VirtualTimeLoop
from rillcast.testing.eventually import eventually


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
