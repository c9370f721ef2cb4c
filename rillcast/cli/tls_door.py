"""Where signaling listens by TLS, as far as its settings tell. What is wrong with them, signaling itself says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rillcast.runtime.http.certificate import CertificateFault, CertificateFiles, load

DEFAULT_PORT = 5443


@dataclass(frozen=True)
class TlsDoor:
    """How clients on other machines reach signaling."""

    port: int
    """Where it listens; 0 = any free one, which its log names."""
    public_port: int = 0
    """Under which clients reach that port; 0 = the same."""
    names: tuple[str, ...] = ()
    """Names and addresses for which the certificate is valid."""

    def authority(self, address: str) -> str:
        """Host and port for clients: a name of the certificate, else `address`. Empty while nobody knows the port."""
        port = self.public_port or self.port
        host = next((name for name in self.names if not name.startswith("*")), address)
        host = f"[{host}]" if ":" in host else host
        return "" if not port else host if port == 443 else f"{host}:{port}"


def tls_door(environment: Mapping[str, str]) -> TlsDoor | None:
    """None when there is no certificate, so that signaling does not listen by TLS. Reads the certificate's file."""
    certificate, key = _setting(environment, "TLS_CERTIFICATE"), _setting(environment, "TLS_KEY")
    ordered = tuple(name.strip() for name in _setting(environment, "ACME_NAMES").split(",") if name.strip())
    if not certificate and not ordered:
        return None
    names = _names(CertificateFiles(Path(certificate), Path(key))) if certificate else ordered
    port = _number(_setting(environment, "TLS_PORT"), DEFAULT_PORT)
    return TlsDoor(port, _number(_setting(environment, "PUBLIC_TLS_PORT"), 0), names)


def _setting(environment: Mapping[str, str], name: str) -> str:
    """As `NodeSettings` finds it."""
    return environment.get(f"RILLCAST_SIGNALING_{name}", environment.get(f"RILLCAST_{name}", ""))


def _number(text: str, otherwise: int) -> int:
    return int(text) if len(text) <= 5 and text.isascii() and text.isdecimal() and int(text) <= 65_535 else otherwise


def _names(files: CertificateFiles) -> tuple[str, ...]:
    try:
        return load(files.read()).names
    except CertificateFault:
        return ()
