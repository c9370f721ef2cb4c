"""What is taken over from an Ant Media Server, and what is refused, in words."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from typing import Any

import httpx
import pytest

from rillcast.cli.commands import importing
from rillcast.cli.moving import broadcasts, settings
from rillcast.cli.moving.ant_media import AntMedia
from rillcast.client import Client
from rillcast.client.shapes.app_defaults import DEFAULTS
from tests.unit.cli.ant_media_server import EMAIL, PASSWORD, AntMediaServer, broadcast
from tests.unit.cli.ant_media_server import settings as of_original
from tests.unit.cli.command_line import Line, line

__all__ = ["line"]
FROM = ("import", "http://old.test", "--from-user", EMAIL)


@pytest.fixture
def old(monkeypatch: pytest.MonkeyPatch) -> AntMediaServer:
    made = AntMediaServer(apps={"LiveApp": untouched()})

    def answer(request: httpx.Request) -> httpx.Response:
        status, body, session = made.answer(
            request.method, request.url.raw_path.decode(), dict(request.headers), request.read()
        )
        headers = {"set-cookie": f"JSESSIONID={session}; Path=/; HttpOnly"} if session else {}
        if isinstance(body, str):
            return httpx.Response(status, text=body, headers=headers)
        return httpx.Response(status, json=body, headers=headers)

    monkeypatch.setattr(importing, "AntMedia", partial(AntMedia, transport=httpx.MockTransport(answer)))
    monkeypatch.setenv(importing.PASSWORD, PASSWORD)
    return made


def untouched(**changed: Any) -> dict[str, Any]:
    """Settings that are as they are here."""
    return of_original(ipFilterEnabled=False) | changed


class Ours:
    """As much of a signaling instance as is written to."""

    def __init__(self, *apps: str) -> None:
        self.apps: dict[str, dict[str, Any]] = {app: {} for app in apps}
        self.broadcasts: dict[str, Any] = {}
        self.refused: dict[str, str] = {}
        """Why keys of settings are refused."""
        self.not_here = {"mp4Enabled": "nothing is recorded", "maxIdleTime": "nothing is ended"}
        """Why keys of broadcasts are."""

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path, body = request.url.path, request.read()
        if path == "/rest/v2/applications":
            return httpx.Response(200, json={"applications": [*self.apps]})
        if path.startswith("/rest/v2/applications/settings/"):
            return self._change(path.rpartition("/")[2], json.loads(body))
        if path.startswith("/rillcast/v1/"):
            return httpx.Response(200, json=dict(DEFAULTS) | self.apps[path.split("/")[4]])
        if path.startswith("/rest/v2/applications/"):
            self.apps[path.rpartition("/")[2]] = {}
            return httpx.Response(200, json={"success": True})
        if path.endswith("/create-list"):
            return self._create(json.loads(body))
        stream = path.rpartition("/")[2]
        known = self.broadcasts.get(stream)
        return httpx.Response(404, text="Not Found") if known is None else httpx.Response(200, json=known)

    def _change(self, app: str, posted: dict[str, Any]) -> httpx.Response:
        if why := [f"{key}: {self.refused[key]}" for key in posted if key in self.refused]:
            return httpx.Response(200, json={"success": False, "message": why[0]})
        if posted.get("jwtControlEnabled") and not (posted | self.apps[app]).get("jwtSecretKey"):
            return httpx.Response(200, json={"success": False, "message": "there is no secret"})
        self.apps[app] |= posted
        return httpx.Response(200, json={"success": True})

    def _create(self, posted: list[dict[str, Any]]) -> httpx.Response:
        for key, why in self.not_here.items():
            if any(one.get(key) for one in posted):
                return httpx.Response(400, json={"success": False, "message": f"{key}: {why}. Nothing was created."})
        if any(one["streamId"] == "bad" for one in posted):
            return httpx.Response(400, json={"success": False, "message": "streamId: this one is bad"})
        self.broadcasts |= {one["streamId"]: one for one in posted}
        return httpx.Response(200, json=[{"success": True}] * len(posted))


@pytest.fixture
def ours(line: Line) -> Iterator[Ours]:
    made = Ours("LiveApp")
    line.reply = made
    yield made


def test_an_app_that_nobody_has_touched_differs_only_where_an_app_here_is_more_open() -> None:
    assert settings.to_carry(of_original(), None) == ([settings.Setting("ipFilterEnabled", True, False)], [])


def test_the_stun_server_that_an_operator_has_named_is_carried_and_the_one_that_nobody_named_is_not() -> None:
    wanted, _ = settings.to_carry(untouched(stunServerURI="turn:turn.example.org"), None)
    assert [one.key for one in wanted] == ["stunServerURI"]
    assert settings.to_carry(untouched(), None) == ([], [])


def test_what_was_set_is_carried_and_what_cannot_be_is_named() -> None:
    there = untouched(webRTCViewerLimit=7, mp4MuxingEnabled=True, jwtSecretKey="s", notOfThisTime=3, hlsTime=4)

    wanted, refused = settings.to_carry(there, None)

    assert [(one.key, one.there) for one in wanted] == [("jwtSecretKey", "s"), ("webRTCViewerLimit", 7)]
    assert {one.key for one in refused} == {"mp4MuxingEnabled", "notOfThisTime", "hlsTime"}
    assert all(one.why for one in refused)


def test_only_what_is_refused_stays_behind_also_where_one_setting_needs_another(line: Line, ours: Ours) -> None:
    ours.refused = {"gopSize": "too large"}
    asked = httpx.MockTransport(line.answer)
    wanted = [
        settings.Setting("gopSize", 9, 0),
        settings.Setting("jwtControlEnabled", True, False),
        settings.Setting("jwtSecretKey", "s", ""),
    ]

    with Client("http://rillcast.test", transport=asked) as client:
        taken, refused = settings.carry(client, "LiveApp", wanted)

    assert {one.key for one in taken} == {"jwtControlEnabled", "jwtSecretKey"}
    assert refused == [settings.Refusal("gopSize", "gopSize: too large")]
    assert ours.apps["LiveApp"] == {"jwtControlEnabled": True, "jwtSecretKey": "s"}


def test_of_a_record_what_was_set_is_kept_and_what_the_server_said_is_left() -> None:
    record = broadcast("a", name="A", webRTCViewerLimit=0, status="broadcasting", webRTCViewerCount=9, category=None)

    kept = broadcasts.as_set(record)

    assert kept["streamId"] == "a"
    assert kept["name"] == "A"
    assert kept["webRTCViewerLimit"] == 0  # which lets nobody in
    assert not kept.keys() & {"status", "webRTCViewerCount", "startTime", "category", "updateTime"}


@pytest.mark.parametrize("hashed", [True, False])
def test_everything_is_taken_over(line: Line, ours: Ours, old: AntMediaServer, hashed: bool) -> None:
    old.hashed = hashed
    old.apps = {"LiveApp": untouched(webRTCViewerLimit=7), "second": untouched(jwtSecretKey="hush")}
    old.broadcasts = {"LiveApp": [broadcast(f"s{number}", maxIdleTime=0) for number in range(120)]}
    old.broadcasts["LiveApp"] += [broadcast("rec", mp4Enabled=1, maxIdleTime=9), broadcast("bad", maxIdleTime=9)]
    ours.broadcasts = {"s3": {"streamId": "s3", "name": "ours"}}

    ran = line.run(*FROM, "--yes")

    assert ran.code == 1
    assert "3 of these were refused" in ran.err
    assert ours.apps == {"LiveApp": {"webRTCViewerLimit": 7}, "second": {"jwtSecretKey": "hush"}}
    assert len(ours.broadcasts) == 121
    assert not {"mp4Enabled", "maxIdleTime"} & ours.broadcasts["rec"].keys()
    assert ours.broadcasts["s3"]["name"] == "ours"
    assert "LiveApp: 120 broadcasts are taken, 1 were here before" in ran.out
    assert "refused 1, such as bad: streamId: this one is bad" in ran.out
    assert "left out of 1, such as rec: mp4Enabled: nothing is recorded" in ran.out
    assert "left out of 1, such as rec: maxIdleTime: nothing is ended" in ran.out
    assert f"user {EMAIL}: make it anew" in ran.out
    assert "hush" not in ran.out + ran.err
    assert not [one for one in old.asked if not one.startswith("GET ") and "authenticate" not in one]


def test_ids_and_names_that_are_odd_end_nothing_and_move_no_cursor(line: Line, ours: Ours, old: AntMediaServer) -> None:
    old.apps = {"LiveApp": untouched(), "odd\x1b[2J": untouched()}
    old.broadcasts = {"LiveApp": [broadcast(one, maxIdleTime=0) for one in ("", ".", "..", "a/b", "ok")]}
    ran = line.run(*FROM, "--yes")
    assert "LiveApp: 5 broadcasts are taken" in ran.out  # by this server of the test; a real one refuses some
    assert "\x1b" not in ran.out + ran.err


def test_a_dry_run_writes_nothing_and_says_what_would_be_refused(line: Line, ours: Ours, old: AntMediaServer) -> None:
    old.apps = {"second": untouched(webRTCViewerLimit=7, mp4MuxingEnabled=True)}

    ran = line.run(*FROM, "--dry-run")

    assert ran.code == 1
    assert "second: is to be made; 1 settings differ" in ran.out
    assert "webRTCViewerLimit = 7, here -1" in ran.out
    assert "refused mp4MuxingEnabled" in ran.out
    assert ours.apps == {"LiveApp": {}}
    assert [one for one in line.asked if not one.startswith("GET ")] == []


def test_without_yes_and_without_a_terminal_nothing_is_written(line: Line, ours: Ours, old: AntMediaServer) -> None:
    old.apps = {"LiveApp": untouched(webRTCViewerLimit=7)}
    assert line.run(*FROM).code == 2
    assert ours.apps == {"LiveApp": {}}


@pytest.mark.parametrize(
    ("instead", "said"),
    [
        ({"/rest/v2/applications": (200, ["x"])}, "as an Ant Media Server does"),
        ({"/rest/v2/applications": (200, "<html>")}, "as an Ant Media Server does"),
        ({"/rest/v2/users/authenticate": (404, "<html>")}, "http://old.test answers 404"),
        (
            {"/rest/v2/request": (403, "Not allowed IP")},
            "http://old.test answers 403 to /rest/v2/request: Not allowed IP",
        ),
        ({"/rest/v2/request": (200, [{"name": "no id"}])}, "as an Ant Media Server does"),
        ({"/rest/v2/applications/settings/LiveApp": (200, None)}, "as an Ant Media Server does"),
    ],
)
def test_what_goes_wrong_is_said(
    line: Line, ours: Ours, old: AntMediaServer, instead: dict[str, Any], said: str
) -> None:
    old.instead = instead
    ran = line.run(*FROM, "--yes")
    assert ran.code == 1
    assert said in ran.err


def test_an_app_that_is_not_there_is_said(line: Line, ours: Ours, old: AntMediaServer) -> None:
    ran = line.run(*FROM, "--yes", "--app", "none")
    assert (ran.code, ran.err) == (1, "rillcast: http://old.test has no app none; it has LiveApp\n")


def test_a_wrong_password_is_said(line: Line, ours: Ours, old: AntMediaServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(importing.PASSWORD, "wrong")
    ran = line.run(*FROM, "--yes")
    assert (ran.code, ours.apps) == (1, {"LiveApp": {}})
    assert "does not let admin@example.invalid in" in ran.err
