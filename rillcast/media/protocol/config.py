"""How a node sets its media plane up."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class EgressMode(StrEnum):
    """How media leaves for viewers."""

    SOCKET = "socket"
    """By the UDP socket."""
    AUTO = "auto"
    """Past the socket if the node can do that, otherwise by the socket."""
    RAW = "raw"
    """Past the socket; a node that can't does not start."""


class PlaneConfig(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=False):
    """How a node's media plane is set up."""

    workers: int = 1
    media_bind: tuple[str, ...] = ("0.0.0.0", "::")
    """At most one IPv4 and one IPv6 address."""
    media_port: int = 0
    """First worker's port, the next worker has the next one; 0 = any free port each."""
    tcp_connections: int = 0
    """The clients' TCP connections that each worker takes at its media port (ICE over TCP, RFC 6544); 0 = it does not
    listen there. One address (an IPv4 address, or an IPv6 /64) has as many at most as it leaves free."""
    relay_bind: str = "0.0.0.0"
    relay_port: int = 0
    pin: bool = False
    """Pin worker i to CPU i+1 (modulo their number)."""
    gso: bool = True
    egress: EgressMode = EgressMode.SOCKET
    """How media leaves for viewers. All but `socket` needs what `rillcast.media.raw.claim` opens."""
    handshake_timeout_ms: int = 10_000
    consent_timeout_ms: int = 30_000
    """RFC 7675: no authenticated STUN message or SRTP/SRTCP packet for this long closes the session. After 8 s without
    a packet or an answer, nothing is sent any more."""
    max_half_open: int = 4_000
    """Sessions per worker whose handshake isn't finished; more are refused."""
