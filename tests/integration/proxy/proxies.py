"""The reverse proxies of deploy/proxy as real processes, with ports and certificate of a test put in."""

from __future__ import annotations

import os
import re
import shutil
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import trustme

from rillcast.testing.servers import ServerProcess, free_port

CONFIGURATIONS = Path(__file__).resolve().parents[3] / "deploy" / "proxy"
NAME = "live.example.org"
"""In every configuration, for the user to replace."""
UPSTREAM = "127.0.0.1:5080"
_NGINX_FOLDERS = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


@dataclass(frozen=True)
class Place:
    """Where a proxy listens and what it shows."""

    folder: Path
    plain: int
    encrypted: int
    upstream: int


class Proxy:
    """A running one, and a client's view of it."""

    def __init__(self, authority: trustme.CA, place: Place) -> None:
        self.place = place
        self.trust = ssl.create_default_context()
        authority.configure_trust(self.trust)

    @property
    def logged(self) -> str:
        """Everything that it has written: its output, and files."""
        logs = [file for file in self.place.folder.iterdir() if file.suffix == ".log"]
        return "".join(file.read_text(errors="replace") for file in logs)

    @asynccontextmanager
    async def client(self, address: str = "127.0.0.1") -> AsyncIterator[httpx.AsyncClient]:
        """An HTTP client at a loopback address of its own."""
        transport = httpx.AsyncHTTPTransport(verify=self.trust, local_address=address, trust_env=False)
        base, headers = f"https://127.0.0.1:{self.place.encrypted}", {"host": NAME}
        hooks = {"request": [_ask_for_name]}
        async with httpx.AsyncClient(
            transport=transport, base_url=base, headers=headers, event_hooks=hooks, timeout=30
        ) as client:
            yield client


async def _ask_for_name(request: httpx.Request) -> None:
    request.extensions["sni_hostname"] = NAME


def nginx(place: Place) -> list[str]:
    """Includes the file as the distribution's nginx.conf does."""
    site = _fitted(
        "nginx.conf", place, {"listen 80;": f"listen {place.plain};", "listen 443 ": f"listen {place.encrypted} "}
    )
    (place.folder / "site.conf").write_text(site)
    for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"):
        (place.folder / name).mkdir()
    kept = "".join(
        f"{name}_temp_path {place.folder}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (place.folder / "nginx.conf").write_text(
        f"pid {place.folder}/pid; daemon off; error_log stderr; user {'root' if os.geteuid() == 0 else 'nobody'};"
        f"events {{}} http {{ access_log {place.folder}/site.log; {kept} include {place.folder}/site.conf; }}"
    )
    return ["nginx", "-c", str(place.folder / "nginx.conf"), "-e", "stderr"]


def haproxy(place: Place) -> list[str]:
    """As it is."""
    both = (place.folder / "fullchain.pem").read_bytes() + (place.folder / "key.pem").read_bytes()
    (place.folder / "both.pem").write_bytes(both)
    ports = {
        "bind :80": f"bind :{place.plain}",
        "bind :443 ": f"bind :{place.encrypted} ",
        "maxconn 50000": "maxconn 100",
    }
    (place.folder / "haproxy.cfg").write_text(_fitted("haproxy.cfg", place, ports))
    return ["haproxy", "-db", "-f", str(place.folder / "haproxy.cfg")]


def caddy(place: Place) -> list[str]:
    """With a certificate of the test in place of one that it would order."""
    options = f"{{\n\tadmin off\n\thttp_port {place.plain}\n\thttps_port {place.encrypted}\n\tlog default"
    tls = f"{NAME} {{\n\ttls {place.folder}/fullchain.pem {place.folder}/key.pem"
    (place.folder / "Caddyfile").write_text(
        _fitted("Caddyfile", place, {"{\n\tlog default": options, f"{NAME} {{": tls})
    )
    home = f"HOME={place.folder}"
    return ["env", home, "caddy", "run", "--adapter", "caddyfile", "--config", str(place.folder / "Caddyfile")]


def traefik(place: Place) -> list[str]:
    """With the entry points that the file wants, and a certificate of the test in place of one that it would order."""
    files = f"certFile: {place.folder}/fullchain.pem, keyFile: {place.folder}/key.pem"
    certificate = f"\n\ntls:\n  certificates:\n    - {{{files}}}\n"
    site = _fitted("traefik.yml", place, {"tls:\n        certResolver: letsencrypt": "tls: {}"})
    (place.folder / "site.yml").write_text(site + certificate)
    return [
        "traefik",
        "--global.checknewversion=false",
        "--global.sendanonymoususage=false",
        f"--entrypoints.web.address=:{place.plain}",
        f"--entrypoints.web.http.redirections.entrypoint.to=:{place.encrypted}",
        "--entrypoints.web.http.redirections.entrypoint.scheme=https",
        f"--entrypoints.websecure.address=:{place.encrypted}",
        f"--providers.file.filename={place.folder}/site.yml",
    ]


PROXIES: dict[str, Callable[[Place], list[str]]] = {"nginx": nginx, "haproxy": haproxy, "caddy": caddy}
if shutil.which("traefik") is not None:  # no distribution has it, so it is tested where somebody put it
    PROXIES["traefik"] = traefik


@asynccontextmanager
async def proxy(kind: str, folder: Path, upstream: int) -> AsyncIterator[Proxy]:
    """In front of a port of loopback; without the program skips on a laptop and fails where everything has to be."""
    if shutil.which(kind) is None:
        required = os.environ.get("RILLCAST_REQUIRE_ALL") == "1"
        (pytest.fail if required else pytest.skip)(f"there is no {kind} here")
    authority, place = trustme.CA(), Place(folder, free_port(), free_port(), upstream)
    own = authority.issue_cert(NAME)
    (folder / "fullchain.pem").write_bytes(b"".join(blob.bytes() for blob in own.cert_chain_pems))
    own.private_key_pem.write_to_path(folder / "key.pem")
    front = Proxy(authority, place)
    process = ServerProcess(PROXIES[kind](place), folder, lambda: _serves(place.encrypted, front.trust))
    await process.start()
    try:
        yield front
    finally:
        await process.stop()


def _fitted(name: str, place: Place, changes: dict[str, str]) -> str:
    """The file with `changes`, each of which must be to something that is there."""
    text = (CONFIGURATIONS / name).read_text()
    for old, new in (changes | {UPSTREAM: f"127.0.0.1:{place.upstream}"}).items():
        assert old in text, f"{name} has no {old!r}"
        text = text.replace(old, new)
    return re.sub(r"/etc/ssl/rillcast/|/var/log/nginx/", f"{place.folder}/", text)


def _serves(port: int, trust: ssl.SSLContext) -> bool:
    """With the certificate of the test, which some read only after they have begun to listen."""
    with (
        suppress(OSError),
        socket.create_connection(("127.0.0.1", port), timeout=1) as plain,
        trust.wrap_socket(plain, server_hostname=NAME),
    ):
        return True
    return False
