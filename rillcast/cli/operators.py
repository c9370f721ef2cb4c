"""Asking signaling as an operator: with the token that lies on this machine, a token from elsewhere, a session that
`rillcast login` began, or a password."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import typer

from rillcast.cli.faults import CannotGoOn
from rillcast.cli.run_folder import RunFolder
from rillcast.cli.session_file import SessionFile
from rillcast.client import Client, ClientError, NotAllowed, NotDone, NotFound, Refused, Unreachable

DEFAULT_URL = "http://127.0.0.1:5080"
NOBODY = "Not authenticated user"
"""What signaling says to whoever shows nothing that holds."""
NO_MESSAGE = "Not Found"
"""What an answer says that has no words of its own."""


@dataclass(frozen=True)
class Operator:
    """Which signaling node is asked, and what is shown to it."""

    base: str
    """Without a slash at the end."""
    token: str = field(default="", repr=False)
    user: str = ""
    password: str = field(default="", repr=False)
    session: str = field(default="", repr=False)
    authority: Path | None = None
    """A file with the certificates that vouch for it; None: those of the system."""
    by: str = "nothing"
    """What is shown, in words."""


def operator(
    url: str, folder: RunFolder, token_file: Path | None, user: str, *, authority: Path | None = None
) -> Operator:
    """What was given counts; else the token that signaling left on this machine, which is shown to no other address;
    else a session that was begun with this server. Raises CannotGoOn."""
    base, running = address(url, folder), folder.url()
    if user:
        password = os.environ.get("RILLCAST_PASSWORD") or prompted(user)
        return Operator(base, user=user, password=password, authority=authority, by=f"the password of {user}")
    token, by = _token(base, url, running, folder, token_file)
    if token:
        return Operator(base, token=token, authority=authority, by=by)
    kept = SessionFile.of_user().of(base)
    if kept is None:
        return Operator(base, authority=authority)
    return Operator(base, session=kept.cookie, authority=authority, by=f"the session of {kept.user}")


def address(url: str, folder: RunFolder) -> str:
    """The instance that is asked: what was given, else the stack of this folder, else the last login. Raises
    CannotGoOn."""
    return (url or folder.url() or SessionFile.of_user().latest() or DEFAULT_URL).rstrip("/")


@contextmanager
def asking(who: Operator) -> Iterator[Client]:
    """A client that is let in, if what it shows holds. What a password began ends with the block. Raises CannotGoOn in
    words when nothing runs there, or something else, or the node refuses."""
    try:
        with client_of(who) as client:
            if who.user:
                sign_in(client, who)
            try:
                yield client
            finally:
                if who.user and client.session:
                    with suppress(ClientError):
                        client.sign_out()
    except ClientError as error:
        raise in_words(who.base, error) from None


def client_of(who: Operator) -> Client:
    """One that has not asked anything yet. Raises `ClientError`."""
    return Client(who.base, token=who.token, session=who.session, authority=who.authority)


def sign_in(client: Client, who: Operator) -> None:
    """Begin a session with the password. Raises CannotGoOn and `ClientError`."""
    try:
        client.sign_in(who.user, who.password)
    except NotDone as error:
        why = str(error) if "Too many" in str(error) else "the name or the password is wrong"
        raise CannotGoOn(f"{who.base} does not let {who.user} in: {why}") from None


def in_words(base: str, error: ClientError) -> CannotGoOn:
    """What went wrong, and what helps."""
    match error:
        case NotAllowed() if str(error) == NOBODY:
            helps = (
                "it needs an operator; sign in: rillcast login, or give --user or --token-file, or set RILLCAST_TOKEN"
            )
            return CannotGoOn(f"{base} answers {error.status}: {helps}")
        case NotFound() if str(error) == NO_MESSAGE:
            return CannotGoOn(f"{base} answers 404: there is nothing of that name")
        case Refused():
            return CannotGoOn(f"{base} answers {error.status}: {error}")
        case Unreachable() if str(error).startswith("nothing answers"):
            here = "; start it with: make run" if base.split(":")[1:2] in (["//127.0.0.1"], ["//localhost"]) else ""
            return CannotGoOn(f"nothing runs at {base}{here}")
    return CannotGoOn(str(error))


def open_apps(url: str, token: str) -> list[str]:
    """The apps in which everybody may publish or play. Raises CannotGoOn."""
    with asking(Operator(url.rstrip("/"), token=token)) as client:
        return [app.app for app in client.applications.list_apps() if app.open_to]


def prompted(user: str) -> str:
    """The password that somebody types. Raises CannotGoOn where nobody can."""
    try:
        return str(typer.prompt(f"Password of {user}", hide_input=True, err=True))
    except typer.Abort:
        raise CannotGoOn(f"no password for {user}: set RILLCAST_PASSWORD, or type it") from None


def _token(base: str, url: str, running: str | None, folder: RunFolder, file: Path | None) -> tuple[str, str]:
    """The token to show and what it is; two empty texts when there is none."""
    if file is not None:
        return _read(file), f"the token in {file}"
    if token := os.environ.get("RILLCAST_TOKEN", ""):
        return token, "the token of RILLCAST_TOKEN"
    if running is not None and base == running.rstrip("/"):
        return folder.token(), "the token of this machine"
    path = os.environ.get("RILLCAST_SIGNALING_LOCAL_TOKEN_PATH", "")
    return (_read(Path(path)), "the token of this machine") if path and not url else ("", "")


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii").strip()
    except OSError as error:
        raise CannotGoOn(f"cannot read {file}: {error.strerror}") from None
    except UnicodeError:
        raise CannotGoOn(f"{file} holds no token") from None
