"""The ICE server an app tells its clients, in the two forms they read."""

from __future__ import annotations

import re

from rillcast.contracts.records import AppSettings

_URI = re.compile(r"(?:stun|stuns|turn|turns):[A-Za-z0-9._~:\[\]?=&%-]{1,255}")


def is_ice_uri(text: str) -> bool:
    """A STUN or TURN URI (RFC 7064, RFC 7065) that can stand in a header."""
    return _URI.fullmatch(text) is not None


def link_header(app: AppSettings) -> str | None:
    """``Link`` of a WHIP or WHEP answer (RFC 9725 §4.6); None when the app has no usable server."""
    uri = app.stun_server_uri
    if not is_ice_uri(uri):
        return None
    link = f'<{uri}>; rel="ice-server"'
    if uri.startswith("turn"):
        name, word = _quoted(app.turn_server_username), _quoted(app.turn_server_credential)
        link += f'; username={name}; credential={word}; credential-type="password"'
    return link


def _quoted(text: str) -> str:
    shown = "".join(c for c in text if " " <= c <= "~")
    return '"' + shown.replace("\\", "\\\\").replace('"', '\\"') + '"'
