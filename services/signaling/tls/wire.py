"""Builds TLS: the listener before the node joins the cluster, the rest with it."""

from __future__ import annotations

import time
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.routing import BaseRoute, Route

from rillcast.runtime.errors import StartError
from rillcast.runtime.http.certificate import CertificateFault, CertificateFiles, ServerCertificate, follow_files
from rillcast.runtime.http.server import CLIENTS, bind
from rillcast.runtime.http.tls import TlsListener
from rillcast.runtime.ports import KeyValue
from services.signaling.config import SignalingSettings
from services.signaling.core.domain.region import parse_networks
from services.signaling.tls.adapters.acme_authority import AcmeAuthority
from services.signaling.tls.adapters.http_challenges import HttpChallenges
from services.signaling.tls.adapters.http_plain_port import Asgi, PlainPort
from services.signaling.tls.adapters.kv_certificates import KvCertificates
from services.signaling.tls.domain.plain_http import CHALLENGES
from services.signaling.tls.usecases.renewals import Renewals

LOOPBACK = "127.0.0.0/8,::1/128"


@dataclass(frozen=True)
class Room:
    """What the process serves and runs."""

    routes: list[BaseRoute]
    upkeep: Coroutine[Any, Any, None]
    """Keeps the certificate fresh until cancelled."""


def listen(settings: SignalingSettings) -> TlsListener | None:
    """None without TLS. Raises `StartError` that names the setting. Called before the node joins the cluster."""
    if not settings.has_tls:
        return None
    certificate = ServerCertificate()
    if settings.tls_certificate:
        try:
            certificate.use(_files(settings).read())
        except CertificateFault as error:
            raise StartError(f"RILLCAST_SIGNALING_TLS_CERTIFICATE, …_TLS_KEY: {error}") from error
    return TlsListener(bind(settings.host, settings.tls_port, "RILLCAST_SIGNALING_TLS_PORT", CLIENTS), certificate)


def wire(settings: SignalingSettings, listener: TlsListener, secrets: KeyValue) -> Room:
    """`secrets`: the bucket in which instances share what an authority issued."""
    if settings.tls_certificate:
        return Room([], follow_files(_files(settings), listener.certificate))
    store = KvCertificates(secrets)
    authority = AcmeAuthority(settings.acme_directory, settings.acme_contact, settings.acme_ca_file)
    renewals = Renewals(
        settings.node_id,
        settings.acme_names,
        store=store,
        authority=authority,
        certificate=listener.certificate,
        wall_clock=time.time,
    )
    return Room([Route(CHALLENGES + "{token}", HttpChallenges(store).answer, methods=["GET"])], renewals.run())


def lead_from_plain_port(app: Asgi, settings: SignalingSettings, listener: TlsListener) -> Asgi:
    """Serve only clients that come by TLS, from this machine or through a trusted proxy; lead the others to TLS."""
    port = settings.public_tls_port or listener.sock.getsockname()[1]
    served = parse_networks(f"{LOOPBACK},{settings.trusted_proxies}".rstrip(","))
    return PlainPort(app, port=port, served=served)


def _files(settings: SignalingSettings) -> CertificateFiles:
    return CertificateFiles(Path(settings.tls_certificate), Path(settings.tls_key))
