"""`GET /rillcast/v1/apps/{app}/streams/{stream}/preview`: a picture, or why there is none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import NodeId, StreamId
from rillcast.contracts.messages import NodeLoad, NodeReport, NoPreview, PreviewAnswer, PreviewRequest
from rillcast.contracts.subjects import transcoder_preview
from rillcast.contracts.words import NodeKind
from rillcast.testing.bus import FakeBus
from services.signaling.rest.usecases import previews
from services.signaling.rest.usecases.previews import Previews
from tests.unit.signaling.fake_nodes import LIVE, info
from tests.unit.signaling.operator_sessions import add_user, sign_in
from tests.unit.signaling.signaling_harness import Cluster, cluster

PATH = "/rillcast/v1/apps/live/streams/s1/preview"
JPEG = b"\xff\xd8 a picture"


class FakeTranscoder:
    """One that answers what it is told to."""

    def __init__(self, c: Cluster, name: str) -> None:
        self.name = NodeId(name)
        self.bus = FakeBus(c.broker)
        self.asked: list[PreviewRequest] = []
        self.answer = PreviewAnswer(picture=JPEG, width=320, height=180, taken_ms=1)
        self.refusal: RillcastError | None = None
        c.host.directory.heard(NodeReport(info=info(self.name, NodeKind.TRANSCODER), load=NodeLoad(), ready=True))

    async def start(self) -> FakeTranscoder:
        await self.bus.serve(transcoder_preview(self.name), PreviewRequest, self._preview)
        return self

    async def _preview(self, request: PreviewRequest) -> PreviewAnswer:
        self.asked.append(request)
        await asyncio.sleep(0.01)
        if self.refusal is not None:
            raise self.refusal
        return self.answer


@pytest.fixture
async def c() -> AsyncIterator[Cluster]:
    async with cluster() as running:
        await running.go_live()
        yield running


async def test_a_picture_comes_with_an_etag_and_only_once(c: Cluster) -> None:
    transcoder = await FakeTranscoder(c, "transcoder-1").start()
    async with c.http() as http:
        first = await http.get(PATH)
        again = await http.get(PATH, headers={"If-None-Match": first.headers["etag"]})
        head = await http.head(PATH)
    assert (first.status_code, first.content) == (200, JPEG)
    assert first.headers["content-type"] == "image/jpeg"
    assert first.headers["cache-control"] == "private, max-age=5"
    assert (again.status_code, again.content) == (304, b"")
    assert (head.status_code, head.headers["etag"]) == (200, first.headers["etag"])
    assert len(transcoder.asked) == 1


async def test_all_who_ask_at_once_share_one_question(c: Cluster) -> None:
    transcoder = await FakeTranscoder(c, "transcoder-1").start()
    async with c.http() as http:
        answers = await asyncio.gather(*(http.get(PATH) for _ in range(30)))
    assert {answer.status_code for answer in answers} == {200}
    assert len(transcoder.asked) == 1


@pytest.mark.parametrize("why", list(NoPreview))
async def test_where_there_is_none_it_is_said_why(c: Cluster, why: NoPreview) -> None:
    transcoder = await FakeTranscoder(c, "transcoder-1").start()
    transcoder.answer = PreviewAnswer(why=why, codec="H263")
    async with c.http() as http:
        answer = await http.get(PATH)
        assert (await http.get(PATH)).json() == answer.json()
    assert answer.status_code in (404, 422, 500, 503)
    assert answer.json()["success"] is False
    assert len(answer.json()["message"]) > 15
    assert answer.headers["cache-control"] == "no-store"
    assert len(transcoder.asked) == 1, "a refusal is kept for a moment"


async def test_without_a_transcoder_it_is_said_so(c: Cluster) -> None:
    async with c.http() as http:
        answer = await http.get(PATH)
    assert answer.status_code == 503
    assert "no transcoder is there" in answer.json()["message"]
    assert answer.headers["retry-after"] == "10"


async def test_what_is_not_live_or_no_stream_at_all_is_not_found(c: Cluster) -> None:
    transcoder = await FakeTranscoder(c, "transcoder-1").start()
    async with c.http() as http:
        for where in ("live/streams/nobody", "live/streams/%3Cb%3E", f"live/streams/{'a' * 300}", "none/streams/s1"):
            answer = await http.get(f"/rillcast/v1/apps/{where}/preview")
            assert answer.status_code == 404, where
    assert transcoder.asked == []


async def test_words_of_a_query_that_nobody_reads_are_refused(c: Cluster) -> None:
    transcoder = await FakeTranscoder(c, "transcoder-1").start()
    async with c.http() as http:
        answer = await http.get(PATH, params={"width": "640"})
    assert answer.status_code == 400
    assert "query" in answer.json()["message"]
    assert transcoder.asked == []


async def test_another_transcoder_is_asked_when_the_first_one_refuses(c: Cluster) -> None:
    nodes = [await FakeTranscoder(c, f"transcoder-{number}").start() for number in range(5)]
    async with c.http() as http:
        for node in nodes:
            node.refusal = RillcastError(ErrorCode.HIGH_RESOURCE_USAGE, "busy", 2.0)
        refused = await http.get(PATH)
        asked = [node for node in nodes if node.asked]
        assert (refused.status_code, len(asked)) == (503, previews.TRANSCODERS)
        assert refused.json()["message"] == "busy"


async def test_each_instance_asks_the_same_transcoder_first() -> None:
    names = [NodeId(f"transcoder-{number}") for number in range(9)]
    reports = {name: NodeReport(info=info(name, NodeKind.TRANSCODER), load=NodeLoad(), ready=True) for name in names}
    for stream in ("s1", "s2", "s3", "s4"):
        orders = {
            tuple(previews._in_order(dict(sorted(reports.items(), reverse=flip)), stream)) for flip in (True, False)
        }
        assert len(orders) == 1
    firsts = {previews._in_order(reports, f"s{number}")[0] for number in range(200)}
    assert len(firsts) == 9


async def test_who_may_not_read_the_app_sees_nothing(c: Cluster) -> None:
    await FakeTranscoder(c, "transcoder-1").start()
    async with c.http() as http:
        await add_user(http, "eve", scope="LiveApp", userType="ADMIN", appNameUserType={"LiveApp": "ADMIN"})
        await add_user(http, "bob", scope="live", userType="READ_ONLY", appNameUserType={"live": "READ_ONLY"})
    async with c.stranger() as stranger:
        assert (await stranger.get(PATH)).status_code == 403
    async with sign_in(c, "eve") as operator:
        assert (await operator.get(PATH)).status_code == 403
    async with sign_in(c, "bob") as operator:
        assert (await operator.get(PATH)).status_code == 200


async def test_what_is_kept_and_asked_has_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(previews, "MOST_KEPT", 3)
    monkeypatch.setattr(previews, "MOST_WANTED", 4)
    held = asyncio.Event()

    async def ask(_: NodeId, __: PreviewRequest) -> PreviewAnswer:
        await held.wait()
        return PreviewAnswer(picture=JPEG)

    node = NodeReport(info=info("transcoder-1", NodeKind.TRANSCODER), load=NodeLoad(), ready=True)
    known = Previews(lambda _: {node.info.node: node}, lambda *_: object(), ask, lambda: 0.0)
    asking = [asyncio.create_task(known.picture(LIVE, StreamId(f"s{number}"))) for number in range(4)]
    await asyncio.sleep(0)
    with pytest.raises(RillcastError, match="too many pictures"):
        await known.picture(LIVE, StreamId("one-more"))
    held.set()
    await asyncio.gather(*asking)
    assert (len(known._kept), len(known._asking)) == (3, 0)
