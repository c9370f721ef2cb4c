"""How a process proves to NATS who it is, and NATS to the process: the options of the client, read anew each time."""

from __future__ import annotations

import asyncio
import ipaddress
import re
import ssl
from typing import Any

import nats.errors
import nkeys
from nats.aio.client import Client

from rillcast.runtime.errors import StartError
from rillcast.runtime.settings import NodeSettings


class TlsMissing(nats.errors.Error):
    """The server offers no TLS although the settings demand it. Nothing was sent that proves who we are."""

    def __str__(self) -> str:
        return "the server does not use TLS, which the settings demand"


_NAME = re.compile(rb"[!-9;-~]+")


class TlsClient(Client):
    """A NATS client that sends its credentials only over TLS if the settings demand TLS. The client of nats-py would go
    on without TLS when the server says so."""

    def __init__(self, *, demand_tls: bool) -> None:
        super().__init__()
        self._demand_tls = demand_tls

    def abandon(self) -> None:
        """Give the connection up at once, and connect anew. The client by itself first says goodbye to a server that
        does not answer, and waits up to 30 s for its answer where TLS is used."""
        writer = getattr(self._transport, "_io_writer", None)
        if writer is not None:
            writer.transport.abort()

    @staticmethod
    def _parse_header_lines(raw: bytes) -> dict[str, str]:
        """The headers of one message. nats-py finds the same, and calls a function for each character of each name.
        Called by it for every message that comes."""
        found: dict[str, str] = {}
        for line in raw.split(b"\r\n"):
            name, colon, value = line.partition(b":")
            if colon and _NAME.fullmatch(name := name.strip()) is not None:
                found[name.decode()] = value.strip().decode("utf-8", "replace")
        return found

    def _connect_command(self) -> bytes:
        if self._demand_tls and not self._server_info.get("tls_required"):
            raise TlsMissing
        _join_reader(self)
        return super()._connect_command()


def _join_reader(client: Client) -> None:
    """nats-py goes over to TLS with a reader that does not know its transport. Such a reader cannot hold back a server
    that sends faster than we read, and its buffer has no limit."""
    reader, writer = (getattr(client._transport, name, None) for name in ("_io_reader", "_io_writer"))
    if isinstance(reader, asyncio.StreamReader) and writer is not None and reader._transport is None:  # type: ignore[attr-defined]
        reader.set_transport(writer.transport)
        writer._protocol._over_ssl = True  # else asyncio warns at each end of a connection


def certificate_ends(client: Client) -> float:
    """When the certificate of the server expires that this client is connected to, in Unix seconds; 0 without TLS."""
    writer = getattr(client._transport, "_io_writer", None)
    shown = writer.get_extra_info("ssl_object") if writer is not None else None
    certificate = shown.getpeercert() if shown is not None else None
    return float(ssl.cert_time_to_seconds(certificate["notAfter"])) if certificate else 0.0


def crosses_in_the_clear(client: Client) -> bool:
    """Whether what this process says to the server that it is connected to goes to another machine without TLS."""
    if client._transport is None:
        return False
    writer = getattr(client._transport, "_io_writer", None)
    if writer is None:  # a WebSocket
        url = client.connected_url
        return url is not None and url.scheme == "ws" and url.hostname not in {"localhost", "127.0.0.1", "::1"}
    if writer.get_extra_info("ssl_object") is not None:
        return False
    there, here = writer.get_extra_info("peername"), writer.get_extra_info("sockname")
    if not isinstance(there, tuple) or not isinstance(here, tuple):  # a socket of this machine
        return False
    return not ipaddress.ip_address(there[0].partition("%")[0]).is_loopback and there[0] != here[0]


class Login:
    """What the settings say about NATS, as the client takes it."""

    def __init__(self, settings: NodeSettings) -> None:
        self._settings = settings
        self.demands_tls = bool(settings.nats_ca or settings.nats_certificate) or all(
            url.startswith("tls://") for url in settings.nats_servers
        )

    @property
    def restricted(self) -> bool:
        """Whether this process is a user of its own, with permissions of its own: so it must not try what its kind may
        not do. A token and a URL say nothing about the kind."""
        settings = self._settings
        return bool(settings.nats_nkey.get_secret_value() or settings.nats_user or settings.nats_credentials)

    @property
    def who(self) -> str:
        """The user, in words for an operator."""
        settings = self._settings
        if seed := settings.nats_nkey.get_secret_value():
            return f"the nkey {_public_key(seed)}"
        if settings.nats_user:
            return f"the user {settings.nats_user}"
        if settings.nats_credentials:
            return f"the user of {settings.nats_credentials}"
        return "the token" if settings.nats_token.get_secret_value() else "a user without credentials"

    def options(self) -> dict[str, Any]:
        """For `Client.connect`. Raises `StartError` that names the setting which is wrong."""
        settings, options = self._settings, dict[str, Any]()
        if seed := settings.nats_nkey.get_secret_value():
            _public_key(seed)
            options["nkeys_seed_str"] = seed
        if settings.nats_user:
            options |= {"user": settings.nats_user, "password": settings.nats_password.get_secret_value()}
        if settings.nats_credentials:
            _must_be_readable("NATS_CREDENTIALS", settings.nats_credentials)
            options["user_credentials"] = settings.nats_credentials
        if token := settings.nats_token.get_secret_value():
            options["token"] = token
        if settings.nats_server_name:
            options["tls_hostname"] = settings.nats_server_name
        if self.demands_tls:
            options["tls"] = self.tls()
        return options

    def tls(self) -> ssl.SSLContext:
        """From the files as they are now. Raises `StartError` that names the setting and the file."""
        settings = self._settings
        try:
            context = ssl.create_default_context(cafile=settings.nats_ca or None)
        except (OSError, ssl.SSLError) as error:
            raise StartError(f"RILLCAST_NATS_CA: {settings.nats_ca}: {_words(error)}") from error
        if settings.nats_certificate:
            try:
                context.load_cert_chain(settings.nats_certificate, settings.nats_certificate_key, _no_passphrase)
            except (OSError, ssl.SSLError) as error:
                files = f"{settings.nats_certificate} with {settings.nats_certificate_key}"
                raise StartError(f"RILLCAST_NATS_CERTIFICATE: {files}: {_words(error)}") from error
        return context


def _public_key(seed: str) -> str:
    try:
        return str(nkeys.from_seed(bytearray(seed.strip().encode())).public_key.decode())
    except (nkeys.NkeysError, ValueError) as error:
        raise StartError("RILLCAST_NATS_NKEY: this is not the seed of an nkey, which begins with SU") from error


def _must_be_readable(setting: str, path: str) -> None:
    try:
        with open(path, "rb"):
            return
    except OSError as error:
        raise StartError(f"RILLCAST_{setting}: {path}: {_words(error)}") from error


def _no_passphrase() -> str:
    """Else OpenSSL would ask at the terminal."""
    return ""


def _words(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return f"not usable ({error.reason or 'no PEM'})"
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)
