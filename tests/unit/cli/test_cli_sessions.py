"""Sessions that `rillcast login` keeps: for the user alone, each for its own server."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import httpx
import pytest

from rillcast.cli.faults import CannotGoOn
from rillcast.cli.operators import operator
from rillcast.cli.run_folder import RunFolder
from rillcast.cli.session_file import MOST_SERVERS, SessionFile
from tests.unit.cli.command_line import SERVER, Line, line

__all__ = ["line"]


@pytest.fixture
def file(tmp_path: Path) -> SessionFile:
    return SessionFile(tmp_path / "below" / "sessions.json")


def test_a_session_is_found_again_by_its_server_alone(file: SessionFile) -> None:
    file.keep("https://a", "ada", "one")
    file.keep("https://b", "bob", "two")

    kept = file.of("https://a")
    assert kept is not None
    assert (kept.user, kept.cookie) == ("ada", "one")
    assert file.of("https://c") is None
    assert file.latest() == "https://b"


def test_only_the_user_may_read_it(file: SessionFile) -> None:
    before = os.umask(0)
    try:
        file.keep("https://a", "ada", "one")
    finally:
        os.umask(before)

    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.path.parent.stat().st_mode) == 0o700
    assert list(file.path.parent.iterdir()) == [file.path]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_file_that_others_may_touch_is_not_used(file: SessionFile, mode: int) -> None:
    file.keep("https://a", "ada", "one")
    file.path.chmod(mode)

    with pytest.raises(CannotGoOn, match="is not yours alone"):
        file.of("https://a")
    with pytest.raises(CannotGoOn, match="is not yours alone"):
        file.keep("https://a", "ada", "one")


def test_a_link_is_not_followed(file: SessionFile, tmp_path: Path) -> None:
    file.keep("https://a", "ada", "one")
    link = tmp_path / "link"
    link.symlink_to(file.path)

    with pytest.raises(CannotGoOn, match="cannot read"):
        SessionFile(link).of("https://a")


@pytest.mark.parametrize("text", ["", "{}", "[1]", "[" * 70_000])
def test_a_file_of_something_else_is_said(file: SessionFile, text: str) -> None:
    file.keep("https://a", "ada", "one")
    file.path.write_text(text)

    with pytest.raises(CannotGoOn, match="holds no sessions"):
        file.of("https://a")


def test_the_oldest_sessions_go_first(file: SessionFile) -> None:
    for number in range(MOST_SERVERS + 3):
        file.keep(f"https://{number}", "ada", "one")

    assert [file.of(f"https://{number}") is None for number in range(4)] == [True, True, True, False]


def test_what_is_forgotten_is_gone_and_the_last_one_with_the_file(file: SessionFile) -> None:
    file.keep("https://a", "ada", "one")
    file.keep("https://b", "bob", "two")

    file.forget("https://a")
    assert (file.of("https://a"), file.latest()) == (None, "https://b")
    file.forget("https://b")
    assert not file.path.exists()
    file.forget("https://b")


def signing_in(request: httpx.Request) -> httpx.Response:
    if request.url.path.endswith("authenticate"):
        return httpx.Response(200, json={"success": True}, headers={"Set-Cookie": "JSESSIONID=abc; Path=/; HttpOnly"})
    return httpx.Response(200, json={"success": request.headers.get("cookie") == "JSESSIONID=abc"})


def test_who_signed_in_is_known_to_later_commands_until_signing_out(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RILLCAST_PASSWORD", "secret")
    line.reply = signing_in
    assert line.run("login", "ada").out == f"ada is signed in at {SERVER}\n"

    whoami = line.run("whoami")
    assert (whoami.code, "the session of ada" in whoami.out) == (0, True)
    assert line.run("apps", "create", "two").code == 0

    assert line.run("logout").out == f"ada is signed out at {SERVER}\n"
    assert line.asked[-1] == "DELETE /rest/v2/users/logout"
    assert line.run("whoami").code == 1
    assert line.run("logout").code == 1


def test_a_wrong_password_is_said_and_nothing_is_kept(line: Line) -> None:
    line.reply = lambda _: httpx.Response(200, json={"success": False})

    ran = line.run("login", typed="ada\nsecret\n")

    assert (ran.code, "does not let ada in: the name or the password is wrong" in ran.err) == (1, True)
    assert "secret" not in ran.out + ran.err
    assert SessionFile.of_user().latest() is None


def test_nobody_to_type_a_password_is_said(line: Line) -> None:
    ran = line.run("login", "ada")

    assert (ran.code, line.asked) == (1, [])
    assert "no password for ada: set RILLCAST_PASSWORD, or type it" in ran.err


def test_a_session_is_shown_to_its_own_server_only(line: Line, tmp_path: Path) -> None:
    SessionFile.of_user().keep("https://a.test", "ada", "one")
    folder = RunFolder(tmp_path / "run")

    assert operator("https://a.test/", folder, None, "").session == "one"
    assert operator("https://b.test", folder, None, "").session == ""
    assert operator("", folder, None, "").base == "https://a.test", "the last login, where nothing runs here"


def test_what_was_given_counts_before_a_session(line: Line, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    SessionFile.of_user().keep("https://a.test", "ada", "one")
    monkeypatch.setenv("RILLCAST_TOKEN", "hush")

    who = operator("https://a.test", RunFolder(tmp_path / "run"), None, "")

    assert (who.token, who.session) == ("hush", "")
    assert "hush" not in repr(who)
