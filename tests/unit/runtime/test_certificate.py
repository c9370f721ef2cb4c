"""Which certificates a listener takes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from rillcast.runtime.http.certificate import (
    LARGEST_FILE,
    CertificateFault,
    CertificateFiles,
    KeyPair,
    ServerCertificate,
    load,
)

AUTHORITY = trustme.CA()


def issued(*names: str) -> KeyPair:
    leaf = AUTHORITY.issue_cert(*names)
    return KeyPair(b"".join(blob.bytes() for blob in leaf.cert_chain_pems), leaf.private_key_pem.bytes())


GOOD = issued("live.example", "192.0.2.7", "2001:db8::7")


def with_password(key: bytes) -> bytes:
    loaded = load_pem_private_key(key, None)
    return loaded.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))


def test_it_says_for_whom_and_how_long_it_is_valid() -> None:
    loaded = load(GOOD)

    assert loaded.names == ("live.example", "192.0.2.7", "2001:db8::7")
    assert loaded.expires_at > 1_700_000_000


@pytest.mark.parametrize(
    ("pair", "words"),
    [
        (KeyPair(b"", GOOD.key), "no certificate in PEM"),
        (KeyPair(b"\xff" * 100, GOOD.key), "no certificate in PEM"),
        (KeyPair(GOOD.key, GOOD.key), "no certificate in PEM"),
        (KeyPair(GOOD.certificate, b""), "OpenSSL refuses"),
        (KeyPair(GOOD.certificate, GOOD.certificate), "OpenSSL refuses"),
        (KeyPair(GOOD.certificate, issued("live.example").key), "not that of the certificate"),
        (KeyPair(GOOD.certificate, with_password(GOOD.key)), "has a password"),
    ],
)
def test_what_cannot_be_used_is_refused_in_words(pair: KeyPair, words: str) -> None:
    with pytest.raises(CertificateFault, match=words):
        load(pair)


def test_a_bad_certificate_does_not_take_the_place_of_a_good_one() -> None:
    certificate = ServerCertificate()
    certificate.use(GOOD)

    with pytest.raises(CertificateFault):
        certificate.use(KeyPair(GOOD.certificate, b""))

    assert certificate.loaded is not None
    assert certificate.loaded.pair == GOOD


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(CertificateFault, match=r"cannot read .*cert\.pem: No such file"):
        CertificateFiles(tmp_path / "cert.pem", tmp_path / "key.pem").read()


def test_a_file_that_is_far_too_large_is_not_read_to_its_end(tmp_path: Path) -> None:
    (tmp_path / "cert.pem").write_bytes(b"x" * (LARGEST_FILE + 1))

    with pytest.raises(CertificateFault, match="more than"):
        CertificateFiles(tmp_path / "cert.pem", Path("/dev/zero")).read()


def test_nothing_of_the_key_stays_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    load(GOOD)

    assert list(tmp_path.iterdir()) == []


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    """A read that never ends would keep the process from following the files, and from stopping."""
    os.mkfifo(tmp_path / "cert.pem")
    with pytest.raises(CertificateFault, match=r"cannot read .*cert\.pem: it is no regular file"):
        CertificateFiles(tmp_path / "cert.pem", tmp_path / "cert.pem").read()
