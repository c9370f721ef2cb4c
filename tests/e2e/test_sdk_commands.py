"""Every command of Ant Media's SDK, unmodified: its callbacks get what they expect, or what is wrong."""

from __future__ import annotations

import json
from typing import Any

from tests.e2e.browser import Stranger, Strangers
from tests.e2e.cluster import Cluster, until

Told = list[tuple[str, str, Any]]
ANSWERED = {
    "streamInformation",
    "broadcastObject",
    "trackList",
    "subtrackList",
    "subtrackCount",
    "subscriberCount",
    "subscriberList",
    "debugInfo",
}
REFUSED = {
    "conference_rooms_not_supported": 6,
    "no_active_streams_in_room": 1,
    "peer_to_peer_not_supported": 2,
    "no_peer_associated_before": 1,
    "unauthorized_access": 1,
    "track_not_found": 3,
    "noStreamNameSpecified": 3,
}
"""How often each error is to come: the last ones for push notifications, which their SDK sends without a stream."""
OF_ITSELF = {"pong", "initialized", "browser_screen_share_supported"}
"""What the SDK says besides."""
PUSH = {"registerPushNotificationToken": 1, "sendPushNotification": 2}


async def told(page: Stranger, enough: int) -> Told:
    """What the callbacks got, once there is so much of it."""

    async def look() -> Told:
        said: Told = await page.page.evaluate("window.told")
        return [one for one in said if one[1] not in OF_ITSELF]

    return await until(look, lambda said: len(said) >= enough, f"{enough} callbacks")


async def test_every_question_is_answered_and_what_is_not_there_is_refused(
    rillcast: Cluster, strangers: Strangers, stream: str
) -> None:
    async with strangers.open(camera=True) as publisher, strangers.open() as asker:
        await publisher.call("sdkPublish", url=rillcast.websocket(), stream=stream)
        await publisher.until_heard("publish_started")
        await rillcast.live(stream)
        await asker.call("sdkAsks", url=rillcast.websocket(), stream=stream)
        said = await told(asker, len(ANSWERED) + sum(REFUSED.values()) + sum(PUSH.values()))

    infos = {name: detail for kind, name, detail in said if kind == "info"}
    errors = [name for kind, name, _ in said if kind == "error"]
    assert infos.keys() == ANSWERED | PUSH.keys()
    assert {name: errors.count(name) for name in errors} == REFUSED
    (rendition,) = infos["streamInformation"]["streamInfo"]
    assert (rendition["streamWidth"], rendition["streamHeight"]) == (640, 360)
    broadcast = json.loads(infos["broadcastObject"]["broadcast"])
    assert (broadcast["streamId"], broadcast["status"], broadcast["subTrackStreamIds"]) == (stream, "broadcasting", [])
    assert infos["trackList"]["trackList"] == [stream]
    assert (infos["subtrackList"]["subtrackList"], infos["subtrackCount"]["count"]) == ([], 0)
    assert (infos["subscriberCount"]["count"], infos["subscriberList"]["subscriberList"]) == (0, [])
    assert json.loads(infos["debugInfo"]["debugInfo"])["streamId"] == stream
    assert all(infos[name]["success"] is False and infos[name]["information"] for name in PUSH)


async def test_a_participant_of_a_room_hears_that_there_is_none(
    rillcast: Cluster, strangers: Strangers, stream: str
) -> None:
    async with strangers.open(camera=True) as participant:
        await participant.call("sdkPublishInRoom", url=rillcast.websocket(), stream=stream)
        heard = await participant.until_heard("conference_rooms_not_supported")

        assert ("error", "conference_rooms_not_supported") in [event[:2] for event in heard.events]
        assert not heard.heard("publish_started")
        assert await rillcast.stream(stream) is None


async def test_a_publisher_changes_its_meta_data(rillcast: Cluster, strangers: Strangers, stream: str) -> None:
    async with strangers.open(camera=True) as publisher:
        await publisher.call("sdkPublish", url=rillcast.websocket(), stream=stream)
        await publisher.until_heard("publish_started")
        await publisher.page.evaluate("(stream) => adaptor.updateStreamMetaData(stream, 'a new mood')", stream)

        async def shown() -> Any:
            return (await rillcast.request("GET", f"{rillcast.base}/LiveApp/rest/v2/broadcasts/{stream}")).json()

        await until(shown, lambda seen: seen["metaData"] == "a new mood", "REST shows it")
