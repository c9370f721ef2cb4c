"""A store that an older version has filled: the processes of this one find everything in it, and add what they need."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import nats
import pytest
import pytest_asyncio
from nats.js import JetStreamContext
from nats.js.api import StreamConfig
from nats.js.errors import NotFoundError

from rillcast.contracts import subjects
from rillcast.testing.eventually import eventually
from rillcast.testing.servers import nats_server
from tests.integration.signaling.rest_instances import RestInstance, rest_instances

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]
VECTORS = Path(__file__).parents[2] / "vectors" / "store"
OLD = json.loads((VECTORS / "79a18c7.json").read_text())["streams"]
ROOT = "/live/rest/v2/broadcasts"
NEW_BUCKETS = (
    subjects.BUCKET_SERVER,
    subjects.BUCKET_CONNECTIONS,
    subjects.BUCKET_TOLD_STREAMS,
    subjects.BUCKET_TOLD_PLAYS,
)
NEW_STREAMS = [*(f"KV_{name}" for name in NEW_BUCKETS), f"WQ_{subjects.QUEUE_HOOKS}"]


async def fill(js: JetStreamContext) -> None:
    """Makes the streams as they were, with what lay in them."""
    for stream in OLD.values():
        config = {key: value for key, value in stream["config"].items() if key not in ("metadata", "first_seq")}
        await js.add_stream(StreamConfig.from_response(config))
        for message in stream["messages"]:
            kept = {key: value for key, value in message["headers"].items() if not key.startswith("Nats-Expected")}
            await js.publish(message["subject"], base64.b64decode(message["data"]), headers=kept or None)


async def newest(js: JetStreamContext, stream: str, subject: str) -> bytes | None:
    try:
        return (await js.get_last_msg(stream, subject)).data
    except NotFoundError:
        return None


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def upgraded(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[RestInstance, JetStreamContext]]:
    async with nats_server() as server:
        client = await nats.connect(server.url)
        js = client.jetstream()
        await fill(js)
        async with rest_instances(tmp_path_factory.mktemp("upgraded"), 1, nats_url=server.url) as (instance,):
            yield instance, js
        await client.close()


async def test_what_the_new_version_needs_is_made_and_what_was_there_stays(
    upgraded: tuple[RestInstance, JetStreamContext],
) -> None:
    _, js = upgraded

    async def names() -> bool:
        return {*NEW_STREAMS, *OLD} <= {stream.config.name for stream in await js.streams_info()}

    assert not set(NEW_STREAMS) & set(OLD), "the older version had none of them"
    await eventually(names, 20.0, f"streams {NEW_STREAMS}")
    lasting = {name: stream for name, stream in OLD.items() if not stream["config"]["max_age"]}
    assert len(lasting) >= 7
    for name, stream in lasting.items():
        lost = [one["subject"] for one in stream["messages"] if not await newest(js, name, one["subject"])]
        assert lost == [], name


async def test_broadcasts_settings_tokens_and_subscribers_are_as_they_were(
    upgraded: tuple[RestInstance, JetStreamContext],
) -> None:
    instance, _ = upgraded
    async with instance.http() as http:

        async def get(path: str) -> Any:
            answer = await http.get(path)
            assert answer.status_code == 200, answer.text
            return answer.json()

        listed = await get(f"{ROOT}/list/0/10")
        assert [one["streamId"] for one in listed] == ["evening", "morning"]
        evening, morning = listed
        assert evening["webRTCViewerLimit"] == 200
        assert evening["encoderSettingsList"][0]["height"] == 360
        assert morning["plannedEndDate"] == 4102444800
        settings = await get("/rest/v2/applications/settings/live")
        assert (settings["webRTCViewerLimit"], settings["playTokenControlEnabled"]) == (500, True)
        assert settings["encoderSettings"][0]["height"] == 480
        assert (await get("/rest/v2/applications/settings/LiveApp"))["acceptOnlyStreamsInDataStore"] is True
        tokens = await get(f"{ROOT}/evening/tokens/list/0/10")
        assert sorted(one["type"] for one in tokens) == ["play", "publish"]
        for token in tokens:
            assert (await http.post(f"{ROOT}/validate-token", json=token)).json()["success"]
        shown = {one["subscriberId"]: one for one in await get(f"{ROOT}/evening/subscribers/list/0/10")}
        assert shown["viewer-7"]["concurrentConnectionsLimit"] == 3
        assert shown["viewer-8"]["blockedType"] == "publish_play"
        jwt = await get(f"{ROOT}/evening/jwt-token?expireDate=4102444800&type=play")
        assert jwt["tokenId"].count(".") == 2, "the secret is still there"


async def test_operators_sign_in_with_the_passwords_that_they_had(
    upgraded: tuple[RestInstance, JetStreamContext],
) -> None:
    instance, _ = upgraded
    async with instance.http() as http:
        users = {one["email"]: one for one in (await http.get("/rest/v2/user-list")).json()}
        assert {"admin", "ann@example.com", "bob@example.com"} <= users.keys()
        assert users["bob@example.com"]["appNameUserType"] == {"live": "USER"}
        body = {"email": "ann@example.com", "password": "correct horse battery"}
        answer = (await http.post("/rest/v2/users/authenticate", json=body)).json()
    assert (answer["success"], answer["message"]) == (True, "system/ADMIN")


async def test_what_is_changed_after_the_upgrade_is_kept_beside_what_was_there(
    upgraded: tuple[RestInstance, JetStreamContext],
) -> None:
    instance, _ = upgraded
    async with instance.http() as http:
        assert (await http.put(f"{ROOT}/morning", json={"name": "The new name"})).json()["success"]
        changed = (await http.get(f"{ROOT}/morning")).json()
        assert (changed["name"], changed["plannedEndDate"]) == ("The new name", 4102444800)
        assert (await http.post("/rest/v2/server-settings", json={"serverName": "live.example.com"})).json()["success"]
        assert (await http.get("/rest/v2/server-settings")).json()["serverName"] == "live.example.com"
