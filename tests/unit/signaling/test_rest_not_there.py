"""What Ant Media does and this build does not: recordings, uploads, push notifications, segments. Never a success."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from services.signaling.metrics import NOT_SERVED
from tests.integration.signaling.recorded_answers import recorded
from tests.unit.signaling.signaling_harness import cluster

VODS = "/live/rest/v2/vods"
PUSH = "/live/rest/v2/push-notification"
THEIRS = {one.name: one for one in recorded()}
FILE = {"file": ("a.mp4", b"x" * 100, "video/mp4")}


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with cluster() as c, c.http() as client:
        yield client


def counted(table: str) -> float:
    value: float = NOT_SERVED.labels(table)._value.get()
    return value


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/list/0/10", []),
        ("/list/0/10?sort_by=date&order_by=asc&streamId=s1&search=x", []),
        ("/count", {"number": 0}),
        ("/count/tiny", {"number": 0}),
    ],
)
async def test_there_are_no_recordings(http: httpx.AsyncClient, path: str, body: object) -> None:
    answer = await http.get(VODS + path)
    assert (answer.status_code, answer.json()) == (200, body)


async def test_nothing_is_known_of_a_recording_and_none_is_deleted(http: httpx.AsyncClient) -> None:
    shown = await http.get(f"{VODS}/nope")
    assert (shown.status_code, list(shown.json().items())) == (200, list(THEIRS["vod-get-unknown"].json.items()))
    assert (await http.delete(f"{VODS}/nope")).json() == THEIRS["vod-del-unknown"].json
    assert (await http.delete(f"{VODS}?ids=a,b")).json() == THEIRS["vod-bulk-unknown"].json
    assert (await http.delete(f"{VODS}/?ids=")).json() == THEIRS["vod-bulk-none"].json


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("tiny.mp4", "tiny.mp4 was not taken"),
        ("TINY.MP4", "was not taken"),
        ("../../evil.webm", "was not taken"),
        ("x" * 5_000 + ".mp4", "was not taken"),
        ("a.exe", "notSupportedFileType"),
        ("mp4", "notSupportedFileType"),
        ("", "notSupportedFileType"),
    ],
)
async def test_no_file_is_taken(http: httpx.AsyncClient, name: str, words: str) -> None:
    before = counted("vod")
    answer = await http.post(f"{VODS}/create", params={"name": name}, files=FILE)
    assert (answer.status_code, answer.json()["success"], answer.json()["dataId"]) == (200, False, None)
    assert words in answer.json()["message"]
    assert len(answer.json()["message"]) < 400
    assert counted("vod") - before == (words != "notSupportedFileType")


@pytest.mark.parametrize("options", [{}, {"json": {"file": 1}}, {"content": b"x"}])
async def test_a_file_comes_in_a_form(http: httpx.AsyncClient, options: dict[str, Any]) -> None:
    answer = await http.post(f"{VODS}/create?name=a.mp4", **options)
    assert (answer.status_code, "multipart/form-data" in answer.text) == (415, True)


async def test_no_folder_of_the_server_is_read(http: httpx.AsyncClient, tmp_path: object) -> None:
    assert (await http.post(f"{VODS}/directory")).json() == THEIRS["vod-dir-none"].json
    there, nowhere = [
        (await http.post(f"{VODS}/directory", params={"directory": folder})).json()["message"]
        for folder in (str(tmp_path), "/nonexistent/dir")
    ]
    assert there.replace(str(tmp_path), "") == nowhere.replace("/nonexistent/dir", "")
    assert "nothing was imported" in there
    forgotten = await http.delete(f"{VODS}/directory?directory=/nonexistent/dir")
    assert forgotten.json() == THEIRS["vod-dir-del-missing"].json


@pytest.mark.parametrize("name", ["push-token-nosub", "push-subs-badmsg", "push-topic-bad"])
async def test_what_makes_no_sense_of_a_push_is_named_as_by_ant_media(http: httpx.AsyncClient, name: str) -> None:
    theirs = THEIRS[name]
    body = {"content": theirs.body} if isinstance(theirs.body, str) else {"json": theirs.body}
    options = body | {"headers": {"Content-Type": "application/json"}} if theirs.body is not None else {}
    answer = await http.request(theirs.method, theirs.path.replace("LiveApp", "live"), **options)
    assert (answer.status_code, answer.json()) == (200, theirs.json)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/subscriber-auth-token?subscriberId=u1&timeoutSeconds=60", None),
        ("GET", "/subscriber-auth-token?subscriberId=u1", None),
        ("POST", "/subscribers?serviceName=fcm", {"subscribers": ["u1"], "jsonMessage": '{"title":"x"}'}),
        ("POST", "/topics/news", {"title": "x"}),
    ],
)
async def test_nothing_is_pushed_to_phones(http: httpx.AsyncClient, method: str, path: str, body: object) -> None:
    before = counted("push_notification")
    answer = await http.request(method, PUSH + path, json=body)
    assert (answer.status_code, answer.json()["success"], answer.json()["dataId"]) == (200, False, "")
    assert "Push notifications aren't there" in answer.json()["message"]
    assert counted("push_notification") - before == 1


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "/live/chunked/s1/init.mp4"),
        ("PUT", "/live/hls-upload/s1.m3u8"),
        ("POST", "/live/hls-upload/s1.ts"),
        ("DELETE", "/live/hls-upload/s1.ts"),
        ("POST", "/live/rest/cluster-communication/publish-started-notification/s1?role=x"),
    ],
)
async def test_what_is_not_there_at_all_is_501_whatever_its_body_is(
    http: httpx.AsyncClient, method: str, path: str
) -> None:
    before = counted("broadcast")
    answer = await http.request(method, path, content=b"\0", headers={"Content-Type": "video/mp4"})
    assert (answer.status_code, answer.json()["success"]) == (501, False)
    assert counted("broadcast") - before == 1


async def test_the_history_of_a_stream_is_not_found_in_words(http: httpx.AsyncClient) -> None:
    before = counted("broadcast")
    answer = await http.get("/live/rest/v2/broadcasts/s1/metrics-history")
    assert (answer.status_code, "are not kept" in answer.text) == (404, True)
    assert counted("broadcast") - before == 1
