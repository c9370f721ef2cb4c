"""A page with Ant Media's SDK loses its signaling instance, or is loaded anew: it is known by the cookie that it got
with its socket, has its stream back at once, and its viewers keep their peer connection."""

from __future__ import annotations

import signal

import pytest

from services.signaling.core.domain.publisher_secret import COOKIE
from tests.e2e.browser import Observation, Stranger, Strangers
from tests.e2e.cluster import Cluster
from tests.e2e.instances import door, second_signaling

RELOADS = 3


async def is_back(publisher: Stranger, viewer: Stranger, before: Observation) -> Observation:
    """The publisher has its stream, was never refused it, and the viewer goes on with what it had `before`. What the
    publisher's page looks like then."""
    back = await publisher.until_heard("session_restored")
    assert refusals(back) == []
    seen = await viewer.until_frames_go_on()
    assert (seen.made, seen.heard_since(before, "play_finished")) == (before.made, False)
    assert seen.first is not None
    assert seen.first.state == "connected"
    return back


def refusals(seen: Observation) -> list[str]:
    """What the page was told that it may not; a socket that is gone is an error of another kind."""
    return [name for kind, name, _ in seen.events if kind == "error" and name != "WebSocketNotConnected"]


async def has_cookie(publisher: Stranger) -> bool:
    return COOKIE in {cookie["name"] for cookie in await publisher.page.context.cookies()}


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "drained"])
async def test_a_publisher_whose_signaling_instance_goes_has_its_stream_back_at_another(
    rillcast: Cluster, strangers: Strangers, stream: str, how: signal.Signals
) -> None:
    here = ("127.0.0.1", rillcast.first_port)
    places = [here]
    async with (
        second_signaling(rillcast) as second,
        door(places) as port,
        strangers.open(camera=True) as publisher,
        strangers.open() as viewer,
    ):
        places[:] = [("127.0.0.1", second.port)]
        await publisher.call("sdkPublish", url=f"ws://127.0.0.1:{port}/LiveApp/websocket", stream=stream)
        await publisher.until_heard("publish_started")
        assert await has_cookie(publisher)
        live = await rillcast.live(stream)
        await viewer.call("sdkPlay", url=rillcast.websocket(), stream=stream)
        watched = await viewer.until_watching()
        published = await publisher.observe()

        places[:] = [here]
        await second.end(how)

        back = await is_back(publisher, viewer, watched)
        assert back.made == published.made + 1, "the SDK has published once more, and no more often"
        assert (await rillcast.live(stream)).epoch == live.epoch, "the same origin goes on with the same sources"


async def test_a_publisher_restarts_ice_by_a_second_offer(rillcast: Cluster, strangers: Strangers, stream: str) -> None:
    async with strangers.open(camera=True) as publisher, strangers.open() as viewer:
        await publisher.call("sdkPublish", url=rillcast.websocket(), stream=stream)
        live = await rillcast.live(stream)
        await viewer.call("sdkPlay", url=rillcast.websocket(), stream=stream)
        watched = await viewer.until_watching()
        published = await publisher.observe()

        for _ in range(2):
            await publisher.call("sdkRestart", stream=stream)
            assert (await viewer.until_frames_go_on()).made == watched.made
        restarted = await publisher.observe()
        assert (restarted.made, refusals(restarted)) == (published.made, [])
        assert (await rillcast.live(stream)).epoch == live.epoch


async def test_a_page_that_is_loaded_anew_again_and_again_has_its_stream_each_time(
    rillcast: Cluster, strangers: Strangers, stream: str
) -> None:
    async with strangers.open(camera=True) as publisher, strangers.open() as viewer:
        await publisher.call("sdkPublish", url=rillcast.websocket(), stream=stream)
        live = await rillcast.live(stream)
        await viewer.call("sdkPlay", url=rillcast.websocket(), stream=stream)
        watched = await viewer.until_watching()

        for _ in range(RELOADS):
            await publisher.page.reload()
            await publisher.call("sdkPublish", url=rillcast.websocket(), stream=stream)
            await is_back(publisher, viewer, watched)
        assert (await rillcast.live(stream)).epoch == live.epoch
