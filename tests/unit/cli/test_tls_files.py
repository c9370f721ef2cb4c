"""The certificates of a stack: made once, kept while they are good, and made anew whatever has become of them."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from rillcast.cli import tls_files
from rillcast.cli.server_certificates import (
    CLOCKS_DIFFER,
    LIFE,
    MOST_FORMER,
    RENEW_BEFORE,
    TlsServer,
    certificates,
    fault,
    names_of,
    new_set,
)
from rillcast.cli.tls_files import FIRST, in_folder, keep_in_folder
from rillcast.runtime.secret_files import write_secret

NOW = datetime(2030, 1, 1, tzinfo=UTC)


def keep(folder: Path, at: datetime = NOW) -> str:
    return keep_in_folder(folder, lambda: at)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def is_good(folder: Path, at: datetime = NOW) -> bool:
    found = contents(folder)
    return not fault(found["ca.pem"], {server: found[f"{server}.pem"] for server in TlsServer}, at)


def test_the_first_start_makes_a_set_that_only_its_owner_reads_and_later_ones_keep_it(tmp_path: Path) -> None:
    folder = tmp_path / "run/tls"

    assert keep(folder) == FIRST
    made = contents(folder)
    assert keep(folder, NOW + timedelta(days=300)) == ""

    assert contents(folder) == made
    assert sorted(made) == ["ca.pem", "consul.pem", "nats.pem"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_the_key_of_the_authority_is_nowhere(tmp_path: Path) -> None:
    keep(tmp_path)

    found = contents(tmp_path)
    assert b"PRIVATE KEY" not in found["ca.pem"]
    for server in TlsServer:
        assert found[f"{server}.pem"].count(b"BEGIN PRIVATE KEY") == 1  # its own, which `fault` has looked at
    assert is_good(tmp_path)


def test_a_certificate_is_for_the_names_of_its_server_alone_and_signs_nothing(tmp_path: Path) -> None:
    keep(tmp_path)

    for server in TlsServer:
        (leaf,) = certificates((tmp_path / f"{server}.pem").read_bytes())
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        shown = {*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress))}
        assert shown == set(names_of(server)) == {str(server), "localhost", "127.0.0.1", "::1"}
        assert not leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
        assert list(leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [
            ExtendedKeyUsageOID.SERVER_AUTH
        ]
        assert leaf.not_valid_after_utc == NOW + LIFE


def swap(folder: Path) -> None:
    nats, consul = (folder / f"{server}.pem" for server in (TlsServer.NATS, TlsServer.CONSUL))
    one, other = nats.read_bytes(), consul.read_bytes()
    nats.write_bytes(other)
    consul.write_bytes(one)


def mix_keys(folder: Path) -> None:
    nats, consul = (folder / f"{server}.pem" for server in (TlsServer.NATS, TlsServer.CONSUL))
    leaf = nats.read_bytes().partition(b"-----BEGIN PRIVATE KEY")[0]
    nats.write_bytes(leaf + b"".join(consul.read_bytes().partition(b"-----BEGIN PRIVATE KEY")[1:]))


def cut(path: Path, to: float) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * to)])


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def loop(path: Path) -> None:
    path.unlink()
    path.symlink_to(path)


def of_another(folder: Path) -> None:
    (folder / "nats.pem").write_text(new_set(NOW).servers[TlsServer.NATS])


HARM: dict[str, tuple[Callable[[Path], object], str]] = {
    "no authority": (lambda at: (at / "ca.pem").unlink(), "there is no certificate of an authority"),
    "a cut authority": (lambda at: cut(at / "ca.pem", 0.5), "there is no certificate of an authority"),
    "no certificate": (lambda at: (at / "nats.pem").unlink(), "the certificate of nats is missing or broken"),
    "a cut certificate": (lambda at: cut(at / "consul.pem", 0.3), "the certificate of consul is missing or broken"),
    "a cut key": (lambda at: cut(at / "nats.pem", 0.9), "the certificate of nats has no key"),
    "an empty file": (lambda at: (at / "nats.pem").write_bytes(b""), "the certificate of nats is missing or broken"),
    "noise": (lambda at: (at / "nats.pem").write_bytes(os.urandom(999)), "of nats is missing or broken"),
    "too much": (lambda at: (at / "nats.pem").write_bytes(b"x" * 300_000), "of nats is missing or broken"),
    "another key": (mix_keys, "the certificate of nats has the key of another one"),
    "another server's": (swap, "the certificate of nats does not hold for nats"),
    "another authority": (of_another, "the certificate of nats does not hold for nats"),
    "an unreadable file": (lambda at: loop(at / "consul.pem"), "the certificate of consul is missing or broken"),
    "a pipe": (lambda at: pipe(at / "ca.pem"), "there is no certificate of an authority"),
}


@pytest.mark.parametrize("what", HARM)
def test_whatever_has_become_of_the_files_there_is_a_good_set_afterwards(tmp_path: Path, what: str) -> None:
    harm, why = HARM[what]
    keep(tmp_path)
    before = contents(tmp_path)
    harm(tmp_path)

    assert why in keep(tmp_path)

    assert is_good(tmp_path)
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}
    after = contents(tmp_path)
    assert all(after[f"{server}.pem"] != before[f"{server}.pem"] for server in TlsServer)
    assert keep(tmp_path) == ""


def test_what_cannot_be_replaced_is_an_error_of_the_system(tmp_path: Path) -> None:
    (tmp_path / "nats.pem").mkdir()

    with pytest.raises(OSError, match="Is a directory"):
        keep(tmp_path)


@pytest.mark.parametrize(
    ("later", "why"),
    [
        (LIFE - RENEW_BEFORE - timedelta(minutes=1), ""),
        (LIFE - RENEW_BEFORE, "the certificate of nats expires on 2032-01-01"),
        (LIFE + timedelta(minutes=1), "the certificate of nats does not hold for nats"),
        (-CLOCKS_DIFFER + timedelta(minutes=1), ""),
        (-CLOCKS_DIFFER - timedelta(minutes=1), "the certificate of nats does not hold for nats"),
    ],
    ids=["good", "due", "expired", "the clock went back a little", "not valid yet"],
)
def test_a_set_is_renewed_before_it_expires_and_after_it_has(tmp_path: Path, later: timedelta, why: str) -> None:
    keep(tmp_path)

    reason = keep(tmp_path, NOW + later)

    assert reason.startswith(why)
    assert bool(reason) == bool(why)
    assert is_good(tmp_path, NOW + later)


def test_former_authorities_are_trusted_until_they_expire_and_only_so_many(tmp_path: Path) -> None:
    keep(tmp_path)
    former = contents(tmp_path)
    for _ in range(MOST_FORMER + 2):
        (tmp_path / "nats.pem").unlink()
        keep(tmp_path)
        trusted = certificates((tmp_path / "ca.pem").read_bytes())
        assert len(trusted) <= 1 + MOST_FORMER
    assert len(trusted) == 1 + MOST_FORMER

    keep(tmp_path, NOW + LIFE - RENEW_BEFORE)
    assert len(certificates((tmp_path / "ca.pem").read_bytes())) == 1 + MOST_FORMER
    keep(tmp_path, NOW + LIFE + timedelta(minutes=1))
    ends = {one.not_valid_after_utc for one in certificates((tmp_path / "ca.pem").read_bytes())}
    assert NOW + LIFE not in ends
    assert len(ends) == 2
    assert former["ca.pem"] not in (tmp_path / "ca.pem").read_bytes()


@pytest.mark.parametrize("written", range(3))
def test_a_start_that_is_killed_while_it_writes_leaves_a_set_that_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: int
) -> None:
    keep(tmp_path)
    left = [written]

    def write(path: Path, text: str, owner: int | None = None) -> None:
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        real(path, text, owner)

    real, due = write_secret, NOW + LIFE - RENEW_BEFORE
    monkeypatch.setattr(tls_files, "write_secret", write)
    with pytest.raises(KeyboardInterrupt):
        keep(tmp_path, due)
    monkeypatch.undo()

    assert "expires on" in fault_of(tmp_path, due), "all else of it is in order"
    assert keep(tmp_path, due)
    assert is_good(tmp_path, due)


def fault_of(folder: Path, at: datetime) -> str:
    found = contents(folder)
    return fault(found["ca.pem"], {server: found[f"{server}.pem"] for server in TlsServer}, at)


def test_a_copy_for_a_reader_that_was_lost_is_made_again_without_a_new_set(tmp_path: Path) -> None:
    files = in_folder(tmp_path)
    copies = [tls_files.KeptFile(tmp_path / f"{name}-ca.pem") for name in ("one", "two")]
    files = tls_files.TlsFiles([*files.authorities, *copies], files.servers)
    tls_files.keep_tls(files, NOW)
    before = contents(tmp_path)
    (tmp_path / "ca.pem").unlink()
    (tmp_path / "two-ca.pem").write_text("half of")

    assert tls_files.keep_tls(files, NOW) == ""

    assert contents(tmp_path) == before
