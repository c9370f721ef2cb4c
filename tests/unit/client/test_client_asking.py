"""What a call shows, and what becomes of every answer that is no success."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from rillcast.client import (
    Client,
    ClientError,
    NotAllowed,
    NotDone,
    NotFound,
    NotOurs,
    NotThere,
    Refused,
    Unreachable,
    asking,
)
from rillcast.client.shapes import KeptBroadcastPatch, Token

SERVER = "http://rillcast.test"
Answer = Callable[[httpx.Request], httpx.Response]


def client(answer: Answer | httpx.Response, token: str = "") -> Client:
    def reply(request: httpx.Request) -> httpx.Response:
        return answer if isinstance(answer, httpx.Response) else answer(request)

    return Client(SERVER, token=token, transport=httpx.MockTransport(reply))


def failing(error: Exception) -> Answer:
    def fail(request: httpx.Request) -> httpx.Response:
        raise error

    return fail


def test_a_token_is_shown_to_the_server_and_the_answer_comes_back_typed() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert request.headers["ProxyAuthorization"] == "Bearer secret"
        assert str(request.url) == f"{SERVER}/live/rest/v2/broadcasts/a%2Fb/token?expireDate=9&type=play"
        return httpx.Response(200, json={"tokenId": "t", "expireDate": 9, "somethingNew": 1})

    assert client(answer, token="secret").tokens.create_token("live", "a/b", expire_date=9, type="play") == Token(
        token_id="t", expire_date=9
    )


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_a_name_that_would_lead_elsewhere_is_never_asked_for(name: str) -> None:
    with pytest.raises(ClientError, match="cannot be the name"):
        client(failing(AssertionError("asked"))).broadcasts.get_broadcast("live", name)


def test_a_body_has_only_what_was_given() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert request.content == b'{"listenerHookURL":null,"name":"x"}'
        assert request.headers["content-type"] == "application/json"
        return httpx.Response(200, json={"success": True})

    change = KeptBroadcastPatch(name="x", listener_hook_url=None)
    assert client(answer).broadcasts.change_broadcast("live", "s", change).success


@pytest.mark.parametrize(
    ("answer", "kind", "sentence"),
    [
        (httpx.Response(403, html="<p><b>Message</b> it&#x27;s not so</p>"), NotAllowed, "^it's not so$"),
        (httpx.Response(401, text="no"), NotAllowed, "^no$"),
        (httpx.Response(404, json={"success": False, "message": "no such app"}), NotFound, "^no such app$"),
        (httpx.Response(501, json={"success": False, "message": "not made"}), NotThere, "^not made$"),
        (httpx.Response(503, html="<html>what a proxy says"), Refused, "^Service Unavailable$"),
        (httpx.Response(500, text="x" * 10_000), Refused, f"^x{{{asking.MOST_SAID}}}$"),
        (httpx.Response(302, headers={"location": "https://else.where/"}), Refused, "sends us on to 'https://else"),
        (httpx.Response(200, text="hello"), NotOurs, "not this version of Rillcast"),
        (httpx.Response(200, json=[]), NotOurs, "not this version of Rillcast"),
        (httpx.Response(200, json={"version": 3}), NotOurs, "not this version of Rillcast"),
    ],
)
def test_an_answer_that_is_no_success_is_raised_in_words(
    answer: httpx.Response, kind: type[ClientError], sentence: str
) -> None:
    with pytest.raises(kind, match=sentence) as caught:
        client(answer).cluster.get_status()

    assert type(caught.value) is kind


def test_an_act_that_was_not_done_is_raised_and_a_question_is_answered() -> None:
    asked = client(httpx.Response(200, json={"success": False, "message": "it is taken"}))

    with pytest.raises(NotDone, match="it is taken"):
        asked.applications.create_app("live")
    with pytest.raises(NotDone, match="it is taken"):  # which answers with a broadcast when it is done
        asked.broadcasts.create_broadcast("live")
    assert not asked.users.get_authentication_status().success


def test_an_act_that_was_not_done_without_a_word_says_so_itself() -> None:
    with pytest.raises(NotDone, match="does not say why"):
        client(httpx.Response(200, json={"success": False})).tokens.revoke_tokens("live", "s")


def test_nothing_is_none_where_nothing_may_come() -> None:
    assert client(httpx.Response(204)).license.get_license() is None


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (httpx.ConnectError("refused"), f"nothing answers at {SERVER}"),
        (httpx.ReadTimeout("slow"), "does not answer in time"),
        (httpx.RemoteProtocolError("what?"), "cannot ask .*what"),
    ],
)
def test_a_server_that_is_not_reached_is_one_sentence(error: Exception, sentence: str) -> None:
    with pytest.raises(Unreachable, match=sentence):
        client(failing(error)).cluster.list_nodes()


def test_a_certificate_that_does_not_hold_is_named() -> None:
    below = ssl.SSLCertVerificationError("bad")
    below.verify_message = "self-signed certificate"
    error = httpx.ConnectError("bad")
    error.__cause__ = below

    with pytest.raises(Unreachable, match=r"certificate of .* does not hold: self-signed certificate"):
        client(failing(error)).cluster.list_nodes()


def test_an_answer_without_an_end_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "MOST_BYTES", 1_000)
    taken = 0

    def chunks() -> Iterator[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield b"[" * 100

    with pytest.raises(NotOurs, match="more than 1000 bytes"):
        client(httpx.Response(200, content=chunks())).cluster.list_nodes()
    assert taken < 20


def test_an_answer_that_trickles_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "LONGEST_S", -1.0)

    with pytest.raises(Unreachable, match="took longer"):
        client(httpx.Response(200, content=iter([b"[", b"]"]))).cluster.list_nodes()


def test_a_session_is_shown_after_signing_in_and_not_after_signing_out() -> None:
    shown: list[str | None] = []

    def answer(request: httpx.Request) -> httpx.Response:
        shown.append(request.headers.get("cookie"))
        if request.url.path.endswith("authenticate"):
            cookie = "JSESSIONID=abc; Path=/; HttpOnly; SameSite=Strict"
            return httpx.Response(
                200, json={"success": True, "message": "system/ADMIN"}, headers={"Set-Cookie": cookie}
            )
        return httpx.Response(200, json={"success": True}, headers={"Set-Cookie": "other=1"})

    asked = client(answer)
    assert asked.sign_in("ada", "secret") == "system/ADMIN"
    assert asked.session == "abc"
    asked.users.get_authentication_status()
    asked.sign_out()
    asked.users.get_authentication_status()

    assert shown == [None, "JSESSIONID=abc", "JSESSIONID=abc", None]


@pytest.mark.parametrize(
    ("server", "sentence"),
    [
        ("ftp://x", "like https://"),
        ("localhost:5080", "like https://"),
        ("", "like https://"),
        ("http://", "like https://"),
        ("http://a b", "no address"),
        ("http://me:secret@x", "nothing else"),
        ("http://x/?a=1", "nothing else"),
    ],
)
def test_an_address_that_makes_no_sense_is_named(server: str, sentence: str) -> None:
    with pytest.raises(ClientError, match=sentence) as caught:
        Client(server)

    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("token", ["a\nb", "é"])
def test_a_token_that_no_header_can_carry_is_refused(token: str) -> None:
    with pytest.raises(ClientError, match="characters that no token has"):
        Client(SERVER, token=token)


def test_a_file_of_certificates_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(ClientError, match=r"cannot read certificates from .*none\.pem: No such file"):
        Client(SERVER, authority=tmp_path / "none.pem")
    (tmp_path / "bad.pem").write_text("no certificate")
    with pytest.raises(ClientError, match="cannot read certificates from"):
        Client(SERVER, authority=tmp_path / "bad.pem")
