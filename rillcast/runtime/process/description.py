"""How a node describes itself to the others."""

from __future__ import annotations

import secrets

from rillcast.contracts.ids import NodeId
from rillcast.contracts.messages import NodeInfo
from rillcast.contracts.words import NodeKind
from rillcast.runtime.process.version import product_version
from rillcast.runtime.settings import MediaSettings, NodeSettings

_ALL_ADDRESSES = {"0.0.0.0", "::"}


def describe(
    settings: NodeSettings, kind: NodeKind, *, advertise_address: str, admin_port: int, http_address: str, identity: str
) -> NodeInfo:
    """The description of a node that starts now. `advertise_address` is an IP address under which others reach this
    machine, and `http_address` is the ``ip:port`` that clients of a signaling node connect to. `identity` is its public
    key. Each call makes up
    another incarnation, so it is called once in the life of a process."""
    host = advertise_address if settings.admin_host in _ALL_ADDRESSES else settings.admin_host
    media: tuple[str, ...] = ()
    if isinstance(settings, MediaSettings):
        media = tuple(settings.advertise_media_addresses) or (advertise_address,)
    return NodeInfo(
        node=NodeId(settings.node_id),
        kind=kind,
        version=product_version(),
        region=settings.region,
        zone=settings.zone,
        admin_address=f"[{host}]:{admin_port}" if ":" in host else f"{host}:{admin_port}",
        media_addresses=media,
        relay_address=advertise_address if media else "",
        http_address=http_address,
        incarnation=secrets.token_hex(8),
        identity=identity,
    )
