"""What each command asks of the server, what it prints, and how it ends."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.unit.cli.command_line import Line, line

__all__ = ["line"]
DONE = httpx.Response(200, json={"success": True})
BROADCASTS = "/live/rest/v2/broadcasts"
SUBSCRIBER = {
    "subscriberId": "ada",
    "subscriberName": "Ada \x1b[31m",
    "streamId": "talk",
    "type": None,
    "connected": True,
    "currentConcurrentConnections": 1,
    "concurrentConnectionsLimit": 2,
    "blockedType": None,
    "blockedUntilUnitTimeStampMs": 0,
    "totpExpiryPeriodSeconds": 60,
}


@pytest.mark.parametrize(
    ("words", "asked", "said"),
    [
        ("streams stop live/talk", f"POST {BROADCASTS}/talk/stop", "live/talk is stopped"),
        ("streams start live/talk", f"POST {BROADCASTS}/talk/start", "live/talk is started"),
        ("streams delete live/a.b", f"DELETE {BROADCASTS}/a.b", "live/a.b is deleted"),
        ("streams delete live/t --subtracks", f"DELETE {BROADCASTS}/t?deleteSubtracks=true", "is deleted"),
        ("streams set live/t --key name=2", f'PUT {BROADCASTS}/t {{"name":"2"}}', "live/t is changed"),
        (
            "streams set live/t --key webRTCViewerLimit=2 --key name=null",
            f'PUT {BROADCASTS}/t {{"webRTCViewerLimit":2,"name":null}}',
            "live/t is changed",
        ),
        ("nodes note edge-1 bad-disk", "PUT /rest/v2/cluster/node/edge-1/note?note=bad-disk", "is written"),
        ("nodes forget edge-1", "DELETE /rest/v2/cluster/node/edge-1", "edge-1 is out of the list"),
        ("apps create two", "POST /rest/v2/applications/two", "two is made"),
        ("apps delete two --yes", "DELETE /rest/v2/applications/two", "two is deleted"),
        ("apps delete two --yes --records", "DELETE /rest/v2/applications/two?deleteDB=true", "two is deleted"),
        (
            "apps settings set live h264Enabled=false webRTCViewerLimit=3 hlsTime=2",
            'POST /rest/v2/applications/settings/live {"h264Enabled":false,"hlsTime":"2","webRTCViewerLimit":3}',
            "the settings of live are changed",
        ),
        ("tokens revoke live/t", f"DELETE {BROADCASTS}/t/tokens", "are revoked"),
        (
            "tokens validate live/t abc --for play",
            f'POST {BROADCASTS}/validate-token {{"tokenId":"abc","streamId":"t","expireDate":0,"type":"play",'
            '"roomId":null}',
            "it lets a client play live/t",
        ),
        (
            "subscribers create live/t ada --may play --period 1m",
            f'POST {BROADCASTS}/t/subscribers {{"subscriberId":"ada","type":"play","totpExpiryPeriodSeconds":60}}',
            "ada is a subscriber of live/t",
        ),
        ("subscribers delete live/t ada", f"DELETE {BROADCASTS}/t/subscribers/ada", "no subscriber of live/t any"),
        ("subscribers delete live/t --all", f"DELETE {BROADCASTS}/t/subscribers", "live/t has no subscriber any more"),
        (
            "subscribers block live/t ada --for 2h --from play",
            f"PUT {BROADCASTS}/t/subscribers/ada/block/7200/play",
            "ada is blocked until",
        ),
        (
            "subscribers unblock live/t ada",
            f"PUT {BROADCASTS}/t/subscribers/ada/block/0/publish_play",
            "ada is not blocked",
        ),
        ("users delete ada --yes", "DELETE /rest/v2/users/ada", "ada is deleted"),
        (
            "users set ada --role USER --app live",
            'PUT /rest/v2/users {"email":"ada","userType":"USER","scope":"live","appNameUserType":{"live":"USER"}}',
            "ada is USER of live",
        ),
        (
            "hooks set live https://h.test/x",
            'POST /rest/v2/applications/settings/live {"listenerHookURL":"https://h.test/x"}',
            "the events of live go to https://h.test/x",
        ),
    ],
)
def test_a_command_asks_once_and_says_what_was_done(line: Line, words: str, asked: str, said: str) -> None:
    ran = line.run(*words.split())

    assert (ran.code, ran.err) == (0, "")
    assert line.asked == [asked]
    assert said in ran.out


@pytest.mark.parametrize(
    "words",
    [
        "streams stop live/talk",
        "streams set live/t --key name=x",
        "apps create two",
        "tokens validate live/t abc --for play",
        "subscribers unblock live/t ada",
        "users delete ada --yes",
        "nodes forget edge-1",
        "hooks set live https://h.test/x",
    ],
)
def test_what_was_not_done_is_one_line_and_exit_code_1(line: Line, words: str) -> None:
    line.reply = lambda _: httpx.Response(200, json={"success": False, "message": "it is [not] so"})

    ran = line.run(*words.split())

    assert (ran.code, ran.out) == (1, "")
    assert ran.err == "rillcast: it is [not] so\n"


def test_what_nobody_publishes_cannot_be_stopped(line: Line) -> None:
    line.reply = lambda _: httpx.Response(200, json={"success": False, "message": ""})

    ran = line.run("streams", "stop", "live/nope")

    assert (ran.code, ran.out, ran.err) == (1, "", "rillcast: nobody publishes live/nope\n")


def test_what_there_is_not_is_told_so(line: Line) -> None:
    line.reply = lambda _: httpx.Response(404, html="<html><body>Not Found</body></html>")

    ran = line.run("streams", "show", "live/nope")

    assert (ran.code, ran.out) == (1, "")
    assert ran.err.endswith("answers 404: there is nothing of that name\n")


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("streams show talk", "must name an app and a stream, like live/talk"),
        ("streams --all", "--app is missing"),
        ("streams --all --app live --top 3", "--top is about what is live"),
        ("streams set live/t", "--key is missing"),
        ("streams set live/t --key name", "'name' must be like key=value"),
        ("streams set live/t --key nmae=x", "there is no 'nmae'; did you mean name"),
        ("streams set live/t --key webRTCViewerLimit=many", "webRTCViewerLimit=many: Expected `int`, got `str`"),
        ("streams create live --key streamId=x", "given as an argument"),
        ("apps settings set live hlsTme=2", "did you mean hlsTime"),
        ("apps settings get live nothing", "there is no 'nothing'"),
        ("apps delete two", "if that is meant, give --yes"),
        ("tokens create live/t --for dance", "is not one of"),
        ("tokens create live/t --for play --until yesterday", "must be like 2h"),
        ("tokens create live/t --for play --until 2020-01-01", "'2020-01-01' is over already"),
        ("tokens create live/t --for play --until 0", "'0' is over already"),
        ("streams create live/talk", "'live/talk' must name an app, and nothing else"),
        ("apps settings get live/talk", "'live/talk' must name an app, and nothing else"),
        ("subscribers delete live/t", "name one subscriber, or give --all"),
        ("subscribers delete live/t ada --all", "name one subscriber, or give --all"),
        ("subscribers block live/t ada --for 0", "a second at least"),
        ("users create ada --role KING", "is not one of"),
        ("streams lst", "No such command"),
    ],
)
def test_what_makes_no_sense_is_asked_of_nobody_and_exit_code_2(line: Line, words: str, why: str) -> None:
    ran = line.run(*words.split())

    assert (ran.code, line.asked) == (2, [])
    assert why in " ".join(ran.err.replace("│", " ").split())


def test_a_group_without_a_command_lists(line: Line) -> None:
    line.reply = lambda _: httpx.Response(200, json=[])

    for words in ("streams", "streams --app live", "streams list"):
        ran = line.run(*words.split())
        assert (ran.code, ran.out.strip()) == (0, "no stream is live")
    assert line.asked == [f"GET /rillcast/v1/streams?{app}offset=0&size=250" for app in ("", "app=live&", "")]


def live(number: int) -> dict[str, Any]:
    return {
        "app": "live",
        "stream": f"s{number:05}",
        "origin": "origin-1",
        "epoch": 1,
        "viewers": number % 1_000,
        "media_flowing": True,
        "started_at_ms": 0,
    }


def many(request: httpx.Request, length: int = 1_000) -> httpx.Response:
    offset, size = int(request.url.params["offset"]), int(request.url.params["size"])
    return httpx.Response(200, json=[live(number) for number in range(offset, min(offset + size, length))])


def test_a_thousand_streams_are_one_table_under_one_head(line: Line) -> None:
    line.reply = many

    ran = line.run("streams", width=80)

    lines = ran.out.splitlines()
    assert ran.code == 0
    assert len(lines) == 1_001
    assert lines[0].startswith("stream")
    assert [text.split()[0] for text in lines[1:]] == [f"live/s{number:05}" for number in range(1_000)]
    assert len({text.index("origin-1") for text in lines[1:]}) == 1, "columns stay where they are"
    assert len(line.asked) == 5


def test_a_thousand_streams_are_one_list_of_json(line: Line) -> None:
    line.reply = many

    ran = line.run("streams", "--json")

    assert [one["stream"] for one in json.loads(ran.out)] == [f"s{number:05}" for number in range(1_000)]
    assert len(ran.out.splitlines()) == 1_000


def test_no_more_pages_are_asked_for_than_rows_are_wanted(line: Line) -> None:
    line.reply = many

    ran = line.run("streams", "--most", "3", "--json")

    assert len(json.loads(ran.out)) == 3
    assert len(line.asked) == 1


def test_the_most_watched_come_first_and_only_they_are_kept(line: Line) -> None:
    line.reply = many

    ran = line.run("streams", "--top", "5", "--json")

    assert [one["viewers"] for one in json.loads(ran.out)] == [999, 998, 997, 996, 995]


def test_json_of_an_empty_list_is_a_list(line: Line) -> None:
    line.reply = lambda _: httpx.Response(200, json=[])

    assert line.run("nodes", "--json").out == "[]\n"


def test_a_list_that_breaks_off_says_so_and_ends_with_1(line: Line) -> None:
    line.reply = lambda request: (
        many(request) if request.url.params["offset"] == "0" else httpx.Response(503, json={"message": "store is away"})
    )

    ran = line.run("streams", "--json")

    assert ran.code == 1
    assert "answers 503: store is away" in ran.err
    with pytest.raises(json.JSONDecodeError):
        json.loads(ran.out)


def test_names_that_others_chose_cannot_steer_the_terminal(line: Line) -> None:
    line.reply = lambda _: httpx.Response(200, json=[SUBSCRIBER])

    ran = line.run("subscribers", "list", "live/talk")

    assert "Ada \N{REPLACEMENT CHARACTER}[31m" in ran.out
    assert "\x1b" not in ran.out
    assert "publish, play" in ran.out
    assert "1 of 2" in ran.out


def test_a_new_token_is_printed_by_itself(line: Line) -> None:
    line.reply = lambda _: httpx.Response(200, json={"tokenId": "tok-1", "expireDate": 9})

    ran = line.run("tokens", "create", "live/t", "--for", "play", "--until", "2026-12-24T18:00Z")

    assert ran.out == "tok-1\n"
    assert line.asked == [f"GET {BROADCASTS}/t/token?expireDate=1798135200&type=play"]


def test_a_new_operator_gets_a_password_that_is_told_once(line: Line) -> None:
    ran = line.run("users", "create", "ada", "--role", "READ_ONLY")

    sent = json.loads(line.asked[0].partition(" {")[2].join(("{", "")))
    assert ran.out == f"ada signs in with {sent['password']}\n"
    assert sent["appNameUserType"] == {"system": "READ_ONLY"}
    assert len(sent["password"]) >= 30


def test_one_setting_is_printed_bare_and_several_by_name(line: Line) -> None:
    line.reply = lambda _: httpx.Response(200, json={"h264Enabled": True, "hlsTime": "2", "webRTCViewerLimit": -1})

    assert line.run("apps", "settings", "get", "live", "webRTCViewerLimit").out == "-1\n"
    assert line.run("apps", "settings", "get", "live", "h264Enabled", "hlsTime").out.split() == [
        *("h264Enabled", "yes", "hlsTime", "2")
    ]
    assert json.loads(line.run("apps", "settings", "get", "live", "hlsTime", "--json").out) == {"hlsTime": "2"}


def test_an_app_that_is_not_there_is_said(line: Line) -> None:
    line.reply = lambda _: httpx.Response(204)

    assert line.run("apps", "settings", "get", "none").err == "rillcast: there is no app 'none'\n"
    assert line.run("hooks", "show", "none").code == 1


@pytest.mark.parametrize("words", ["vods", "vods list", "hooks queue"])
def test_what_is_not_there_is_said_and_nobody_is_asked(line: Line, words: str) -> None:
    ran = line.run(*words.split())

    assert (ran.code, ran.out, line.asked) == (1, "", [])
    assert ran.err.startswith("rillcast: ")


def test_an_operator_is_needed_is_said_with_what_helps(line: Line) -> None:
    page = "<html><p><b>Message</b> Not authenticated user</p></html>"
    line.reply = lambda _: httpx.Response(403, html=page)

    assert "answers 403: it needs an operator; sign in: rillcast login" in line.run("nodes").err


def test_a_fault_of_the_program_is_one_line_unless_more_is_wanted(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: httpx.Request) -> httpx.Response:
        raise ZeroDivisionError("by nothing")

    line.reply = fail
    ran = line.run("nodes")

    assert ran.code == 1
    assert ran.err == (
        "rillcast: this is a fault of rillcast: ZeroDivisionError: by nothing\n"
        "    set RILLCAST_TRACEBACK=1 to see where\n"
    )
