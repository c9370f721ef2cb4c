"""Certificates for tests, by an authority that nobody else knows."""

from __future__ import annotations

from pathlib import Path

import trustme


class Authority:
    """A certificate authority and the files it has made."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(exist_ok=True)
        self._ca = trustme.CA()
        self.file = folder / "ca.pem"
        self._ca.cert_pem.write_to_path(str(self.file))

    def issue(self, name: str, *identities: str) -> tuple[Path, Path]:
        """The files of certificate and key."""
        made = self._ca.issue_cert(*(identities or (name,)))
        certificate, key = self._folder / f"{name}.pem", self._folder / f"{name}.key"
        certificate.write_bytes(b"".join(pem.bytes() for pem in made.cert_chain_pems))
        made.private_key_pem.write_to_path(str(key))
        return certificate, key
