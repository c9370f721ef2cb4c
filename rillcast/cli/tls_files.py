"""The files of the certificates of a stack: made at the first start, kept, and made anew when they are not good."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rillcast.cli.server_certificates import NO_MORE, MoreNames, TlsServer, certificates, fault, in_pem, new_set
from rillcast.runtime.http.certificate import CertificateFault, read_regular
from rillcast.runtime.secret_files import alone_in, write_secret

AUTHORITY = "ca.pem"
FIRST = "this is the first start"


def now_utc() -> datetime:
    """The time by the clock of this machine."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class KeptFile:
    """Where something is written, and who reads it."""

    path: Path
    owner: int | None = None
    """The id of its reader if that is another user, whom only root can name."""


@dataclass(frozen=True)
class TlsFiles:
    """Where the certificates of one stack lie."""

    authorities: Sequence[KeptFile]
    """The same file for each reader."""
    servers: Mapping[TlsServer, KeptFile]
    """The certificate of each server with its key, which are one file so that no reader sees them apart."""


def in_folder(folder: Path) -> TlsFiles:
    """All in one folder, for a stack whose processes are one user of the system."""
    servers = {server: KeptFile(folder / f"{server}.pem") for server in TlsServer}
    return TlsFiles([KeptFile(folder / AUTHORITY)], servers)


def keep_in_folder(folder: Path, clock: Callable[[], datetime] = now_utc) -> str:
    """`keep_tls` for `in_folder`, which nobody but the owner can look into. Raises OSError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    with alone_in(folder):
        return keep_tls(in_folder(folder), clock())


def keep_tls(files: TlsFiles, now: datetime, more: MoreNames = NO_MORE) -> str:
    """Make what is missing and replace what is not good. Returns why there is a new set, or nothing when the kept one
    is good. `more`: names for which the certificates must hold besides. Call it in a block of `alone_in`. Raises
    OSError."""
    texts = [_read(file) for file in files.authorities]
    known = next((text for text in texts if certificates(text)), b"")
    servers = {server: _read(file) for server, file in files.servers.items()}
    reason = fault(known, servers, now, more)
    if reason and not known and not any(servers.values()):
        reason = FIRST
    made = new_set(now, known, more) if reason else None
    trusted = made.authorities if made else in_pem(certificates(known))
    # First whom to trust, then what is shown: whoever is stopped in between leaves a set that works.
    for file, text in zip(files.authorities, texts, strict=True):
        if text != trusted.encode("ascii"):
            write_secret(file.path, trusted, file.owner)
    if made:
        for server, file in files.servers.items():
            write_secret(file.path, made.servers[server], file.owner)
    return reason


def _read(file: KeptFile) -> bytes:
    """Nothing when it cannot be read: then it is written anew."""
    try:
        return read_regular(file.path)
    except CertificateFault:
        return b""
