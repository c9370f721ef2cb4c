"""Certificates for the NATS and the Consul that belong to a stack, by an authority that nobody can use afterwards.

The key of the authority is never written: it signs the certificates of one set, and is forgotten. So a new set has a
new authority. Nodes go on trusting the former ones beside it until those expire, since a server may go on showing a
former certificate until it is started again.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

LIFE = timedelta(days=730)
"""Of a set: of its authority and of its certificates."""
RENEW_BEFORE = timedelta(days=365)
"""A set that lives no longer than this is replaced."""
CLOCKS_DIFFER = timedelta(hours=1)
"""By how much the clocks of two machines may differ."""
MOST_FORMER = 3
"""Former authorities that are trusted beside the newest."""


class TlsServer(StrEnum):
    """Who shows a certificate."""

    NATS = "nats"
    CONSUL = "consul"


MoreNames = Mapping[TlsServer, Sequence[str]]
"""Host names and IP addresses of servers, besides those of `names_of`."""
NO_MORE: MoreNames = {}


def names_of(server: TlsServer, more: MoreNames = NO_MORE) -> tuple[str, ...]:
    """Under which nodes reach this server: its name in the compose network, loopback, and `more`."""
    return tuple(dict.fromkeys((server.value, "localhost", "127.0.0.1", "::1", *more.get(server, ()))))


@dataclass(frozen=True)
class CertificateSet:
    """What proves to nodes that a server is the right one."""

    authorities: str
    """Certificates in PEM, which nodes trust: that of this set first. They are no secret."""
    servers: Mapping[TlsServer, str]
    """For each server its certificate, and then its key, in PEM."""


def new_set(now: datetime, former: bytes = b"", more: MoreNames = NO_MORE) -> CertificateSet:
    """Certificates that hold from now on. `former`: the authorities that were trusted until now. `more`: see
    `names_of`."""
    authority = Authority(now)
    servers = {
        # A server of several shows it to the others of its kind as well.
        server: authority.certified(server, names_of(server, more), connects=bool(more.get(server)))
        for server in TlsServer
    }
    return CertificateSet(authority.trusted_with(former), servers)


class Authority:
    """Signs the certificates of one set, and is forgotten."""

    def __init__(self, now: datetime) -> None:
        self._now = now
        self._key = ec.generate_private_key(ec.SECP256R1())
        name, public = _name(f"Rillcast authority {x509.random_serial_number():x}"[:64]), self._key.public_key()
        self.certificate = (
            _builder(name, name, public, now, now + LIFE)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .sign(self._key, hashes.SHA256())
        )

    def trusted_with(self, former: bytes) -> str:
        """Whom nodes trust, in PEM: this authority, and those that they trusted before and that still hold."""
        return in_pem([self.certificate, *_still_valid(former, self._now)[:MOST_FORMER]])

    def certified(self, title: str, names: Iterable[str], *, connects: bool = False) -> str:
        """A certificate for these names with its key, in PEM. `connects`: its server also connects to others of its
        kind, and shows it there."""
        key = ec.generate_private_key(ec.SECP256R1())
        ends, public = self.certificate.not_valid_after_utc, self._key.public_key()
        usages = [ExtendedKeyUsageOID.SERVER_AUTH, *([ExtendedKeyUsageOID.CLIENT_AUTH] if connects else [])]
        certificate = (
            _builder(_name(f"Rillcast {title}"), self.certificate.subject, key.public_key(), self._now, ends)
            .add_extension(x509.SubjectAlternativeName([_alternative(name) for name in names]), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(public), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        secret = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return in_pem([certificate]) + secret.decode("ascii")


def fault(authorities: bytes, servers: Mapping[TlsServer, bytes], now: datetime, more: MoreNames = NO_MORE) -> str:
    """Why a set that was found must be replaced, in words; empty when it is good. `more`: see `names_of`."""
    trusted = certificates(authorities)
    if not trusted:
        return "there is no certificate of an authority"
    for server in TlsServer:
        if wrong := _fault_of(servers.get(server, b""), names_of(server, more), trusted, now):
            return f"the certificate of {server} {wrong}"
    return ""


def certificates(pem: bytes) -> list[x509.Certificate]:
    """Those in the file; none when something else is in it."""
    try:
        return x509.load_pem_x509_certificates(pem)
    except (ValueError, x509.InvalidVersion):
        return []


def in_pem(certificates: Iterable[x509.Certificate]) -> str:
    """The certificates as a file has them."""
    return "".join(one.public_bytes(serialization.Encoding.PEM).decode("ascii") for one in certificates)


def _fault_of(pem: bytes, names: Sequence[str], trusted: list[x509.Certificate], now: datetime) -> str:
    found = certificates(pem)
    if not found:
        return "is missing or broken"
    leaf = found[0]
    try:
        if serialization.load_pem_private_key(pem, None).public_key() != leaf.public_key():
            return "has the key of another one"
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return "has no key"
    for name in names:
        try:
            policy = PolicyBuilder().store(Store(trusted)).time(now)
            policy.build_server_verifier(_alternative(name)).verify(leaf, [])
        except VerificationError as error:
            return f"does not hold for {name}: {error}"
    if leaf.not_valid_after_utc - now <= RENEW_BEFORE:
        return f"expires on {leaf.not_valid_after_utc:%Y-%m-%d}"
    return ""


def _builder(
    subject: x509.Name, issuer: x509.Name, public: ec.EllipticCurvePublicKey, now: datetime, ends: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCKS_DIFFER)
        .not_valid_after(ends)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _still_valid(pem: bytes, now: datetime) -> list[x509.Certificate]:
    return [one for one in certificates(pem) if one.not_valid_after_utc > now]


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _alternative(name: str) -> x509.DNSName | x509.IPAddress:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
