"""Who a client is: where it comes from, what it shows, and by what it is known when it returns."""

from __future__ import annotations

import hashlib

import msgspec

from rillcast.cluster.placement import Place
from rillcast.contracts.ids import AppName, StreamId
from services.signaling.core.domain.verified_identity import VerifiedIdentity


class Client(msgspec.Struct, frozen=True, kw_only=True):
    """The other end of a socket or request."""

    address: str
    user_agent: str = ""
    origin: str = ""
    """Of the page from which a browser asks; for webhooks."""
    place: Place = Place()
    counted_as: str = ""
    """Whom it shares its limits with: an IPv4 address, or an IPv6 /64. Empty = it has none."""
    shared: bool = False
    """Whether many clients come from its address, or it has none, since a proxy does not name them. `counted_as` stands
    for all of them then, so nothing is held against it alone."""
    forwarded: bool = False
    """Whether its address is that of somebody who forwards it and is no trusted proxy. Nothing may be allowed because
    of such an address."""
    holder: str = ""
    """The id in the secret that we issued to it (`publisher_secret`); empty when it has none."""


class Credentials(msgspec.Struct, frozen=True, kw_only=True):
    """What a client shows to be let in. Never logged."""

    token: str = ""
    subscriber_id: str = ""
    subscriber_code: str = ""

    @property
    def shown(self) -> bool:
        """Whether anything was shown at all."""
        return bool(self.token or self.subscriber_id)


def verified_digest(app: AppName, stream: StreamId, identity: VerifiedIdentity) -> str:
    """SHA-256 by which a publisher is known when it returns, also with a renewed token; empty for nobody."""
    return _digest("verified", app, stream, identity.proof.name, identity.subject) if identity else ""


def secret_digest(app: AppName, stream: StreamId, client: Client) -> str:
    """SHA-256 by which the holder of our secret is known; empty without one."""
    return _digest("secret", app, stream, client.holder) if client.holder else ""


def _digest(*parts: str) -> str:
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(4, "big") + data)
    return digest.hexdigest()
