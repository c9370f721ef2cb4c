"""What is asked of our own paths in their queries: what nobody reads is refused in words, and never passed over."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from rillcast.contracts.status import EVENTS_PATH, LIVE_PATH
from rillcast.testing.clock import VirtualTimeLoop
from services.signaling.rest.adapters.http_routes import MOST_IN_QUERY
from tests.unit.signaling.test_rest_extremes import plain
from tests.unit.signaling.test_signaling_rest_fuzz import Asker, check

NEEDS_A_LOGIN = "/rillcast/v1/me/sessions"
"""Those who ask here show a token."""
Operation = tuple[str, str, dict[str, Any]]


@pytest.fixture(scope="module")
def asker() -> Iterator[Asker]:
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        made = Asker(runner)
        runner.run(made.open())
        yield made
        runner.run(made.close())


def ours(asker: Asker) -> list[Operation]:
    found = [one for one in asker.operations() if one[0].startswith("/rillcast/v1/") and one[0] != NEEDS_A_LOGIN]
    assert len(found) > 15
    return found


def in_query(operation: dict[str, Any]) -> list[dict[str, Any]]:
    return [one for one in operation.get("parameters", ()) if one["in"] == "query"]


def refused(asker: Asker, operation: Operation, query: str) -> str:
    """In which words."""
    path, method, said = operation
    content = b"{}" if "requestBody" in said else None
    url = f"{plain(path, method)}?{query}"
    answer = asker.ask(method, url, content=content, headers={"content-type": "application/json"} if content else {})
    check(asker, said, answer)
    assert answer.status_code == 400, f"{method} {url}: {answer.status_code} {answer.text[:200]}"
    message: str = answer.json()["message"]
    return message


def test_a_word_that_nobody_reads_is_refused_and_those_that_there_are_named(asker: Asker) -> None:
    for operation in ours(asker):
        words = refused(asker, operation, "limit=5")
        assert "'limit' is nothing that this can be asked for" in words
        assert all(one["name"] in words for one in in_query(operation[2]))


def test_a_word_that_is_misspelt_beside_good_ones_is_refused(asker: Asker) -> None:
    for operation in ours(asker):
        for parameter in in_query(operation[2]):
            name = parameter["name"]
            assert name.upper() in refused(asker, operation, f"{name.upper()}=1")
            assert "'nope'" in refused(asker, operation, f"{name}=1&nope=1")


def test_a_word_that_is_said_twice_is_refused(asker: Asker) -> None:
    for operation in ours(asker):
        for parameter in in_query(operation[2]):
            name = parameter["name"]
            assert refused(asker, operation, f"{name}=1&{name}=1") == f"{name} is said more than once"


def test_a_word_that_is_too_long_is_refused(asker: Asker) -> None:
    for operation in ours(asker):
        for parameter in in_query(operation[2]):
            name = parameter["name"]
            words = refused(asker, operation, f"{name}={'1' * (MOST_IN_QUERY + 1)}")
            assert words == f"{name} has more than {MOST_IN_QUERY} characters"


def test_a_number_beyond_its_limits_is_refused_and_the_limits_are_named(asker: Asker) -> None:
    asked = 0
    for operation in ours(asker):
        for parameter in in_query(operation[2]):
            if parameter["schema"].get("type") != "integer":
                continue
            name, least, most = parameter["name"], parameter["schema"]["minimum"], parameter["schema"]["maximum"]
            for text in (str(least - 1), str(most + 1), "1.5", "many", "", "%D9%A3", "true"):
                words = refused(asker, operation, f"{name}={text}")
                assert words.startswith(f"{name} must be a whole number"), words
            for number in (least, most):
                path, method, said = operation
                answer = asker.ask(method, f"{plain(path, method)}?{name}={number}")
                check(asker, said, answer)
                assert answer.status_code != 400, answer.text
                asked += 1
    assert asked >= 14


def test_no_page_of_a_list_is_less_than_nothing(asker: Asker) -> None:
    """What is said of each, so that no new list goes without."""
    for path, _, operation in ours(asker):
        for parameter in in_query(operation):
            if parameter["name"] in ("offset", "size"):
                assert parameter["schema"]["minimum"] >= 0, path
            if parameter["name"] == "size":
                assert parameter["schema"]["maximum"] <= 250, path


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("sessions?role=dance", "role must be one of publish, play"),
        ("sessions?state=dance", "state must be one of"),
        ("sessions?size=0", "size must be a whole number from 1 to 250"),
        ("sessions?since=-1", "since must be a whole number, 0 or more"),
        ("traces?size=21", "size must be a whole number from 1 to 20"),
        ("traces?failed=perhaps", "failed"),
    ],
)
def test_words_that_mean_nothing_are_refused(asker: Asker, url: str, words: str) -> None:
    answer = asker.ask("get", f"/rillcast/v1/{url}")
    assert answer.status_code == 400
    assert words in answer.json()["message"]


@pytest.mark.parametrize("path", [EVENTS_PATH, LIVE_PATH])
def test_what_goes_on_refuses_them_too(asker: Asker, path: str) -> None:
    answer = asker.ask("get", f"{path}?limit=5")
    assert answer.status_code == 400
    assert "'limit' is nothing" in answer.json()["message"]


def test_a_stranger_hears_nothing_of_what_there_is_to_be_asked(asker: Asker) -> None:
    async def asked() -> int:
        async with asker.cluster.stranger() as http:
            return (await http.get("/rillcast/v1/traces?limit=5")).status_code

    assert asker._runner.run(asked()) in (401, 403)


def test_paths_of_ant_media_pass_over_what_they_do_not_know(asker: Asker) -> None:
    assert asker.ask("get", "/live/rest/v2/broadcasts/list/-1/5?limit=5").status_code == 200
