"""Two instances of signaling on one NATS server are told to write the same at once: nothing that was answered with
success is lost, and both show the same afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from typing import Any

import httpx
import pytest
import pytest_asyncio

from rillcast.testing.eventually import eventually
from tests.integration.signaling.rest_instances import rest_instances

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]
ROOT = "/live/rest/v2/broadcasts"
SETTINGS = "/rest/v2/applications/settings/live"
ROUNDS = 20
BUSY_TRIES = 20
"""Of a write that is refused with 503 because others change the same."""
Asked = Coroutine[Any, Any, httpx.Response]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pair(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[httpx.AsyncClient, httpx.AsyncClient]]:
    async with (
        rest_instances(tmp_path_factory.mktemp("pair")) as (first, second),
        first.http() as a,
        second.http() as b,
    ):
        yield a, b


async def write(http: httpx.AsyncClient, method: str, path: str, **options: Any) -> httpx.Response:
    """Asks until it is answered with something else than that others change the same."""
    for _ in range(BUSY_TRIES):
        answer = await http.request(method, path, **options)
        if answer.status_code != 503:
            return answer
        assert "Retry-After" in answer.headers
    raise AssertionError(f"{method} {path} was refused {BUSY_TRIES} times: {answer.text}")


async def done(http: httpx.AsyncClient, method: str, path: str, **options: Any) -> None:
    """A write that must succeed."""
    answer = await write(http, method, path, **options)
    assert answer.status_code == 200 and answer.json().get("success", True), answer.text


async def both_show(
    pair: Sequence[httpx.AsyncClient], path: str, wanted: dict[str, Any], key: Callable[[Any], Any] = lambda body: body
) -> None:
    """Waits until both instances show these values."""

    async def shown() -> list[Any]:
        found = []
        for http in pair:
            body = key((await http.get(path)).json())
            found.append({name: body.get(name) for name in wanted})
        return found

    async def agree() -> bool:
        return await shown() == [wanted, wanted]

    try:
        await eventually(agree, 10.0, "both instances show what was written")
    except AssertionError as error:
        raise AssertionError(f"wanted {wanted}, shown {await shown()}") from error


async def test_changes_of_different_keys_of_one_broadcast_are_all_kept(pair: Sequence[httpx.AsyncClient]) -> None:
    await done(pair[0], "POST", f"{ROOT}/create", json={"streamId": "shared"})
    await both_show(pair, f"{ROOT}/shared", {"streamId": "shared"})
    for number in range(ROUNDS):
        changes: list[dict[str, Any]] = [
            {"name": f"name {number}"},
            {"description": f"about {number}"},
            {"webRTCViewerLimit": number},
            {"metaData": f"data {number}"},
            {"category": f"category {number}"},
            {"subtracksLimit": number},
        ]
        await asyncio.gather(
            *(done(pair[n % 2], "PUT", f"{ROOT}/shared", json=change) for n, change in enumerate(changes))
        )
        await both_show(pair, f"{ROOT}/shared", {key: value for one in changes for key, value in one.items()})


async def test_changes_of_different_settings_of_one_app_are_all_kept(pair: Sequence[httpx.AsyncClient]) -> None:
    for number in range(1, ROUNDS + 1):
        changes: list[dict[str, Any]] = [
            {"webRTCViewerLimit": number},
            {"ingestingStreamLimit": number + 1},
            {"timeTokenPeriod": 60 + number},
            {"abrUpScaleJitterMs": 30 + number},
        ]
        await asyncio.gather(*(done(pair[n % 2], "POST", SETTINGS, json=change) for n, change in enumerate(changes)))
        await both_show(pair, SETTINGS, {key: value for one in changes for key, value in one.items()})
    await done(pair[0], "POST", SETTINGS, json={"webRTCViewerLimit": -1, "ingestingStreamLimit": -1})


async def test_of_two_who_create_the_same_one_wins_and_the_other_is_told(pair: Sequence[httpx.AsyncClient]) -> None:
    for number in range(ROUNDS):
        stream = f"race{number}"
        answers = await asyncio.gather(
            *(
                write(http, "POST", f"{ROOT}/create", json={"streamId": stream, "name": name})
                for http, name in zip(pair, ("first", "second"), strict=True)
            )
        )
        assert sorted(answer.status_code for answer in answers) == [200, 400], [one.text for one in answers]
        won = "first" if answers[0].status_code == 200 else "second"
        await both_show(pair, f"{ROOT}/{stream}", {"streamId": stream, "name": won})


async def test_creating_and_deleting_at_once_leaves_what_the_answers_say(pair: Sequence[httpx.AsyncClient]) -> None:
    """Whoever was told that it is deleted, after whom nobody created it, finds nothing."""
    for number in range(ROUNDS):
        path = f"{ROOT}/come-and-go"
        created, deleted = await asyncio.gather(
            write(pair[number % 2], "POST", f"{ROOT}/create", json={"streamId": "come-and-go"}),
            write(pair[1 - number % 2], "DELETE", path),
        )
        assert created.status_code == 200, created.text
        gone = deleted.json()["success"]
        await _both_say(pair, path, 404 if gone else 200)
        if not gone:
            await done(pair[0], "DELETE", path)
            await _both_say(pair, path, 404)


async def test_changing_and_deleting_at_once_never_brings_a_broadcast_back(pair: Sequence[httpx.AsyncClient]) -> None:
    for number in range(ROUNDS):
        path = f"{ROOT}/short{number}"
        await done(pair[0], "POST", f"{ROOT}/create", json={"streamId": f"short{number}"})
        await _both_say(pair, path, 200)
        changed, deleted = await asyncio.gather(
            write(pair[0], "PUT", path, json={"name": "too late"}), write(pair[1], "DELETE", path)
        )
        assert changed.status_code == 200 and deleted.json()["success"]
        await _both_say(pair, path, 404)


async def test_a_limit_of_subtracks_holds_however_many_are_attached_at_once(pair: Sequence[httpx.AsyncClient]) -> None:
    for number in range(ROUNDS):
        main, ids = f"main{number}", [f"sub{number}-{one}" for one in range(6)]
        await done(pair[0], "POST", f"{ROOT}/create", json={"streamId": main, "subtracksLimit": 2})
        await write(pair[0], "POST", f"{ROOT}/create-list", json=[{"streamId": one} for one in ids[:4]])
        await _both_say(pair, f"{ROOT}/{ids[3]}", 200)
        new = {"mainTrackStreamId": main}
        answers = await asyncio.gather(
            write(pair[0], "POST", f"{ROOT}/{main}/subtrack?id={ids[0]}"),
            write(pair[1], "POST", f"{ROOT}/{main}/subtrack?id={ids[1]}"),
            write(pair[0], "PUT", f"{ROOT}/{ids[2]}", json=new),
            write(pair[1], "PUT", f"{ROOT}/{ids[3]}", json=new),
            write(pair[0], "POST", f"{ROOT}/create", json=new | {"streamId": ids[4]}),
            write(pair[1], "POST", f"{ROOT}/create", json=new | {"streamId": ids[5]}),
        )
        attached = [one for one, answer in zip(ids, answers, strict=True) if answer.json().get("success", True)]
        refused = {answer.json()["message"].partition(". ")[0] for answer in answers if answer.json().get("message")}
        assert len(attached) == 2, [answer.text for answer in answers]
        assert refused == {f"{main} has as many subtracks as it may have: 2"}
        await _both_list(pair, f"{ROOT}/{main}/subtracks/0/10", attached)


async def test_operators_are_made_once_and_changed_without_loss(pair: Sequence[httpx.AsyncClient]) -> None:
    users = "/rest/v2/users"
    eve = {"email": "eve", "password": "correct horse battery", "userType": "USER"}
    answers = await asyncio.gather(*(write(http, "POST", users, json=eve) for http in pair))
    assert sorted(answer.json()["success"] for answer in answers) == [False, True]
    for number in range(ROUNDS):
        changes = [{"firstName": f"E{number}"}, {"lastName": f"F{number}"}, {"fullName": f"E F {number}"}]
        await asyncio.gather(
            *(done(pair[n % 2], "PUT", users, json={"email": "eve", **change}) for n, change in enumerate(changes))
        )
        wanted = {key: value for change in changes for key, value in change.items()}
        await both_show(pair, "/rest/v2/user-list", wanted, lambda found: _named(found, "email", "eve"))


async def test_subscribers_are_registered_and_blocked_at_once(pair: Sequence[httpx.AsyncClient]) -> None:
    one = f"{ROOT}/s1/subscribers"
    for number in range(ROUNDS):
        body = {"subscriberId": "viewer", "subscriberName": f"V {number}", "concurrentConnectionsLimit": number + 1}
        kind = ("play", "publish")[number % 2]
        await asyncio.gather(
            done(pair[number % 2], "POST", one, json=body),
            done(pair[1 - number % 2], "PUT", f"{one}/viewer/block/600/{kind}"),
        )
        wanted = {
            "subscriberName": f"V {number}",
            "concurrentConnectionsLimit": number + 1,
            "blockedType": kind,
        }
        await both_show(pair, f"{one}/list/0/10", wanted, lambda found: _named(found, "subscriberId", "viewer"))


async def test_settings_of_the_servers_are_changed_by_both(pair: Sequence[httpx.AsyncClient]) -> None:
    path = "/rest/v2/server-settings"
    for number in range(ROUNDS):
        changes = [{"serverName": f"n{number}.example.com"}, {"logLevel": ("INFO", "WARN")[number % 2]}]
        await asyncio.gather(*(done(http, "POST", path, json=one) for http, one in zip(pair, changes, strict=True)))
        await both_show(pair, path, changes[0] | changes[1])


async def test_apps_come_and_go_at_both(pair: Sequence[httpx.AsyncClient]) -> None:
    names = [f"app{number}" for number in range(6)]
    apps = "/rest/v2/applications"
    await asyncio.gather(*(done(pair[n % 2], "POST", f"{apps}/{name}") for n, name in enumerate(names)))
    await both_show(pair, apps, dict.fromkeys(names, True), lambda body: dict.fromkeys(body["applications"], True))
    await asyncio.gather(*(done(pair[1 - n % 2], "DELETE", f"{apps}/{name}") for n, name in enumerate(names)))
    gone = dict.fromkeys(names)
    await both_show(pair, apps, gone, lambda body: dict.fromkeys(body["applications"], True))


def _named(found: list[dict[str, Any]], key: str, value: str) -> dict[str, Any]:
    return next((one for one in found if one.get(key) == value), {})


async def _both_list(pair: Sequence[httpx.AsyncClient], path: str, wanted: list[str]) -> None:
    async def agree() -> bool:
        shown = [[one["streamId"] for one in (await http.get(path)).json()] for http in pair]
        return shown == [wanted, wanted]

    await eventually(agree, 10.0, f"both instances list {wanted} under {path}")


async def _both_say(pair: Sequence[httpx.AsyncClient], path: str, status: int) -> None:
    async def agree() -> bool:
        return [(await http.get(path)).status_code for http in pair] == [status] * 2

    await eventually(agree, 10.0, f"both instances answer {path} with {status}")
