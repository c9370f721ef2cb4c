"""Each thing that a cluster does for its clients is one trace: one root, no span without its parent, an error where it
fails, and no secret. A real collector in this process takes what the nodes send."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Collection, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass

import pytest
import pytest_asyncio

from rillcast.testing.eventually import eventually
from rillcast.testing.otlp import OtlpReceiver, OtlpSpan, otlp_receiver
from rillcast.testing.receiver import Receiver, receiver
from tests.e2e.browser import Strangers
from tests.e2e.cluster import CONDITION_TIMEOUT_S, Cluster, cluster, edge_with_media_port, process_of, until
from tests.e2e.load import publishing, viewers
from tests.e2e.test_command_line import rillcast_
from tests.e2e.test_drains import drain

RUNGS = [{"height": 120, "videoBitrate": 200_000}]
SECRET = "A-SECRET-TOKEN"
PUBLISHED = ("signaling.publish", "origin.publish", "origin.connect", "origin.first_media")
PLAYED = ("signaling.play", "edge.relay_open", "client.answer", "signaling.accept", "edge.connect", "edge.first_packet")
FIRST_FRAME = "client.first_frame"
DRAINED = ("node.drain", "process session.changed", "move play", "edge.play", "edge.first_packet")
MOVED = ("node.drain", "move publish", "signaling.move", "origin.move_in", "origin.first_media")
FAILED_OVER = ("move play", "signaling.play", "edge.play", "edge.connect", "edge.first_packet")
SIGNALING, ORIGIN, EDGE = "rillcast-signaling", "rillcast-origin", "rillcast-edge"


@dataclass(frozen=True)
class Watched:
    """A cluster whose spans are collected."""

    cluster: Cluster
    collector: OtlpReceiver
    hook: Receiver

    async def trace(
        self,
        root: str,
        services: Collection[str],
        fits: Callable[[OtlpSpan], object],
        parts: Collection[str] = (),
    ) -> list[OtlpSpan]:
        """The newest trace with such a root, once it is whole and has these parts."""

        def look() -> list[OtlpSpan] | None:
            for spans in reversed(list(self.collector.traces().values())):
                roots = [span for span in spans if not span.parent]
                if roots and roots[0].name == root and fits(roots[0]):
                    there = set(services) <= {s.service for s in spans} and named(spans, *parts)
                    return spans if there and not faults(spans) else None
            return None

        def whole() -> list[OtlpSpan]:
            found = look()
            assert found is not None, self.seen(root)
            return found

        return await eventually(whole, CONDITION_TIMEOUT_S, f"a whole trace of {root}")

    def seen(self, root: str) -> str:
        """For a failure: what there is."""
        found = [spans for spans in self.collector.traces().values() if any(span.name == root for span in spans)]
        told = ([f"{span.instance} {span.name} {span.error}" for span in spans] for spans in found[-3:])
        return "\n".join(f"{faults(spans)} {names}" for spans, names in zip(found[-3:], told, strict=True))


def faults(spans: Iterable[OtlpSpan]) -> list[str]:
    """What a whole trace has not: several roots, spans whose parent has not ended or was never made."""
    spans = list(spans)
    ids = {span.span for span in spans}
    roots = [span.name for span in spans if not span.parent]
    lost = [f"{span.name} without its parent" for span in spans if span.parent and span.parent not in ids]
    return [*lost, *([] if len(roots) == 1 else [f"roots: {roots}"])]


def of(stream: str) -> Callable[[OtlpSpan], bool]:
    return lambda root: root.attributes.get("rillcast.stream") == stream


def at(node: str) -> Callable[[OtlpSpan], bool]:
    return lambda root: root.attributes["rillcast.node"] == node


def named(spans: Iterable[OtlpSpan], *names: str) -> bool:
    return set(names) <= {span.name for span in spans}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def watched(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Watched]:
    """Two origins and two edges; an app with a ladder and a webhook, and one that asks for tokens."""
    folder = tmp_path_factory.mktemp("traced")
    async with AsyncExitStack() as stack:
        collector = await stack.enter_async_context(otlp_receiver())
        hook = await stack.enter_async_context(receiver())
        apps = {
            "LiveApp": {},
            "told": {"listenerHookURL": hook.url, "encoderSettings": RUNGS, "webhookRetryCount": 5},
            "closed": {"playTokenControlEnabled": True},
        }
        (folder / "apps.json").write_text(json.dumps(apps))
        settings = {
            "RILLCAST_OTLP_ENDPOINT": collector.url,
            "RILLCAST_SIGNALING_APPS_FILE": str(folder / "apps.json"),
            "RILLCAST_LOG_FORMAT": "json",
        }
        running = await stack.enter_async_context(cluster(folder, edges=2, origins=2, settings=settings))
        yield Watched(running, collector, hook)
        assert running.tracebacks() == []


async def test_a_publisher_and_a_viewer_by_websocket(watched: Watched, strangers: Strangers, stream: str) -> None:
    own = watched.cluster
    async with strangers.open(camera=True) as publisher, strangers.open() as viewer:
        await publisher.call("sdkPublish", url=own.websocket(), stream=stream)
        await own.live(stream)
        published = await watched.trace("publish", {SIGNALING, ORIGIN}, of(stream), PUBLISHED)
        assert published[0].attributes["rillcast.door"] == "websocket"
        assert [span for span in published if span.error] == []

        await viewer.call("sdkPlay", url=own.websocket(), stream=stream)
        await viewer.until_watching()
        played = await watched.trace("play", {SIGNALING, ORIGIN, EDGE}, of(stream), PLAYED)
        assert [span for span in played if span.error] == []
        assert (played[0].attributes["rillcast.until"], named(played, FIRST_FRAME)) == ("first_packet", False)


async def test_the_join_of_a_page_that_tells_of_its_first_picture_ends_with_that(
    watched: Watched, strangers: Strangers, stream: str
) -> None:
    own = watched.cluster
    async with strangers.open(camera=True) as publisher:
        await publisher.call("sdkPublish", url=own.websocket(), stream=stream)
        await own.live(stream)
        async with strangers.open(url=f"{own.base}/LiveApp/watch.html?id={stream}") as viewer:
            await viewer.page.wait_for_selector("body[data-state=live]")
            played = await watched.trace("play", {SIGNALING, EDGE}, of(stream), (*PLAYED, FIRST_FRAME))
            shown = await rillcast_(own, "trace", stream, "--name", "play")
    root, (picture,) = played[0], [span for span in played if span.name == FIRST_FRAME]
    assert root.attributes["rillcast.until"] == "first_frame"
    assert picture.parent == root.span
    assert picture.ended_ns == max(span.ended_ns for span in played if span.service == SIGNALING)
    assert "rillcast.corrected" not in picture.attributes
    assert "until=first_frame" in shown.out
    assert FIRST_FRAME in shown.out


async def test_a_publisher_by_whip_and_a_viewer_by_whep(watched: Watched, stream: str) -> None:
    own = watched.cluster
    async with publishing(own.whip(""), "--stream", stream):
        await own.live(stream)
        published = await watched.trace("publish", {SIGNALING, ORIGIN}, of(stream))
        assert published[0].attributes["rillcast.door"] == "whip"
        async with viewers(own.whep(stream), 1):
            played = await watched.trace("play", {SIGNALING, EDGE}, of(stream), ("edge.connect", "edge.first_packet"))
            assert played[0].attributes["rillcast.door"] == "whep"
            sent = next(span for span in played if span.name == "request edge.play")
            assert sent.attributes["messaging.system"] == "nats"
            assert sent.attributes["messaging.destination.template"] == "rc.v1.edge.play.{node}"


async def test_a_viewer_that_is_refused_fails_and_its_token_is_nowhere(watched: Watched, stream: str) -> None:
    own = watched.cluster
    url = own.whep(stream, app="closed")
    refused = await own.request(
        "POST",
        f"{url}?token={SECRET}",
        content=f"v=0\r\ns={SECRET}\r\n",
        headers={"Content-Type": "application/sdp", "Authorization": f"Bearer {SECRET}"},
    )
    assert refused.status_code in {401, 403}
    (root,) = await watched.trace("play", {SIGNALING}, of(stream))
    assert root.error == "unauthorized_access"
    assert SECRET.encode() not in watched.collector.raw


async def test_a_drained_edge_sends_its_viewer_on(watched: Watched, strangers: Strangers, stream: str) -> None:
    own = watched.cluster
    async with strangers.open(camera=True) as publisher, strangers.open() as viewer:
        await publisher.call("sdkPublish", url=own.websocket(), stream=stream)
        await own.live(stream)
        await viewer.call("sdkPlay", url=own.websocket(), stream=stream)
        first = (await viewer.until_watching()).first
        assert first is not None
        edge = edge_with_media_port(own, first.port)
        try:
            assert (await drain(own, edge, "--deadline", "40"))[0] == 0
            drained = await watched.trace("drain", {SIGNALING, EDGE}, at(edge), DRAINED)
            moved = next(span for span in drained if span.name == "move play")
            assert moved.attributes["rillcast.stream"] == stream
            assert len({span.instance for span in drained if span.service == EDGE}) == 2
            assert [(span.name, span.error) for span in drained if span.error] == []
        finally:
            await drain(own, edge, "--undo")


async def test_a_drained_origin_moves_its_publisher(watched: Watched, strangers: Strangers, stream: str) -> None:
    own = watched.cluster
    async with strangers.open(camera=True) as publisher:
        await publisher.call("sdkPublish", url=own.websocket(), stream=stream)
        origin = (await own.live(stream)).origin
        try:
            assert (await drain(own, origin, "--deadline", "40"))[0] == 0
            moved = await watched.trace("drain", {SIGNALING, ORIGIN}, at(origin), MOVED)
            assert len({span.instance for span in moved if span.service == ORIGIN}) == 2
        finally:
            await drain(own, origin, "--undo")


async def test_an_edge_that_is_killed_is_one_trace_with_the_moves_of_its_viewers(
    watched: Watched, strangers: Strangers, stream: str
) -> None:
    own = watched.cluster
    async with strangers.open(camera=True) as publisher, strangers.open() as viewer:
        await publisher.call("sdkPublish", url=own.websocket(), stream=stream)
        await own.live(stream)
        await viewer.call("sdkPlay", url=own.websocket(), stream=stream)
        first = (await viewer.until_watching()).first
        assert first is not None
        edge = edge_with_media_port(own, first.port)
        await own.another_is_ready(edge)
        process_of(own, edge).kill()
        await watched.trace("signaling.node_gone", {SIGNALING, EDGE}, at(edge), FAILED_OVER)
        shown = await rillcast_(own, "trace", stream, "--name", "node_gone")
        assert shown.code == 0, shown.err
        assert "move play" in shown.out


async def test_a_ladder_that_starts_and_a_webhook_that_is_told(watched: Watched, stream: str) -> None:
    own, hook = watched.cluster, watched.hook
    hook.statuses = [503]
    async with publishing(own.whip("", app="told"), "--stream", stream):
        await own.live(stream)
        ladder = await watched.trace("transcoder.ladder_start", {"rillcast-transcoder"}, of(stream))
        assert ladder[0].attributes["rillcast.tracks"] == "1"
        told = await watched.trace("webhook", {SIGNALING}, lambda root: of(stream)(root) and not root.error)
        failed = await watched.trace("webhook", {SIGNALING}, lambda root: of(stream)(root) and root.error)
    assert [span.name for span in told] == ["webhook", "POST"]
    assert told[0].attributes["rillcast.event"] == "liveStreamStarted"
    assert told[1].attributes["http.response.status_code"] == "200"
    assert [span.error for span in failed] == ["not_taken", "503"]
    assert "server.address" in failed[1].attributes


async def test_the_command_shows_the_tree_of_a_session_and_its_log_lines_have_the_ids(
    watched: Watched, stream: str
) -> None:
    own = watched.cluster
    async with publishing(own.whip(""), "--stream", stream):
        await own.live(stream)
        root, *_ = await watched.trace("publish", {SIGNALING, ORIGIN}, of(stream))
    session = root.attributes["rillcast.session"]
    shown = await rillcast_(own, "trace", session)
    assert shown.code == 0, shown.err
    for words in (
        "publish",
        "request origin.publish",
        "origin.first_media",
        f"LiveApp/{stream}",
        "where the time went",
    ):
        assert words in shown.out
    (trace,) = (await rillcast_(own, "trace", root.trace, "--json")).json()["traces"]
    assert (trace["trace"], trace["whole"], trace["error"]) == (root.trace, True, "")
    nothing = await rillcast_(own, "trace", "no-such-stream")
    assert nothing.code == 1
    assert "no such trace is in memory" in nothing.err


async def test_joins_go_on_while_the_collector_stalls(watched: Watched, stream: str) -> None:
    own, collector = watched.cluster, watched.collector
    collector.answers.clear()
    try:
        async with publishing(own.whip(""), "--stream", stream):
            await own.live(stream)
            async with viewers(own.whep(stream), 5):
                await until(lambda: own.stream(stream), lambda entry: entry and entry.viewers == 5, "five viewers")
    finally:
        collector.answers.set()
