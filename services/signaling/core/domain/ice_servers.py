"""The ICE server an app tells its clients, in the two forms they read."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from ipaddress import IPv6Address

import msgspec

from rillcast.contracts.records import AppSettings

_URI = re.compile(
    r"(?:stuns?|(?P<relay>turns?)):(?:\[(?P<ipv6>[0-9A-Fa-f:.]{2,45})\]|[A-Za-z0-9][A-Za-z0-9._~-]{0,254})"
    r"(?::(?P<port>[0-9]{1,5}))?(?P<query>\?transport=(?i:udp|tcp))?"
)


class IceServer(msgspec.Struct, frozen=True):
    """One server, with what a client shows there."""

    uri: str
    username: str = ""
    credential: str = ""

    @property
    def relays(self) -> bool:
        """Whether it is a TURN server, which costs its owner bandwidth."""
        return self.uri.startswith("turn")


def ice_server(app: AppSettings, now_s: float) -> IceServer:
    """The server of an app, for a client that was let in. `now_s`: Unix time. A name and a password go with a TURN
    server alone: no other one asks for them, and clients that nobody has let in yet are told it. While it has none, it
    is told as a STUN server: no browser makes a peer connection with a relay that asks for nothing.

    With ``turnSecret`` each client gets credentials of its own that end by themselves: the long-term mechanism of RFC
    8489 §9.2 with names and passwords as coturn's REST scheme makes them (``use-auth-secret``).
    """
    uri = app.stun_server_uri
    if not IceServer(uri).relays:
        return IceServer(uri)
    if not app.turn_secret:
        relay = IceServer(uri, app.turn_server_username, app.turn_server_credential)
        return relay if relay.username and relay.credential else without_relay(relay)
    username = f"{int(now_s) + app.turn_credential_life_s}:{app.app_name}"
    mac = hmac.new(app.turn_secret.encode("utf-8", "surrogatepass"), username.encode(), hashlib.sha1)
    return IceServer(uri, username, base64.b64encode(mac.digest()).decode())


def without_relay(server: IceServer) -> IceServer:
    """For a client that gets no relay: a TURN server tells a client its address too (RFC 8489), and needs no name
    for that. Nothing where that takes TLS."""
    if not server.relays:
        return server
    scheme, _, rest = server.uri.partition(":")
    return IceServer(f"stun:{rest.partition('?')[0]}" if scheme == "turn" else "")


def is_ice_uri(text: str) -> bool:
    """A STUN or TURN URI (RFC 7064, RFC 7065) that can stand in a header. With any other one a browser makes no peer
    connection at all."""
    parts = _URI.fullmatch(text)
    if parts is None or not 0 < int(parts["port"] or 1) < 65_536 or (parts["query"] and not parts["relay"]):
        return False
    try:
        return parts["ipv6"] is None or bool(IPv6Address(parts["ipv6"]))
    except ValueError:
        return False


def link_header(app: AppSettings, now_s: float) -> str | None:
    """``Link`` of a WHIP or WHEP answer (RFC 9725 §4.6) to a client that was let in; None when the app has no usable
    server. `now_s`: Unix time."""
    return link_to(ice_server(app, now_s))


def link_to(server: IceServer) -> str | None:
    """The same for one server. A relay whose name or password can't stand in a header is told as a STUN server."""
    if server.relays and not (_fits(server.username) and _fits(server.credential)):
        server = without_relay(server)
    if not is_ice_uri(server.uri):
        return None
    link = f'<{server.uri}>; rel="ice-server"'
    if server.relays:
        name, word = _quoted(server.username), _quoted(server.credential)
        link += f'; username={name}; credential={word}; credential-type="password"'
    return link


def _fits(text: str) -> bool:
    """Whether it can be quoted in a header (RFC 9110 §5.6.4), and says something."""
    return bool(text) and all(" " <= character <= "~" for character in text)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
