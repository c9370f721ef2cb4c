"""Asking signaling as an operator: with the token that lies on this machine, a token from elsewhere, or a password."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from html import unescape
from pathlib import Path

import httpx
import msgspec
import typer

from rillcast.cli.faults import CannotGoOn
from rillcast.cli.run_folder import RunFolder
from rillcast.contracts.status import APPS_PATH, AppStatus

DEFAULT_URL = "http://127.0.0.1:5080/"
TIMEOUT_S = 10.0
USERS = "/rest/v2/users"
MOST_SAID = 300
"""Characters of a refusal that are shown."""
_MESSAGE = re.compile(r"<b>Message</b> (.*?)</p>")
"""Where a page of HTML has its words."""


@dataclass(frozen=True)
class Operator:
    """Which signaling node is asked, and what is shown to it."""

    base: str
    """Without a slash at the end."""
    token: str = ""
    user: str = ""
    password: str = ""


def operator(url: str, folder: RunFolder, token_file: Path | None, user: str) -> Operator:
    """What was given counts; else the token that signaling left on this machine, which is shown to no other address.
    Raises CannotGoOn."""
    running = folder.url()
    base = (url or running or DEFAULT_URL).rstrip("/")
    if user:
        return Operator(base, user=user, password=os.environ.get("RILLCAST_PASSWORD") or _prompted(user))
    if token_file is not None:
        return Operator(base, token=_read(token_file))
    if token := os.environ.get("RILLCAST_TOKEN", ""):
        return Operator(base, token=token)
    if running is not None and base == running.rstrip("/"):
        return Operator(base, token=folder.token())
    path = os.environ.get("RILLCAST_SIGNALING_LOCAL_TOKEN_PATH", "")
    return Operator(base, token=_read(Path(path)) if path and not url else "")


@contextmanager
def asking(who: Operator) -> Iterator[httpx.Client]:
    """A client that is let in, if what it shows holds. A session lasts until the end of the block. Raises CannotGoOn in
    words when nothing runs there, or something else, or the node refuses."""
    headers = {"ProxyAuthorization": f"Bearer {who.token}"} if who.token else {}
    try:
        with httpx.Client(base_url=who.base, headers=headers, timeout=TIMEOUT_S, trust_env=False) as client:
            if who.user:
                _sign_in(client, who)
            try:
                yield client
            finally:
                if who.user:
                    with suppress(httpx.HTTPError):
                        client.delete(f"{USERS}/logout")
    except httpx.ConnectError:
        raise CannotGoOn(f"nothing runs at {who.base}; start it with: make run") from None
    except httpx.HTTPStatusError as error:
        raise CannotGoOn(f"{who.base} answers {error.response.status_code}: {_said(error.response)}") from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise CannotGoOn(f"cannot ask {who.base}: {error}") from None


def done(answer: httpx.Response) -> tuple[bool, str]:
    """Whether a `Result` says that it was done, and its message. Raises `httpx.HTTPStatusError`, and CannotGoOn when it
    is no `Result`."""
    answer.raise_for_status()
    try:
        result = answer.json()
        return bool(result["success"]), str(result["message"])
    except (ValueError, KeyError, TypeError):
        raise CannotGoOn(f"what answers at {answer.url} is not this version of Rillcast") from None


def open_apps(url: str, token: str) -> list[str]:
    """The apps in which everybody may publish or play. Raises CannotGoOn."""
    with asking(Operator(url.rstrip("/"), token=token)) as http:
        answer = http.get(APPS_PATH).raise_for_status()
    try:
        return [app.app for app in msgspec.json.decode(answer.content, type=list[AppStatus]) if app.open_to]
    except msgspec.MsgspecError as error:
        raise CannotGoOn(f"what answers at {url} is not this version of Rillcast ({error})") from None


def _sign_in(client: httpx.Client, who: Operator) -> None:
    success, message = done(client.post(f"{USERS}/authenticate", json={"email": who.user, "password": who.password}))
    if not success:
        raise CannotGoOn(f"{who.base} does not let {who.user} in: {message or 'the name or the password is wrong'}")


def _said(answer: httpx.Response) -> str:
    page = _MESSAGE.search(answer.text)
    words = unescape(page[1]) if page else answer.text
    if answer.status_code == 403 and words == "Not authenticated user":
        return "it needs an operator; give --user or --token-file, or set RILLCAST_TOKEN"
    with suppress(ValueError, KeyError, TypeError):
        return str(answer.json()["message"])[:MOST_SAID]
    return words[:MOST_SAID]


def _prompted(user: str) -> str:
    return str(typer.prompt(f"Password of {user}", hide_input=True, err=True))


def _read(file: Path) -> str:
    try:
        return file.read_text().strip()
    except OSError as error:
        raise CannotGoOn(f"cannot read {file}: {error.strerror}") from None
