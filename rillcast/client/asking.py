"""Requests and answers of HTTP, with what can go wrong in words."""

from __future__ import annotations

import re
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from html import unescape
from pathlib import Path
from typing import Any, TypeVar

import httpx
import msgspec

from rillcast.client.faults import ClientError, NotDone, NotOurs, Unreachable, refusal
from rillcast.client.told import Told, lines, told

TIMEOUT_S = 10.0
LONGEST_S = 120.0
"""How long a whole answer may take."""
MOST_BYTES = 64 * 1024 * 1024
"""How large an answer may be."""
MOST_SAID = 300
"""Characters of a refusal that are taken."""
COOKIE = "JSESSIONID"
READING = "GET"
EVENTS = "text/event-stream"
SILENCE_S = 40.0
"""An answer that goes on says something at least so often, or it is over."""
Query = Mapping[str, str | int | float | bool | None]
Answer = TypeVar("Answer")
_PAGE_WORDS = re.compile(r"<b>Message</b> (.*?)</p>")
"""Where a page of HTML has its words."""


def part(value: str | int) -> str:
    """A value as one part of a path. Raises `ClientError` for one that would lead elsewhere."""
    text = str(value)
    if text in ("", ".", ".."):
        raise ClientError(f"{text!r} cannot be the name of anything here")
    return "".join(f"%{byte:02X}" if _reserved(byte) else chr(byte) for byte in text.encode("utf-8", "replace"))


class Asking:
    """The requests of one client."""

    def __init__(
        self,
        server: str,
        *,
        token: str,
        session: str,
        timeout_s: float,
        authority: Path | None,
        transport: httpx.BaseTransport | None,
    ) -> None:
        self.server = _checked(server)
        self.session = session
        """What shows a session; empty without one."""
        self._token = token
        for secret in (token, session):
            if not (secret.isascii() and (secret.isprintable() or not secret)):
                raise ClientError("a token has characters that no token has")
        # Proxies of the environment are left aside: what is shown here is for the server alone.
        self._http = httpx.Client(
            base_url=self.server, timeout=timeout_s, trust_env=False, verify=_trust(authority), transport=transport
        )

    def __call__(
        self, kind: type[Answer], method: str, path: str, *, query: Query | None = None, body: object = None
    ) -> Answer:
        """Ask, and decode the answer. Raises `ClientError`."""
        content = self._content(method, path, query, body)
        return self._decoded(kind, content, acts=method != READING)

    def perhaps(
        self, kind: type[Answer], method: str, path: str, *, query: Query | None = None, body: object = None
    ) -> Answer | None:
        """The same, where an answer may have nothing in it."""
        content = self._content(method, path, query, body)
        return self._decoded(kind, content, acts=method != READING) if content else None

    def text(self, method: str, path: str, *, query: Query | None = None, body: object = None) -> str:
        """The same, where the answer is text."""
        return self._content(method, path, query, body).decode("utf-8", "replace")

    def anything(self, method: str, path: str, *, query: Query | None = None, body: object = None) -> Any:
        """The same, where the answer is any JSON."""
        try:
            return msgspec.json.decode(self._content(method, path, query, body))
        except msgspec.DecodeError as error:
            raise self._not_ours(str(error)) from None

    def events(
        self,
        kind: type[Answer],
        method: str,
        path: str,
        *,
        headers: Mapping[str, str],
        query: Query | None = None,
    ) -> Iterator[Told[Answer]]:
        """Events as they come, until the server ends the answer. Raises `ClientError`."""
        with self.streamed(method, path, query=query, headers={**headers, "Accept": EVENTS}) as answer:
            yield from told(lines(answer.iter_bytes()), kind)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    @contextmanager
    def streamed(
        self, method: str, path: str, *, query: Query | None = None, headers: Mapping[str, str]
    ) -> Iterator[httpx.Response]:
        """An answer that comes bit by bit, once its head is there and says that it was done. Raises `ClientError`, also
        for what goes wrong within the block."""
        patience = httpx.Timeout(self._http.timeout.connect, read=SILENCE_S)
        shown = self._headers() | dict(headers)
        with (
            self._in_words(),
            self._http.stream(method, path, params=_given(query), headers=shown, timeout=patience) as answer,
        ):
            self._accept(answer, b"" if answer.is_success else self._read(answer))
            yield answer

    def _content(self, method: str, path: str, query: Query | None, body: object) -> bytes:
        content = None if body is None else msgspec.json.encode(body)
        headers = self._headers() | ({} if content is None else {"Content-Type": "application/json"})
        with (
            self._in_words(),
            self._http.stream(method, path, params=_given(query), headers=headers, content=content) as answer,
        ):
            read = self._read(answer)
        self._accept(answer, read)
        if COOKIE in answer.cookies:
            self.session = answer.cookies[COOKIE]
        self._http.cookies.clear()  # it is shown by _headers alone
        return read

    def _headers(self) -> dict[str, str]:
        shown = {"ProxyAuthorization": f"Bearer {self._token}"} if self._token else {}
        if self.session:
            shown["Cookie"] = f"{COOKIE}={self.session}"
        return shown | {"Accept-Encoding": "identity"}

    def _read(self, answer: httpx.Response) -> bytes:
        until = time.monotonic() + LONGEST_S
        found = bytearray()
        for chunk in answer.iter_bytes():
            found += chunk
            if len(found) > MOST_BYTES:
                raise self._not_ours(f"the answer has more than {MOST_BYTES} bytes")
            if time.monotonic() > until:
                raise Unreachable(f"the answer of {self.server} took longer than {LONGEST_S:.0f} s")
        return bytes(found)

    def _accept(self, answer: httpx.Response, content: bytes) -> None:
        if answer.is_success:
            return
        if answer.is_redirect:
            raise refusal(answer.status_code, f"{self.server} sends us on to {answer.headers.get('location', '')!r}")
        raise refusal(answer.status_code, _said(content) or answer.reason_phrase)

    def _decoded(self, kind: type[Answer], content: bytes, *, acts: bool) -> Answer:
        try:
            answer = msgspec.json.decode(content, type=kind)
        except msgspec.MsgspecError as error:
            if (why := _why_not(content)) is not None:
                raise NotDone(why) from None
            raise self._not_ours(str(error)) from None
        if acts and getattr(answer, "success", True) is False:
            raise NotDone(_why_not(content) or "")
        return answer

    def _not_ours(self, why: str) -> NotOurs:
        return NotOurs(f"what answers at {self.server} is not this version of Rillcast ({why})")

    @contextmanager
    def _in_words(self) -> Iterator[None]:
        try:
            yield
        except httpx.ConnectError as error:
            raise Unreachable(_no_connection(self.server, error)) from None
        except httpx.TimeoutException:
            raise Unreachable(f"{self.server} does not answer in time") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Unreachable(f"cannot ask {self.server}: {error}") from None


class _Said(msgspec.Struct):
    success: bool | None = None
    message: str | None = None


def _why_not(content: bytes) -> str | None:
    """What a `Result` says that was not done, perhaps nothing; None for anything else."""
    with suppress(msgspec.MsgspecError):
        said = msgspec.json.decode(content, type=_Said)
        if said.success is False:
            return (said.message or "")[:MOST_SAID]
    return None


def _said(content: bytes) -> str:
    """What a refusal says, in whichever of its three forms."""
    with suppress(msgspec.MsgspecError):
        if message := msgspec.json.decode(content, type=_Said).message:
            return message[:MOST_SAID]
    text = content.decode("utf-8", "replace")
    page = _PAGE_WORDS.search(text)
    return (unescape(page[1]) if page else "" if text.lstrip().startswith("<") else text.strip())[:MOST_SAID]


def _given(query: Query | None) -> dict[str, str]:
    """Without what was left out."""
    given = {name: value for name, value in (query or {}).items() if value is not None}
    return {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in given.items()}


def _checked(server: str) -> str:
    try:
        url = httpx.URL(server)
    except (httpx.InvalidURL, TypeError) as error:
        raise ClientError(f"{server!r} is no address of a server: {error}") from None
    if not server.isprintable() or any(letter.isspace() for letter in server):
        raise ClientError(f"{server!r} is no address of a server: it has blanks in it")
    if url.scheme not in ("http", "https") or not url.host:
        raise ClientError(f"{server!r} is no address of a server; it must be like https://live.example.org")
    if url.userinfo or url.query or url.fragment:
        raise ClientError("the address of a server has a scheme, a host and a port, and nothing else")
    return server.rstrip("/")


def _trust(authority: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=authority)
    except (OSError, ssl.SSLError) as error:
        raise ClientError(f"cannot read certificates from {authority}: {error.strerror or error}") from None


def _no_connection(server: str, error: httpx.ConnectError) -> str:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"the certificate of {server} does not hold: {cause.verify_message}"
        if isinstance(cause, ssl.SSLError):
            return f"{server} does not speak TLS as it should: {cause.reason or cause}"
        cause = cause.__cause__ or cause.__context__
    return f"nothing answers at {server}: {error}"


def _reserved(byte: int) -> bool:
    return not (chr(byte).isascii() and (chr(byte).isalnum() or chr(byte) in "-._~"))
