"""What players report: counted and logged, from anybody, up to a bound."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec
import pytest
from prometheus_client import REGISTRY

from rillcast.contracts import subjects
from rillcast.contracts.ids import AppName
from services.signaling import metrics
from services.signaling.core.domain.client_rate import TooOften
from services.signaling.operators.domain.rights import Caller
from services.signaling.rest.domain.player_reports import PlayerReport
from services.signaling.rest.usecases.player_reports import BURST, MOST_COUNTED_MS, MS_OF_A_FREEZE, PlayerReports
from tests.integration.signaling.recorded_answers import recorded
from tests.unit.signaling.fake_nodes import LIVE
from tests.unit.signaling.page_words import words_of
from tests.unit.signaling.signaling_harness import Cluster, cluster

PLAY, WATCHED = "/live/analytic/events/play", "/live/analytic/events/watch-time"
STARTED = {"streamId": "s1", "event": "playStarted", "protocol": "hls"}
DONE = next(one.json for one in recorded() if one.name == "h-analytic-play")


@pytest.fixture
async def c() -> AsyncIterator[Cluster]:
    async with cluster() as running:
        yield running


@pytest.fixture
async def player(c: Cluster) -> AsyncIterator[httpx.AsyncClient]:
    async with c.stranger(headers={"Origin": "https://tv.example"}) as client:
        yield client


def events(event: str, protocol: str) -> float:
    value: float = metrics.PLAYER_EVENTS.labels(event, protocol)._value.get()
    return value


@pytest.mark.parametrize(
    ("said", "event", "protocol"),
    [
        (STARTED, "play_started", "hls"),
        ({"streamId": "s1", "event": "PLAYENDED", "protocol": "WebRTC", "more": [1]}, "play_ended", "webrtc"),
        ({"streamId": "s1", "event": "playPaused", "protocol": "ll-hls"}, "play_paused", "ll_hls"),
        ({"streamId": "s1", "event": "made up", "subscriberId": None}, "other", "other"),
    ],
)
async def test_a_report_is_counted(player: httpx.AsyncClient, said: dict[str, Any], event: str, protocol: str) -> None:
    before = events(event, protocol)
    answer = await player.post(PLAY, json=said)
    assert (answer.status_code, answer.json()) == (200, DONE)
    assert answer.headers["access-control-allow-origin"] == "*"
    assert events(event, protocol) - before == 1


async def test_for_how_long_somebody_watched_is_added_up(player: httpx.AsyncClient) -> None:
    counter = metrics.PLAYER_WATCH_SECONDS.labels("dash")
    before = counter._value.get()
    for watched_ms, status in ((1_500, 200), (-1, 400), (10**12, 400), ("x", 400)):
        answer = await player.post(WATCHED, json={"streamId": "s1", "protocol": "dash", "watchTimeMs": watched_ms})
        assert answer.status_code == status
    assert counter._value.get() - before == 1.5


@pytest.mark.parametrize(
    ("said", "protocol", "counted"),
    [
        (321, "webrtc", 1),
        (0, "WebRTC", 1),
        (321, "hls", 0),
        (-1, "webrtc", 0),
        (10**9, "webrtc", 0),
        ("1", "webrtc", 0),
    ],
)
async def test_a_first_picture_is_counted_if_it_makes_sense(
    player: httpx.AsyncClient, said: object, protocol: str, counted: int
) -> None:
    def seen() -> float:
        return REGISTRY.get_sample_value("rillcast_signaling_player_first_frame_seconds_count") or 0.0

    before = seen()
    report = {"streamId": "s1", "event": "playStartedFirstTime", "protocol": protocol, "firstFrameMs": said}
    answer = await player.post(PLAY, json=report)
    assert answer.status_code == (200 if counted or protocol == "hls" else 400)
    assert seen() - before == counted


async def test_freezes_are_added_up(player: httpx.AsyncClient) -> None:
    before = metrics.PLAYER_FREEZES._value.get(), metrics.PLAYER_FROZEN_SECONDS._value.get()
    report = {"streamId": "s1", "protocol": "webrtc", "watchTimeMs": 60_000}
    for freezes, frozen_ms, status in ((2, 1_500, 200), (-1, 0, 400), (0, 10**12, 400), (10**6, 0, 400)):
        answer = await player.post(WATCHED, json=report | {"freezes": freezes, "frozenMs": frozen_ms})
        assert answer.status_code == status
    assert metrics.PLAYER_FREEZES._value.get() - before[0] == 2
    assert metrics.PLAYER_FROZEN_SECONDS._value.get() - before[1] == 1.5


async def test_a_report_that_says_more_than_can_be_is_counted_as_what_can_be(player: httpx.AsyncClient) -> None:
    def counted() -> tuple[float, float, float]:
        watched = metrics.PLAYER_WATCH_SECONDS.labels("webrtc")
        values = (watched, metrics.PLAYER_FREEZES, metrics.PLAYER_FROZEN_SECONDS)
        return tuple(one._value.get() for one in values)

    report = {"streamId": "s1", "protocol": "webrtc", "freezes": 10_000, "frozenMs": 86_400_000}
    before = counted()
    await player.post(WATCHED, json=report | {"watchTimeMs": 0})
    assert counted() == before
    await player.post(WATCHED, json=report | {"watchTimeMs": 86_400_000})
    grown = [now - was for now, was in zip(counted(), before, strict=True)]
    assert grown == [MOST_COUNTED_MS / 1_000, MOST_COUNTED_MS / MS_OF_A_FREEZE, MOST_COUNTED_MS / 1_000]


@pytest.mark.parametrize("stream", ["", "a b", "x" * 300])
async def test_a_report_names_a_stream(player: httpx.AsyncClient, stream: str) -> None:
    answer = await player.post(PLAY, json=STARTED | {"streamId": stream})
    assert answer.status_code in (200, 400)
    assert not (answer.status_code == 200 and answer.json()["success"])


async def test_pages_of_other_sites_may_ask_first(player: httpx.AsyncClient) -> None:
    answer = await player.options(PLAY, headers={"Access-Control-Request-Method": "POST"})
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, "*")
    assert "content-type" in answer.headers["access-control-allow-headers"]
    assert (await player.post("/none/analytic/events/play", json=STARTED)).status_code in (403, 404)


async def test_an_app_may_ask_reporters_for_what_its_rest_needs(c: Cluster, player: httpx.AsyncClient) -> None:
    value = msgspec.json.encode({"appName": "live", "secureAnalyticEndpoint": True})
    await c.host.buckets[subjects.BUCKET_APPS].put("live", value)
    await c.sees(lambda: c.settings_of(LIVE).secure_analytic_endpoint)
    answer = await player.post(PLAY, json=STARTED)
    assert (answer.status_code, words_of(answer)) == (403, "Not authenticated user")
    async with c.http() as operator:
        assert (await operator.post(PLAY, json=STARTED)).json() == DONE


async def test_one_address_reports_only_so_often_and_the_log_takes_only_so_much() -> None:
    now = 0.0
    reports = PlayerReports(lambda: now)
    report = PlayerReport(stream_id="s1", event="playStarted")
    unwritten = metrics.PLAYER_REPORTS_UNWRITTEN
    before = unwritten._value.get()
    for _ in range(int(BURST)):
        await reports.played(AppName("live"), Caller(address="192.0.2.1"), report)
    with pytest.raises(TooOften):
        await reports.played(AppName("live"), Caller(address="192.0.2.1"), report)
    assert unwritten._value.get() > before
    await reports.played(AppName("live"), Caller(address="192.0.2.2"), report)
    now = 60.0
    after = unwritten._value.get()
    await reports.played(AppName("live"), Caller(address="192.0.2.1"), report)
    assert unwritten._value.get() == after
