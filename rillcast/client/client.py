"""A client of one signaling instance."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import httpx

from rillcast.client.api import Api
from rillcast.client.asking import TIMEOUT_S, Asking
from rillcast.client.live import LivePart
from rillcast.client.shapes import SignInBody
from rillcast.client.told import Told
from rillcast.contracts.event_records import ClusterEvent
from rillcast.contracts.status import EVENTS_PATH, LIVE_PATH


class Client(Api):
    """Asks with a token, with a session that somebody began, or as nobody until `sign_in`. TLS is always verified. Not
    for several threads."""

    def __init__(
        self,
        server: str,
        *,
        token: str = "",
        session: str = "",
        timeout_s: float = TIMEOUT_S,
        authority: Path | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """`server`: an URL such as ``https://live.example.org``. `token`: of the machine, or a JWT. `timeout_s`: for a
        connection, and between two parts of an answer. `authority`: a file with the certificates that vouch for the
        server; by default those of the system. `transport`: what carries the requests instead of sockets. Raises
        `ClientError` for what makes no sense."""
        self._ask = Asking(
            server, token=token, session=session, timeout_s=timeout_s, authority=authority, transport=transport
        )
        super().__init__(self._ask)

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close its connections. A session goes on."""
        self._ask.close()

    @property
    def server(self) -> str:
        """The URL, without a slash at its end."""
        return self._ask.server

    @property
    def session(self) -> str:
        """What shows the session to any instance; empty without one. It is a secret."""
        return self._ask.session

    def sign_in(self, email: str, password: str) -> str:
        """Begin a session, which every later call shows. Returns the roles in the server's words. Raises `NotDone` for
        a wrong name or password, or after too many of them."""
        return self.users.sign_in(SignInBody(email=email, password=password)).message or ""

    def listen(
        self, last_event_id: str = "", *, app: str | None = None, stream: str | None = None
    ) -> Iterator[Told[ClusterEvent]]:
        """What happens, as it happens, until the server ends the answer. `last_event_id`: the last one that came; what
        has happened since comes first. `app`, `stream`: only events of these. Raises `ClientError`."""
        headers = {"Last-Event-ID": last_event_id} if last_event_id else {}
        query = {"app": app, "stream": stream}
        return self._ask.events(ClusterEvent, "GET", EVENTS_PATH, query=query, headers=headers)

    def look(self, view: str, **query: str | int) -> Iterator[Told[LivePart]]:
        """What `GET /rillcast/v1/live` tells of a view: all of it first, and then what changes, until the server ends
        the answer. `query`: what the view can be asked for. Raises `ClientError`."""
        return self._ask.events(LivePart, "GET", LIVE_PATH, query={"view": view, **query}, headers={})

    def sign_out(self) -> None:
        """End the session at all instances."""
        self.users.sign_out()
        self._ask.session = ""
