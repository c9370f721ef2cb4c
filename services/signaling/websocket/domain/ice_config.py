"""What one socket is told of the app's ICE server, and when."""

from __future__ import annotations

from collections.abc import Callable

from rillcast.contracts.ids import AppName
from rillcast.contracts.records import AppSettings
from services.signaling.core.domain.doors import open_doors
from services.signaling.core.domain.ice_servers import IceServer, ice_server, without_relay
from services.signaling.core.ports import Apps
from services.signaling.websocket.domain import replies
from services.signaling.websocket.domain.effects import Effect, Send


class IceConfig:
    """Of one socket. Ant Media's SDK asks before it publishes or plays. Where everybody must be let in first, it is
    told of the relay later: in the very moment in which it is let in."""

    def __init__(self, app: AppName, apps: Apps, wall_clock: Callable[[], float]) -> None:
        """`wall_clock`: Unix time."""
        self._app = app
        self._apps = apps
        self._wall_clock = wall_clock
        self._owed = False

    def asked(self, *, admitted: bool) -> list[Effect] | None:
        """The answer; None when there is no such app. `admitted`: whether the client was let in for something."""
        settings = self._apps.settings(self._app)
        if settings is None:
            return None
        server = self._server(settings)
        self._owed = server.relays and not admitted and not open_doors(settings)
        return [_told(without_relay(server) if self._owed else server)]

    def admitted(self) -> list[Effect]:
        """The client was let in. It gets what was kept from it before."""
        settings = self._apps.settings(self._app) if self._owed else None
        self._owed = False
        return [_told(self._server(settings))] if settings is not None else []

    def _server(self, settings: AppSettings) -> IceServer:
        return ice_server(settings, self._wall_clock())


def _told(server: IceServer) -> Send:
    return Send(
        replies.frame(
            "iceServerConfig",
            stunServerUri=server.uri,
            turnServerUsername=server.username,
            turnServerCredential=server.credential,
        )
    )
