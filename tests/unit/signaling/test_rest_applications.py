"""The settings of apps by REST: what is shown of them, which changes are taken, and how a wrong one is refused."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from rillcast.apps.patch import Patch
from rillcast.cluster.stream_directory import LiveStream
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import AppName, NodeId, SessionId, StreamId
from rillcast.contracts.messages import NodeReport
from rillcast.contracts.records import AppSettings
from rillcast.contracts.words import EndReason, NodeKind
from rillcast.testing.kv import FakeKeyValue
from services.signaling.core.domain.app_catalog import AppCatalog
from services.signaling.core.domain.broadcast_catalog import BroadcastCatalog
from services.signaling.core.domain.protection import HIDDEN
from services.signaling.core.domain.result import Result
from services.signaling.core.usecases.app_end import AppEnd, AppRecords
from services.signaling.core.usecases.app_store import AppStore
from services.signaling.rest.domain.refusal import BadInput
from services.signaling.rest.usecases.applications import Applications
from tests.unit.signaling.talk import Known
from tests.unit.signaling.two_instances import pair

LIVE = AppName("live")
SECRET = "s" * 32


class Published(Known):
    """Two streams of the app ``live``, and a viewer of every app."""

    def published(self, app: AppName, stream: StreamId) -> LiveStream | None:
        return self.live(app, stream)

    async def successor(
        self, app: AppName, stream: StreamId, session: SessionId, timeout_s: float
    ) -> LiveStream | None:
        return None


class NoOrigins:
    """Nobody to be asked."""

    async def close(self, session: SessionId, node: NodeId, reason: EndReason) -> bool:
        return False

    async def turn_away(self, node: NodeId, app: AppName, stream: StreamId) -> bool:
        return False

    def nodes(self, kind: NodeKind) -> dict[NodeId, NodeReport]:
        return {}

    def placeable(self, kind: NodeKind) -> dict[NodeId, NodeReport]:
        return {}


class Desk:
    """The use case, with a store in memory and two streams of the app ``live`` that one viewer watches."""

    def __init__(self) -> None:
        self.catalog = AppCatalog(["live", "b", "a"], {})
        self.bucket = FakeKeyValue("apps")
        known = Published()
        self.apps = Applications(
            self.catalog,
            AppStore(self.bucket, self.catalog),
            known,
            known,
            end=AppEnd(self.catalog, known, NoOrigins(), NoOrigins()),
            records=AppRecords([]),
            known=BroadcastCatalog(),
        )

    async def change(self, body: bytes, app: str = "live") -> Result:
        return await self.apps.change_settings(AppName(app), Patch[AppSettings].parse(body))


@pytest.fixture
def desk() -> Desk:
    return Desk()


async def test_apps_are_listed_by_name_with_their_streams_and_viewers(desk: Desk) -> None:
    listed = await desk.apps.list_all()
    assert [(app.app, app.streams, app.viewers) for app in listed] == [("a", 0, 1), ("b", 0, 1), ("live", 2, 1)]


async def test_the_list_says_what_everybody_may_do(desk: Desk) -> None:
    assert await desk.change(b'{"jwtStreamSecretKey": "%s", "playJwtControlEnabled": true}' % SECRET.encode())
    open_to = {app.app: [role.value for role in app.open_to] for app in await desk.apps.list_all()}
    assert open_to == {"a": ["publish", "play"], "b": ["publish", "play"], "live": ["publish"]}


async def test_a_change_counts_at_once_is_in_the_store_and_leaves_the_rest(desk: Desk) -> None:
    assert await desk.change(b'{"webRTCViewerLimit": 5}') == Result(success=True)
    assert await desk.change(b'{"playTokenControlEnabled": true}') == Result(success=True)

    settings = desk.catalog.settings(LIVE)
    assert settings is not None
    assert (settings.web_rtc_viewer_limit, settings.play_token_control_enabled) == (5, True)
    entry = await desk.bucket.get(LIVE)
    assert entry is not None
    assert entry.value is not None
    assert b'"webRTCViewerLimit":5' in entry.value
    other = desk.catalog.settings(AppName("a"))
    assert other is not None
    assert other.web_rtc_viewer_limit != 5


async def test_a_secret_is_never_shown_and_stays_when_its_cover_is_posted(desk: Desk) -> None:
    await desk.change(b'{"jwtStreamSecretKey": "%s"}' % SECRET.encode())
    shown = await desk.apps.settings(LIVE)
    assert SECRET not in repr(shown)
    assert HIDDEN in repr(shown)

    await desk.change(b'{"jwtStreamSecretKey": "%s"}' % HIDDEN.encode())

    settings = desk.catalog.settings(LIVE)
    assert settings is not None
    assert settings.jwt_stream_secret_key == SECRET


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (b'{"webRTCViewerLimit": "many"}', "webRTCViewerLimit"),
        (b'{"webRTCViewerLimit": 5, "mp4MuxingEnabled": true, "gopSize": 9}', "gopSize: .*; mp4MuxingEnabled: "),
        (b'{"encoderSettings": [{"height": 5, "videoBitrate": 1}]}', "5"),
        (b'{"encoderSettings": 1}', "encoderSettings"),
        (b'{"jwtStreamSecretKey": "short", "playJwtControlEnabled": true}', "32"),
        (b'{"remoteAllowedCIDR": "nonsense"}', "nonsense"),
    ],
)
async def test_a_change_that_makes_no_sense_is_refused_in_words_and_nothing_is_changed(
    desk: Desk, body: bytes, named: str
) -> None:
    before = desk.catalog.settings(LIVE)
    with pytest.raises(BadInput, match=named):
        await desk.change(body)
    assert desk.catalog.settings(LIVE) == before
    assert await desk.bucket.get(LIVE) is None


@pytest.mark.parametrize("app", ["none", "", "a b", "a/b", "..", "x" * 300, "\x00"])
async def test_an_app_that_does_not_exist_is_shown_as_nothing_and_cannot_be_changed(desk: Desk, app: str) -> None:
    assert await desk.apps.settings(AppName(app)) is None
    with pytest.raises(RillcastError, match="there is no app") as refused:
        await desk.change(b"{}", app)
    assert refused.value.code is ErrorCode.UNKNOWN_APP
    assert desk.bucket.writes == []


async def test_without_the_store_nothing_is_changed(desk: Desk) -> None:
    desk.bucket.available = False
    with pytest.raises(RillcastError) as refused:
        await desk.change(b'{"webRTCViewerLimit": 5}')
    assert refused.value.code is ErrorCode.STORE_UNAVAILABLE
    settings = desk.catalog.settings(LIVE)
    assert settings is not None
    assert settings.web_rtc_viewer_limit != 5


async def test_settings_that_are_posted_at_one_instance_hold_at_the_other_and_no_write_is_lost() -> None:
    path = "/rest/v2/applications/settings/live"
    bodies: list[dict[str, Any]] = [
        {"webRTCViewerLimit": 5},
        {"ingestingStreamLimit": 7},
        {"hlsTime": "4"},
        {"customSettings": {"a": 1}},
    ]
    async with pair() as both, both.at(1) as one, both.at(2) as two:
        answers = await asyncio.gather(
            *(http.post(path, json=body) for http, body in zip((one, two, one, two), bodies, strict=True))
        )
        refused = await two.post(path, json={"webRTCViewerLimit": 9, "mp4MuxingEnabled": True})
        await both.sees(lambda: both.service.core.apps.settings(LIVE) == both.other.core.apps.settings(LIVE))
        shown = [(await http.get(path)).json() for http in (one, two)]
    wanted = {key: value for body in bodies for key, value in body.items()}
    assert [answer.json()["success"] for answer in answers] == [True] * 4
    assert (refused.status_code, refused.json()["success"]) == (200, False)
    assert refused.json()["message"] == "mp4MuxingEnabled: this build records nothing"
    assert shown[0] == shown[1]
    assert {key: shown[0][key] for key in wanted} == wanted
