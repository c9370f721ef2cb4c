"""How a node and Consul prove to each other who they are with TLS, and the client of py-consul that does it so."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import consul.aio
import consul.base

from rillcast.runtime.errors import StartError
from rillcast.runtime.settings import NodeSettings
from rillcast.runtime.telemetry.logs import get_logger

log = get_logger(__name__)

_MAX_CONNECTIONS = 16


def crosses_in_the_clear(url: str) -> bool:
    """Whether what is sent to this address goes to another machine without TLS. A name may be one of this machine; only
    ``localhost`` is known to be."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme != "http" or host == "localhost":
        return False
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return True


class ConsulTls:
    """The context of all connections to Consul. Its files can be renewed while connections are open."""

    def __init__(self, settings: NodeSettings) -> None:
        """Reads the files. Raises `StartError` that names the setting and the file."""
        self._settings = settings
        self._read_at = self._written_at()
        self.context = _context(settings)
        """For new connections."""

    def renew(self) -> None:
        """Use the files for new connections if they have changed: whom to trust, and our own certificate. While they
        are wrong, what they had before stays, and the log says so once."""
        if (written_at := self._written_at()) == self._read_at:
            return
        self._read_at = written_at
        try:
            self.context = _context(self._settings)
        except StartError as error:
            log.error("The certificates for Consul can't be used, the former ones stay", reason=str(error))

    def _written_at(self) -> list[int]:
        settings = self._settings
        files = [settings.consul_ca, settings.consul_certificate, settings.consul_certificate_key]
        try:
            return [Path(file).stat().st_mtime_ns for file in files if file]
        except OSError:
            return []


def _context(settings: NodeSettings) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=settings.consul_ca or None)
    except (OSError, ssl.SSLError) as error:
        raise StartError(f"RILLCAST_CONSUL_CA: {settings.consul_ca}: {_words(error)}") from error
    _show_certificate(context, settings)
    return context


def _show_certificate(context: ssl.SSLContext, settings: NodeSettings) -> None:
    if not settings.consul_certificate:
        return
    try:
        # The empty passphrase keeps OpenSSL from asking at the terminal.
        context.load_cert_chain(settings.consul_certificate, settings.consul_certificate_key, lambda: "")
    except (OSError, ssl.SSLError) as error:
        files = f"{settings.consul_certificate} with {settings.consul_certificate_key}"
        raise StartError(f"RILLCAST_CONSUL_CERTIFICATE: {files}: {_words(error)}") from error


def _words(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return f"not usable ({error.reason or 'no PEM'})"
    return error.strerror or str(error)


def tls_fault(error: Exception) -> str:
    """What is wrong with the TLS of the agent, which waiting does not mend; empty when it is something else."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        cause = error.certificate_error
        words = cause.verify_message if isinstance(cause, ssl.SSLCertVerificationError) else str(cause)
        return f"its certificate is refused: {words} (see RILLCAST_CONSUL_CA)"
    if isinstance(error, aiohttp.ClientSSLError):
        return f"no TLS connection comes about: {error.os_error.strerror or error}"
    below = error.__cause__ or error.__context__ or error
    return f"no TLS connection comes about: {below.reason}" if isinstance(below, ssl.SSLError) else ""


def consul_client(url: str, tls: ConsulTls | None) -> Any:
    """A client of the agent at `url`. With https, exactly `tls` decides whom it trusts. Inside the event loop."""
    parts = urlsplit(url)
    host = parts.hostname or "127.0.0.1"
    return _Consul(
        tls,
        host=f"[{host}]" if ":" in host else host,
        port=parts.port or (443 if parts.scheme == "https" else 80),
        scheme=parts.scheme,
    )


class _Consul(consul.aio.Consul):  # type: ignore[misc]  # py-consul has no types
    def __init__(self, tls: ConsulTls | None, **address: object) -> None:
        self._tls = tls
        super().__init__(**address)

    def http_connect(self, host: str, port: int, scheme: str, *_: object) -> _Http:
        return _Http(self._tls, host, port, scheme)


class _Http(consul.aio.HTTPClient):  # type: ignore[misc]
    """py-consul by itself trusts the authorities of the system beside the one that is named, and never others later."""

    def __init__(self, tls: ConsulTls | None, host: str, port: int, scheme: str) -> None:
        consul.base.HTTPClient.__init__(self, host, port, scheme)
        self._tls = tls
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=_MAX_CONNECTIONS))

    async def _request(
        self,
        callback: Callable[[Any], Any],
        method: str,
        uri: str,
        headers: dict[str, str] | None,
        data: str | bytes | None = None,
        **_: object,
    ) -> Any:
        """A connection that was made with a former context is not used again: aiohttp keeps those apart."""
        context = self._tls.context if self._tls else True
        async with self._session.request(method, uri, headers=headers, data=data, ssl=context) as answer:
            text = await answer.text(encoding="utf-8")
        return callback(consul.base.Response(answer.status, answer.headers, text))
