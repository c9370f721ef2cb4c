"""Who may look and not change sees no credentials in addresses, whatever setting they are in."""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec
import pytest

from rillcast.contracts.records import AppSettings
from rillcast.runtime.urls import origin_of
from services.signaling.core.domain.protection import HIDDEN
from services.signaling.core.domain.setting_table import SETTINGS, Effect, Kind
from services.signaling.core.domain.stream_info import Broadcast
from services.signaling.rest.domain.settings_shapes import AllSettings
from services.signaling.rest.domain.veil import veiled
from tests.unit.signaling.operator_sessions import add_user, sign_in
from tests.unit.signaling.signaling_harness import Cluster, cluster

WORD = "hunter2-and-more"
ADDRESSES = [
    f"https://ada:{WORD}@hooks.example/events",
    f"https://{WORD}@hooks.example",
    f"https://hooks.example/events?token={WORD}",
    f"https://hooks.example/services/{WORD}",
    f"https://hooks.example:8443/#{WORD}",
    f"rtsp://ada:{WORD}@[2001:db8::7]:554/stream",
    f"HTTPS://ada:{WORD}@hooks.example/",
    f"https://ada:with/slash{WORD}@hooks.example/",
    f"https://ada:with space {WORD}@hooks.example/",
    f"https://ada:a@b{WORD}@hooks.example/",
    f"https://hooks.example\\{WORD}",
    f"see https://hooks.example/{WORD} there",
]
ALL = "/rillcast/v1/apps/live/settings"
THEIRS = "/rest/v2/applications/settings/live"
URLS = ("listenerHookURL", "webhookAuthenticateURL", "webhookPlayAuthUrl")
HOOK = f"https://ada:{WORD}@hooks.example/events?key={WORD}"


@pytest.fixture
async def c() -> AsyncIterator[Cluster]:
    async with cluster() as running:
        yield running


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("key", sorted(one.key for one in SETTINGS.values() if one.kind is Kind.TEXT))
def test_no_setting_of_text_shows_what_an_address_hides(key: str, address: str) -> None:
    shown = veiled(AllSettings(**{key: address}))
    assert WORD not in msgspec.json.encode(shown).decode()


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize(
    "name", [field.name for field in msgspec.structs.fields(Broadcast) if "str" in str(field.type)]
)
def test_no_text_of_a_broadcast_shows_what_an_address_hides(name: str, address: str) -> None:
    shown = veiled([msgspec.structs.replace(Broadcast(stream_id="s1"), **{name: address})])
    assert WORD not in msgspec.json.encode(shown).decode()


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("key", sorted(one.key for one in SETTINGS.values() if one.kind in (Kind.OBJECT, Kind.LIST)))
def test_nothing_within_a_setting_does(key: str, address: str) -> None:
    inner: object = {"mine": {"apiKey": WORD, "deep": [{"to": address}]}}
    shown = veiled(AllSettings(**{key: [inner] if SETTINGS[key].kind is Kind.LIST else inner}))
    assert WORD not in msgspec.json.encode(shown).decode()


@pytest.mark.parametrize(
    ("address", "origin"),
    [
        ("https://hooks.example/a?b=c", "https://hooks.example"),
        ("https://ada:pw@hooks.example:8443/a", "https://hooks.example:8443"),
        ("rtsp://u@[::1]:554/x", "rtsp://[::1]:554"),
        ("https://a:b/c@d/e", None),
        ("https://", None),
        ("hooks.example", None),
    ],
)
def test_the_host_of_an_address_is_told_from_its_secrets(address: str, origin: str | None) -> None:
    assert origin_of(address) == origin


@pytest.mark.parametrize("name", ["username", "password"])
def test_what_a_camera_lets_in_with_is_not_shown(name: str) -> None:
    camera = msgspec.structs.replace(Broadcast(stream_id="s1"), **{name: WORD})
    (shown,) = veiled([camera])
    assert getattr(shown, name) == HIDDEN
    assert getattr(veiled(Broadcast(stream_id="s1")), name) is None, "where there is none, none is hinted at"


def test_an_address_without_anything_else_is_shown() -> None:
    settings = AllSettings(listenerHookURL="https://hooks.example/", webhookPlayAuthUrl="http://a.example:81")
    assert veiled(settings) == settings


async def test_a_webhook_is_shown_whole_to_who_may_change_it_and_to_nobody_else(c: Cluster) -> None:
    async with c.http() as http:
        assert (await http.post(THEIRS, json=dict.fromkeys(URLS, HOOK))).json()["success"]
        body = {"streamId": "s1", "listenerHookURL": HOOK}
        assert (await http.post("/live/rest/v2/broadcasts/create", json=body)).status_code == 200
        roles = {"looks": "READ_ONLY", "uses": "USER", "leads": "ADMIN"}
        for name, role in roles.items():
            await add_user(http, name, scope="system", userType=role, appNameUserType={"system": role})
            of_app = f"{name}-live"
            await add_user(http, of_app, scope="live", userType=role, appNameUserType={"live": role})
        for name in (*roles, *(f"{one}-live" for one in roles)):
            async with sign_in(c, name) as operator:
                for path in (ALL, THEIRS):
                    shown = (await operator.get(path)).json()
                    wanted = HOOK if name.startswith("leads") else f"https://hooks.example/{HIDDEN}"
                    assert [shown[key] for key in URLS] == [wanted] * 3, (name, path)
                for path in ("/live/rest/v2/broadcasts/s1", "/live/rest/v2/broadcasts/list/0/10"):
                    answer = (await operator.get(path)).json()
                    one = answer[0] if isinstance(answer, list) else answer
                    wanted = f"https://hooks.example/{HIDDEN}" if name.startswith("looks") else HOOK
                    assert one["listenerHookURL"] == wanted, (name, path)


async def test_who_may_only_look_is_told_no_credentials_by_any_answer(c: Cluster) -> None:
    stored = [one.key for one in SETTINGS.values() if one.effect is Effect.STORED and one.kind is Kind.TEXT]
    async with c.http() as http:
        for key in (*URLS, *stored):
            await http.post(THEIRS, json={key: HOOK})
        settings = c.settings_of(AppSettings(app_name="live").app_name)  # type: ignore[arg-type]
        assert settings.listener_hook_url == HOOK
        await http.post("/live/rest/v2/broadcasts/create", json={"streamId": "s1", "listenerHookURL": HOOK})
        await add_user(http, "looks", scope="system", userType="READ_ONLY", appNameUserType={"system": "READ_ONLY"})
        paths = [
            path
            for path, ways in (await http.get("/rillcast/v1/openapi.json")).json()["paths"].items()
            if "get" in ways
        ]
        async with sign_in(c, "looks") as operator:
            for path in paths:
                where = path.replace("{app}", "live").replace("{stream}", "s1").replace("{offset}", "0")
                answer = await operator.get(where.replace("{size}", "50"))
                assert WORD not in answer.text, path


async def test_operators_of_an_app_see_what_is_live_in_it_and_nothing_of_others(c: Cluster) -> None:
    await c.go_live()
    async with c.http() as http:
        await add_user(http, "eve", scope="live", userType="READ_ONLY", appNameUserType={"live": "READ_ONLY"})
    async with sign_in(c, "eve") as operator:
        own = await operator.get("/rest/v2/applications/live-streams/live")
        other = await operator.get("/rest/v2/applications/live-streams/LiveApp")
    assert [one["name"] for one in own.json()] == ["s1"]
    assert other.status_code == 403
