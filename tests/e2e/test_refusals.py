"""What clients hear when something is wrong, and that nobody else is disturbed."""

from __future__ import annotations

import pytest
from playwright.async_api import Error

from tests.e2e.browser import Strangers
from tests.e2e.cluster import Cluster

SDP = {"Content-Type": "application/sdp"}
OFFER = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n"


async def test_whep_of_an_unknown_stream_is_404(rillcast: Cluster, stream: str) -> None:
    answer = await rillcast.request("POST", rillcast.whep(stream), content=OFFER, headers=SDP)

    assert answer.status_code == 404
    assert stream in answer.text
    assert int(answer.headers["Retry-After"]) >= 1


async def test_an_unknown_app_is_404(rillcast: Cluster, stream: str) -> None:
    answer = await rillcast.request("POST", rillcast.whip(stream, app="Nowhere"), content=OFFER, headers=SDP)

    assert answer.status_code == 404
    assert "Nowhere" in answer.text


@pytest.mark.parametrize(
    "offer",
    [
        pytest.param("", id="empty"),
        pytest.param("hello", id="no_sdp"),
        pytest.param(OFFER, id="no_media"),
        pytest.param(OFFER + "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=rtpmap:oops\r\n", id="broken_rtpmap"),
        pytest.param(OFFER + "m=" * 9_000, id="long_line"),
    ],
)
async def test_a_malformed_offer_is_400(rillcast: Cluster, stream: str, offer: str) -> None:
    answer = await rillcast.request("POST", rillcast.whip(stream), content=offer, headers=SDP)

    assert answer.status_code == 400, answer.text
    assert answer.text
    assert "Traceback" not in answer.text
    assert await rillcast.stream(stream) is None


async def test_an_offer_of_another_type_is_415(rillcast: Cluster, stream: str) -> None:
    answer = await rillcast.request("POST", rillcast.whip(stream), content="{}", headers={"Content-Type": "text/json"})

    assert answer.status_code == 415


async def test_an_oversized_offer_is_413(rillcast: Cluster, stream: str) -> None:
    answer = await rillcast.request("POST", rillcast.whip(stream), content="v=0" + "x" * 400_000, headers=SDP)

    assert answer.status_code == 413


async def test_a_second_publisher_with_other_credentials_is_409(
    rillcast: Cluster, strangers: Strangers, stream: str
) -> None:
    async with strangers.open(camera=True) as publisher, strangers.open(camera=True) as intruder:
        await publisher.call("whipPublish", url=rillcast.whip(stream), token="one")
        await rillcast.live(stream)

        with pytest.raises(Error, match="status 409"):
            await intruder.call("whipPublish", url=rillcast.whip(stream), token="two")

        before = await publisher.observe()
        assert before.first is not None
        sent = before.first.frames_sent
        await publisher.until(lambda seen: seen.first and seen.first.frames_sent > sent + 20, "the first one goes on")
        assert (await rillcast.live(stream)).media_flowing
