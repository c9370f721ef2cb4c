"""Who may use REST. Guards of the rows (`endpoint.Guard`) are methods of the gate."""

from __future__ import annotations

from starlette.requests import Request

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import AppName
from services.signaling.core.adapters.http_client_reader import ClientReader
from services.signaling.core.domain.region import IpNetwork, within
from services.signaling.core.ports import Apps
from services.signaling.rest.domain.refusal import Identity, Refusal

NOT_ALLOWED = Refusal(403, "Not allowed IP", plain=True)


class Gate:
    """One per signaling instance."""

    def __init__(self, clients: ClientReader, allowed: tuple[IpNetwork, ...], apps: Apps) -> None:
        """`allowed`: the networks from which clients may ask at all."""
        self._clients = clients
        self._allowed = allowed
        self._apps = apps

    async def operator(self, request: Request) -> Identity | Refusal:
        """Lets in whoever comes from an address that is allowed to use REST."""
        address = self._clients.address(request)
        return Identity(name=str(address)) if within(address, self._allowed) else NOT_ALLOWED

    async def operator_of_app(self, request: Request) -> Identity | Refusal:
        """The same, and the app of the path must be there. Raises UNKNOWN_APP."""
        found = await self.operator(request)
        app = request.path_params["app"]
        if isinstance(found, Identity) and self._apps.settings(AppName(app)) is None:
            raise RillcastError(ErrorCode.UNKNOWN_APP, f"there is no app {app!r} here")
        return found
