"""The certificate that a TLS listener shows, which may be replaced while the listener runs."""

from __future__ import annotations

import asyncio
import os
import ssl
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from cryptography import x509

from rillcast.runtime import metrics
from rillcast.runtime.telemetry.logs import get_logger

log = get_logger(__name__)

LOOK_EVERY_S = 10.0
"""How often the files are read again."""
LARGEST_FILE = 256 * 1024
"""The largest file, in bytes, that is read as a certificate chain or as a key. Real ones have some kilobytes."""


class CertificateFault(ValueError):
    """What is wrong with a certificate or its key, in one sentence."""


@dataclass(frozen=True)
class CertificateFiles:
    """Where a certificate and its key lie, in PEM."""

    certificate: Path
    """The certificate of this server, then those that lead to the root."""
    key: Path
    """Without a password."""

    def read(self) -> KeyPair:
        """Both as they are now. Raises `CertificateFault`. Blocks for the time of the reads."""
        return KeyPair(read_regular(self.certificate), read_regular(self.key))


@dataclass(frozen=True)
class KeyPair:
    """A certificate with its chain, and its key, in PEM."""

    certificate: bytes
    key: bytes


@dataclass(frozen=True)
class Loaded:
    """A certificate that is in use."""

    pair: KeyPair
    context: ssl.SSLContext
    names: tuple[str, ...]
    """Names and addresses for which it is valid."""
    starts_at: float
    """In Unix seconds, as is `expires_at`."""
    expires_at: float


class ServerCertificate:
    """What new connections are shown; those that there are keep what they have seen."""

    def __init__(self) -> None:
        self._loaded: Loaded | None = None

    @property
    def loaded(self) -> Loaded | None:
        """None while there is none, so that nobody can be served."""
        return self._loaded

    def use(self, pair: KeyPair) -> Loaded:
        """Show this certificate from now on. Raises `CertificateFault` and goes on with the former one."""
        self._loaded = load(pair)
        metrics.HTTP_CERTIFICATE_EXPIRES.set(self._loaded.expires_at)
        return self._loaded


def load(pair: KeyPair) -> Loaded:
    """A context for TLS 1.2 and 1.3 with this certificate. Raises `CertificateFault`."""
    leaf = _leaf(pair)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION | ssl.OP_CIPHER_SERVER_PREFERENCE
    context.set_alpn_protocols(["http/1.1"])
    # OpenSSL loads from files only.
    with tempfile.TemporaryDirectory(prefix="rillcast-") as folder:
        certificate, key = Path(folder, "certificate.pem"), Path(folder, "key.pem")
        certificate.write_bytes(pair.certificate)
        key.touch(mode=0o600)
        key.write_bytes(pair.key)
        try:
            context.load_cert_chain(certificate, key, password=_no_password)
        except ssl.SSLError as error:
            raise CertificateFault(_reason(error)) from None
    life = leaf.not_valid_before_utc, leaf.not_valid_after_utc
    return Loaded(pair, context, _names(leaf), *(moment.timestamp() for moment in life))


def starts_later(one: KeyPair, other: KeyPair) -> bool:
    """Whether the first certificate holds from a later time on than the other one. False where one is none."""
    try:
        return _leaf(one).not_valid_before_utc > _leaf(other).not_valid_before_utc
    except CertificateFault:
        return False


def _leaf(pair: KeyPair) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificates(pair.certificate)[0]
    except ValueError:
        raise CertificateFault("there is no certificate in PEM in it") from None


async def follow_files(files: CertificateFiles, certificate: ServerCertificate, every_s: float = LOOK_EVERY_S) -> None:
    """Use what the files have whenever it has changed, until cancelled. What cannot be used is said once and counted;
    the former certificate stays in use."""
    refused: KeyPair | str | None = None
    while True:
        await asyncio.sleep(every_s)
        try:
            pair = await asyncio.to_thread(files.read)
        except CertificateFault as error:
            if refused != str(error):
                _say_refused(files, str(error))
            refused = str(error)
            continue
        if (certificate.loaded is not None and pair == certificate.loaded.pair) or pair == refused:
            continue
        try:
            loaded = await asyncio.to_thread(load, pair)
        except CertificateFault as error:
            refused = pair
            _say_refused(files, str(error))
        else:
            certificate.use(loaded.pair)
            metrics.HTTP_CERTIFICATE_CHANGES.labels("used").inc()
            log.info("Shows a new certificate", names=", ".join(loaded.names), file=str(files.certificate))
            refused = None


def _say_refused(files: CertificateFiles, reason: str) -> None:
    metrics.HTTP_CERTIFICATE_CHANGES.labels("refused").inc()
    log.error("Keeps the former certificate", file=str(files.certificate), reason=reason)


def read_regular(path: Path) -> bytes:
    """What a file of a certificate or a key has, which may be anything. Raises `CertificateFault`. Blocks, but not for
    ever."""
    try:
        with open(path, "rb", opener=_without_waiting) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise CertificateFault(f"cannot read {path}: it is no regular file")
            content = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise CertificateFault(f"cannot read {path}: {error.strerror}") from error
    if len(content) > LARGEST_FILE:
        raise CertificateFault(f"{path} has more than {LARGEST_FILE} bytes")
    return content


def _without_waiting(path: str, flags: int) -> int:
    """A pipe that nobody writes to would keep us here for ever."""
    return os.open(path, flags | os.O_NONBLOCK)


def _no_password() -> NoReturn:
    raise CertificateFault("the key has a password; give a key without one")


def _reason(error: ssl.SSLError) -> str:
    if error.reason == "KEY_VALUES_MISMATCH":
        return "the key is not that of the certificate"
    return f"OpenSSL refuses the certificate or its key: {error.reason or error}"


def _names(leaf: x509.Certificate) -> tuple[str, ...]:
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    return (*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress)))
