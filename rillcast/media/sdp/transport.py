"""ICE and DTLS in descriptions: writes our credentials and candidates, reads the peer's parameters (RFC 8839, RFC
8842)."""

from __future__ import annotations

import base64
import ipaddress
import re
import secrets
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

import msgspec

from rillcast.media.protocol import DtlsParameters, DtlsRole
from rillcast.media.sdp.document import Document, MediaSection, bad, shown

_UFRAG = re.compile(r"[!-~]{4,256}")
_PASSWORD = re.compile(r"[!-~]{22,256}")
_DIGEST_BYTES = {"sha-256": 32, "sha-384": 48, "sha-512": 64, "sha-1": 20}
"""In the order we like them."""
_DEAF_TO_CLOSE_NOTIFY = frozenset({"FFmpeg"})
"""User names of ``o=``. FFmpeg 8 and 9 send any DTLS record back that comes after the handshake, and read their socket
as a blocking one from then on. When nothing follows, they wait for ever, and SIGTERM does not end them."""


class LocalTransport(msgspec.Struct, frozen=True, kw_only=True):
    """Where and how one worker of the media plane is reached by one session."""

    ufrag: str
    pwd: str
    fingerprint: str
    """The SHA-256 fingerprint of our DTLS certificate, as ``AA:BB:…``."""
    addresses: tuple[str, ...]
    """The IPv4 and IPv6 addresses for candidates, the best first."""
    port: int
    tcp: bool = False
    """Whether clients may connect by TCP to the same port."""

    def __post_init__(self) -> None:
        if not self.addresses or not 0 < self.port < 65536:
            raise ValueError("a local transport needs an address and a port")
        for address in self.addresses:
            ip_version(address)


@lru_cache(256)
def ip_version(address: str) -> int:
    """4 or 6. Raises ValueError for what is no address. A node has few addresses and writes them for every session."""
    return ipaddress.ip_address(address).version


class IceCredentials(NamedTuple):
    """The ICE user fragment and password of a peer."""

    ufrag: str
    pwd: str


def new_transport_credentials() -> tuple[str, str]:
    """A new user fragment and password with 48 and 144 random bits (RFC 8445 §5.3 wants at least 24 and 128). Their
    characters are those of base64 (RFC 8839 §5.1), as with browsers."""
    text = base64.b64encode(secrets.token_bytes(24)).decode()
    return text[:8], text[8:]


def local_candidates(local: LocalTransport) -> tuple[str, ...]:
    """A value ``candidate:…`` for every address: host, UDP, component 1, with priorities by their order (RFC 8445
    §5.1.2.1). Then, unless there is no TCP, one for each by TCP, to which the client connects (RFC 6544 §4.5); they are
    what is tried last."""
    udp = (
        f"candidate:{order + 1} 1 udp {(126 << 24) | ((65535 - order) << 8) | 255} {address} {local.port} typ host"
        for order, address in enumerate(local.addresses)
    )
    if not local.tcp:
        return tuple(udp)
    tcp = (
        f"candidate:{len(local.addresses) + order + 1} 1 tcp {_tcp_priority(order)} {address} {local.port} typ host"
        " tcptype passive"
        for order, address in enumerate(local.addresses)
    )
    return (*udp, *tcp)


def _tcp_priority(order: int) -> int:
    """Below all that goes by UDP, and with the direction preference of a passive one (RFC 6544 §4.2)."""
    return (90 << 24) | ((4 << 13 | (8191 - order)) << 8) | 255


def connection_line(address: str) -> str:
    """The ``c=`` line for an address, with its family."""
    return f"c=IN IP{ip_version(address)} {address}"


def transport_lines(local: LocalTransport, setup: str) -> list[str]:
    """The transport attributes of one accepted m-line."""
    return [
        f"a=ice-ufrag:{local.ufrag}",
        f"a=ice-pwd:{local.pwd}",
        f"a=fingerprint:sha-256 {local.fingerprint}",
        f"a=setup:{setup}",
        *(f"a={candidate}" for candidate in local_candidates(local)),
        "a=end-of-candidates",
    ]


def check_credentials(ufrag: str | None, pwd: str | None) -> IceCredentials:
    """Raises `RillcastError` when the credentials are missing or impossible (RFC 8839 §5.4)."""
    if ufrag is None or pwd is None:
        raise bad(f"the description lacks a={'ice-ufrag' if ufrag is None else 'ice-pwd'}")
    if not _UFRAG.fullmatch(ufrag):
        raise bad("a=ice-ufrag must have 4 to 256 visible characters")
    if not _PASSWORD.fullmatch(pwd):
        raise bad("a=ice-pwd must have 22 to 256 visible characters")
    return IceCredentials(ufrag, pwd)


def remote_ice(document: Document, used: Sequence[MediaSection]) -> IceCredentials:
    """The peer's ICE credentials for the m-lines that we use. All of them are on one transport."""
    places = _places(document, used)
    if any("ice-lite" in place for place in places):
        raise bad("the client is an ICE-lite agent (a=ice-lite) like this server; one side must send checks")
    return check_credentials(_find(places, "ice-ufrag"), _find(places, "ice-pwd"))


def remote_setup(document: Document, used: Sequence[MediaSection]) -> str | None:
    """The value of the peer's ``a=setup``; None when it has none."""
    setup = _find(_places(document, used), "setup")
    if setup is not None and setup not in ("actpass", "active", "passive"):
        raise bad(f"a=setup:{shown(setup)} is neither actpass, active nor passive")
    return setup


def remote_dtls(document: Document, used: Sequence[MediaSection], role: str) -> DtlsParameters:
    """The fingerprint of the peer's certificate, with our `role`. Of several, the strongest that we know is taken
    (RFC 8122 §5). Who waits for ever after close_notify gets none."""
    lines: list[str] = next((p["fingerprint"] for p in _places(document, used) if "fingerprint" in p), [])
    if not lines:
        raise bad("the description lacks a=fingerprint; only DTLS-SRTP is possible")
    offered: dict[str, list[str]] = {}
    for name, _, text in (line.partition(" ") for line in lines):
        offered.setdefault(name.lower(), []).append(text.strip().upper())
    for algorithm, size in _DIGEST_BYTES.items():
        if algorithm not in offered:
            continue
        value, *others = dict.fromkeys(offered[algorithm])
        if others:
            raise bad(f"a=fingerprint:{algorithm} is of {1 + len(others)} certificates; one is possible")
        if not re.fullmatch(rf"[0-9A-F]{{2}}(:[0-9A-F]{{2}}){{{size - 1}}}", value):
            raise bad(f"a=fingerprint:{algorithm} does not have {size} bytes in the form AA:BB:…")
        return DtlsParameters(
            role=DtlsRole(role),
            fingerprint_hash=algorithm,
            fingerprint=value,
            close_notify=document.username not in _DEAF_TO_CLOSE_NOTIFY,
        )
    raise bad(f"a=fingerprint uses {shown(next(iter(offered)))}; known are {', '.join(_DIGEST_BYTES)}")


def answered_setup(offered: str | None) -> tuple[str, str]:
    """Our ``a=setup`` and our DTLS role in the answer to an offer. We are the server where possible, since the
    server chooses the SRTP profile."""
    return ("active", "client") if offered == "passive" else ("passive", "server")


def role_from_answer(setup: str | None) -> str:
    """Our DTLS role after we offered ``actpass``. An answer without ``a=setup`` means ``active`` (RFC 4145 §4.1)."""
    if setup == "actpass":
        raise bad("an answer must choose a=setup:active or passive, not actpass")
    return "client" if setup == "passive" else "server"


def _places(document: Document, used: Sequence[MediaSection]) -> list[dict[str, list[str]]]:
    """Where transport attributes may stand, best first: used m-lines, the tagged m-line of the bundle, the session."""
    tagged = [section for section in document.sections if document.bundle and section.mid == document.bundle[0]]
    return [*(section.attributes for section in (*used, *tagged)), document.attributes]


def _find(places: Iterable[dict[str, list[str]]], name: str) -> str | None:
    return next((place[name][0] for place in places if name in place), None)
