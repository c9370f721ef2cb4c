"""Certificates from a real authority, for real processes with a real store."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import httpx
from cryptography import x509

from rillcast.contracts.words import NodeKind
from rillcast.testing.eventually import eventually
from rillcast.testing.servers import free_port, nats_server
from rillcast.testing.services import service_process
from tests.integration.signaling.pebble import pebble

NAME = "live.rillcast.example"
ORDERS = "rillcast_signaling_certificate_orders_total"


async def shown(port: int) -> x509.Certificate | None:
    """The certificate at a port; None while there is none."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        _reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=NAME)
    except OSError:
        return None
    certificate = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    return x509.load_der_x509_certificate(certificate)


async def orders(admin: str) -> float:
    """How many certificates an instance has asked for."""
    async with httpx.AsyncClient(trust_env=False) as client:
        lines = (await client.get(f"{admin}/metrics")).text.splitlines()
    return sum(
        float(line.split()[-1]) for line in lines if line.startswith("rillcast_signaling_certificate_orders_total{")
    )


async def test_one_instance_orders_and_all_show_what_was_issued(tmp_path: Path) -> None:
    plain, first_port, second_port = free_port(), free_port(), free_port()
    async with nats_server() as nats, pebble(tmp_path, plain) as authority:
        settings: dict[str, object] = {
            "nats_url": nats.url,
            "acme_names": NAME,
            "acme_terms_agreed": "true",
            "acme_directory": authority.directory,
            "acme_ca_file": authority.ca_file,
        }
        async with service_process(
            NodeKind.SIGNALING, tmp_path, **settings, port=plain, tls_port=first_port, node_id="signaling-a"
        ) as first:
            await first.says("Shows a new certificate")
            certificate = await shown(first_port)
            assert certificate is not None
            names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            assert names.get_values_for_type(x509.DNSName) == [NAME]
            assert "Pebble" in certificate.issuer.rfc4514_string()
            assert await orders(first.admin) == 1
            async with service_process(
                NodeKind.SIGNALING, tmp_path, **settings, tls_port=second_port, node_id="signaling-b"
            ) as second:
                await second.says("Shows a new certificate")
                assert await shown(second_port) == certificate
                assert await orders(second.admin) == 0


async def test_a_name_that_leads_elsewhere_is_said_and_not_asked_for_again_at_once(tmp_path: Path) -> None:
    port = free_port()
    async with nats_server() as nats, pebble(tmp_path, http_port=free_port()) as authority:
        settings: dict[str, object] = {
            "nats_url": nats.url,
            "acme_names": NAME,
            "acme_terms_agreed": "true",
            "acme_directory": authority.directory,
            "acme_ca_file": authority.ca_file,
            "tls_port": port,
        }
        async with service_process(NodeKind.SIGNALING, tmp_path, **settings) as signaling:
            await signaling.says("the authority could not see that a name leads here")
            assert "tries_again_in_s=600" in signaling.log
            assert await shown(port) is None
            await eventually(lambda: _is_one(signaling.admin))
            assert "Traceback" not in signaling.log


async def _is_one(admin: str) -> bool:
    return await orders(admin) == 1
