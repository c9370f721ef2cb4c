"""Who a client is: what it shows, and where it comes from."""

from __future__ import annotations

import hashlib

import msgspec

from rillcast.cluster.placement import Place
from rillcast.contracts.ids import AppName, StreamId


class Client(msgspec.Struct, frozen=True, kw_only=True):
    """The other end of a socket or request."""

    address: str
    user_agent: str = ""
    place: Place = Place()
    counted_as: str = ""
    """Whom it shares its limits with: an IPv4 address, or an IPv6 /64. Empty = it has none."""


class Credentials(msgspec.Struct, frozen=True, kw_only=True):
    """What a client shows to be let in. Never logged."""

    token: str = ""
    subscriber_id: str = ""
    subscriber_code: str = ""

    @property
    def shown(self) -> bool:
        """Whether anything was shown at all."""
        return bool(self.token or self.subscriber_id)


def credential_digest(app: AppName, stream: StreamId, credentials: Credentials, client: Client) -> str:
    """SHA-256 by which the rightful publisher is known when it returns: over its token or subscriber; without either,
    over its address and browser."""
    if credentials.token:
        shown: tuple[str, ...] = ("token", credentials.token)
    elif credentials.subscriber_id:
        shown = ("subscriber", credentials.subscriber_id, credentials.subscriber_code)
    else:
        shown = ("client", client.address, client.user_agent)
    digest = hashlib.sha256()
    for part in (app, stream, *shown):
        data = part.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(4, "big") + data)
    return digest.hexdigest()
