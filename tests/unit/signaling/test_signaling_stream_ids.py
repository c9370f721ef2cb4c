"""One rule of stream ids at every door: WebSocket, WHIP, WHEP, REST and the bus."""

from __future__ import annotations

import re
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest

from rillcast.contracts import subjects
from rillcast.contracts.errors import RillcastError
from rillcast.contracts.ids import StreamId, is_stream_id
from rillcast.contracts.messages import AdmitAnswer, AdmitRequest
from rillcast.contracts.words import Role
from services.signaling.core.domain.stream_name import valid_stream_id
from tests.unit.contracts.odd_stream_ids import ODD
from tests.unit.signaling.fake_nodes import LIVE, OFFER
from tests.unit.signaling.signaling_harness import Cluster, cluster

BAD = {
    ".": "'.' is a step in a path",
    "..": "'..' is a step in a path",
    "a b": "this one has ' '",
    "a/b": "this one has '/'",
    "s1\n": "this one has '\\n'",
    "s\u00e9": "this one has '\\xe9'",
    "x" * 256: "this one has 256 characters",
}
ROOT = "/live/rest/v2/broadcasts"


class Audit:
    """Python's own record of the files that are opened and the programs that are run. A hook can't be taken away, so
    there is one, and it is off as a rule."""

    seen: list[str] | None = None
    added = False

    @classmethod
    @contextmanager
    def on(cls) -> Iterator[list[str]]:
        """The steps of all paths, and all arguments of programs, until the end of the block."""
        if not cls.added:
            cls.added = True
            sys.addaudithook(cls._note)
        seen: list[str] = []
        cls.seen = seen
        try:
            yield seen
        finally:
            cls.seen = None

    @classmethod
    def _note(cls, event: str, arguments: tuple[object, ...]) -> None:
        if cls.seen is not None and event.partition(".")[0] in {"open", "os", "subprocess", "shutil", "tempfile"}:
            cls.seen += re.split(r"[/'\", ]+", str(arguments))


@pytest.fixture
async def c() -> AsyncIterator[Cluster]:
    async with cluster() as running:
        yield running


@pytest.mark.parametrize(("stream", "fault"), BAD.items())
def test_an_impossible_id_is_refused_with_what_is_wrong_about_it(stream: str, fault: str) -> None:
    assert not is_stream_id(stream)
    with pytest.raises(RillcastError, match="a stream id has 1 to 255") as refusal:
        valid_stream_id(stream)
    assert fault in refusal.value.message


@pytest.mark.parametrize("stream", ODD)
async def test_ids_that_begin_and_end_oddly_go_through_all_doors_and_into_no_file(c: Cluster, stream: str) -> None:
    assert valid_stream_id(stream) == stream
    with Audit.on() as seen:
        async with c.http() as http:
            created = await http.post(f"{ROOT}/create", json={"streamId": stream, "webRTCViewerLimit": 7})
            changed = await http.put(f"{ROOT}/{stream}", json={"webRTCViewerLimit": 8})
            found = await http.get(f"{ROOT}/{stream}")
            subscriber = {"subscriberId": "alice", "b32Secret": "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"}
            added = await http.post(f"{ROOT}/{stream}/subscribers", json=subscriber)
            coded = await http.get(f"{ROOT}/{stream}/subscribers/alice/totp?type=play")
        assert created.json()["streamId"] == stream
        assert changed.json()["success"] is added.json()["success"] is coded.json()["success"] is True
        assert (found.json()["streamId"], found.json()["webRTCViewerLimit"]) == (stream, 8)

        async with c.client() as client:
            assert (await client.ask("play", streamId=stream))["streamId"] == stream
            await client.publish(c, stream)
        assert c.origin.published[-1].stream == stream

        await c.go_live(stream)
        sdp = {"Content-Type": "application/sdp"}
        async with c.stranger() as http:
            for role in ("whip", "whep"):
                opened = await http.post(f"/live/{role}/{stream}", content=OFFER, headers=sdp)
                assert opened.status_code == 201, opened.text
                assert opened.headers["location"].startswith(f"/live/{role}/{stream}/")
                asked = c.origin.published[-1] if role == "whip" else c.played[-1].subscriptions[0]
                assert asked.stream == stream
                assert (await http.delete(opened.headers["location"])).status_code == 200
        async with c.http() as http:
            deleted = await http.delete(f"{ROOT}/{stream}")
        assert deleted.json()["success"] is True
    assert stream not in seen


def test_the_audit_sees_the_names_of_files(tmp_path: Path) -> None:
    """Unit tests start no program: the whole suite watches that."""
    with Audit.on() as seen:
        (tmp_path / "--help").touch()
        (tmp_path / "-rf").mkdir()
    assert {"--help", "-rf"} <= set(seen)


@pytest.mark.parametrize("stream", BAD)
async def test_websocket_clients_are_told_as_ant_media_tells_them(c: Cluster, stream: str) -> None:
    async with c.client() as client:
        for command in ("publish", "play", "stop", "getStreamInfo"):
            told = await client.ask(command, streamId=stream)
            assert told == {"command": "error", "definition": "invalidStreamName", "streamId": stream[:255]}


@pytest.mark.parametrize("role", ["whip", "whep"])
@pytest.mark.parametrize(("stream", "fault"), [(stream, fault) for stream, fault in BAD.items() if "/" not in stream])
async def test_whip_and_whep_clients_are_told(c: Cluster, role: str, stream: str, fault: str) -> None:
    path = f"/live/{role}/{quote(stream).replace('.', '%2E')}"
    async with c.http() as http:
        refused = await http.post(path, content=OFFER, headers={"Content-Type": "application/sdp"})

    assert (refused.status_code, fault in refused.text) == (400, True), refused.text


async def test_blanks_around_the_id_of_a_new_broadcast_are_cut_as_ant_media_does(c: Cluster) -> None:
    root = "/live/rest/v2/broadcasts"
    async with c.http() as http:
        created = await http.post(f"{root}/create", json={"streamId": " s1\n"})
        found = await http.get(f"{root}/s1%0A")
    assert (created.status_code, created.json()["streamId"], found.status_code) == (200, "s1", 404)


@pytest.mark.parametrize("stream", [stream for stream in BAD if stream == stream.strip()])
async def test_no_such_broadcast_is_created_found_or_changed(c: Cluster, stream: str) -> None:
    root = "/live/rest/v2/broadcasts"
    one = f"{root}/{quote(stream, safe='').replace('.', '%2E')}"
    async with c.http() as http:
        created = await http.post(f"{root}/create", json={"streamId": stream})
        found = [await http.get(one), await http.put(one, json={}), await http.delete(one)]
        listed = await http.get(f"{root}/list/0/10")

    assert (created.status_code, created.json()["message"]) == (400, "Stream id is not valid.")
    assert not any(answer.status_code == 200 and answer.json().get("success") for answer in found)
    assert listed.json() == []


@pytest.mark.parametrize(("stream", "fault"), BAD.items())
async def test_nodes_that_ask_for_a_client_are_told(c: Cluster, stream: str, fault: str) -> None:
    request = AdmitRequest(role=Role.PUBLISH, app=LIVE, stream=StreamId(stream))
    with pytest.raises(RillcastError) as refusal:
        await c.origin.bus.request(subjects.SIGNALING_ADMIT, request, AdmitAnswer)

    assert refusal.value.code == "invalidStreamName"
    assert fault in refusal.value.message
