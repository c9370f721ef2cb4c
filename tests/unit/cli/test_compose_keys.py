"""The keys of the compose stack: each reader has its own file, and what is there stays."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from cryptography.x509 import DNSName, ExtendedKeyUsage, SubjectAlternativeName
from cryptography.x509.oid import ExtendedKeyUsageOID

from rillcast.cli.compose_keys import further_servers, write_keys
from rillcast.cli.faults import WrongUse
from rillcast.cli.server_certificates import LIFE, RENEW_BEFORE, certificates
from rillcast.cli.tls_files import FIRST, now_utc
from rillcast.contracts.permissions import BusUser
from rillcast.contracts.registry import RegistryUser
from rillcast.contracts.words import NodeKind
from rillcast.runtime.bus.nats_users import public_key
from rillcast.runtime.discovery.consul_acl import read_tokens


def test_each_user_has_a_seed_of_its_own_and_nats_knows_only_the_public_halves(tmp_path: Path) -> None:
    write_keys(tmp_path, own=False)

    users = (tmp_path / "nats/users.conf").read_text()
    seeds = {user: (tmp_path / user / "nats.nkey").read_text().strip() for user in BusUser}
    assert len(set(seeds.values())) == len(BusUser)
    for seed in seeds.values():
        assert f"nkey: {public_key(seed)}" in users
        assert seed not in users


def test_only_its_reader_can_read_a_key(tmp_path: Path) -> None:
    write_keys(tmp_path, own=False)

    tokens = [*tmp_path.glob("*/*.token"), tmp_path / "consul/access.json", *tmp_path.glob("*/*.pem")]
    words = [tmp_path / "grafana/admin-password", tmp_path / "coturn/turn-secret"]
    for path in (*tmp_path.glob("*/nats.nkey"), *words, *tokens):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_second_start_changes_no_key_and_makes_an_emptied_one_anew(tmp_path: Path) -> None:
    write_keys(tmp_path, own=False)
    files = [path for path in tmp_path.glob("*/*") if path.is_file()]
    before = {path: (path.read_text(), path.stat().st_ino) for path in files}
    write_keys(tmp_path, own=False, grafana_password="another")
    assert {path: (path.read_text(), path.stat().st_ino) for path in before} == before, "nobody has to read them again"

    emptied = tmp_path / "edge/nats.nkey"
    emptied.write_text("")
    write_keys(tmp_path, own=False)
    assert public_key(emptied.read_text()) in (tmp_path / "nats/users.conf").read_text()


def test_a_password_that_the_operator_chose_is_taken(tmp_path: Path) -> None:
    write_keys(tmp_path, own=False, grafana_password="chosen")

    assert (tmp_path / "grafana/admin-password").read_text() == "chosen\n"


def test_each_reader_has_its_own_token_for_consul_and_nobody_else_the_managing_one(tmp_path: Path) -> None:
    write_keys(tmp_path, own=False)

    tokens = read_tokens(tmp_path / "consul-setup")
    assert len({tokens.management, *tokens.users.values()}) == 1 + len(RegistryUser)
    for user in set(RegistryUser) - {RegistryUser.AGENT}:
        assert (tmp_path / user / "consul.token").read_text().strip() == tokens.users[user]
    having = {path.parent.name for path in tmp_path.glob("*/*") if tokens.management in path.read_text()}
    assert having == {"consul", "consul-setup"}


def test_each_server_has_its_own_certificate_and_everybody_who_connects_knows_whom_to_trust(tmp_path: Path) -> None:
    assert write_keys(tmp_path, own=False) == FIRST

    assert {path.parent.name for path in tmp_path.glob("*/server.pem")} == {"nats", "consul"}
    copies = {path.parent.name: path.read_text() for path in tmp_path.glob("*/ca.pem")}
    assert set(copies) == {*NodeKind, "prometheus", "consul-setup", "nats"}
    assert len(set(copies.values())) == 1
    secret = [path.parent.name for path in tmp_path.glob("*/*") if "PRIVATE KEY" in path.read_text()]
    assert sorted(secret) == ["consul", "nats"]


def test_a_later_start_renews_certificates_and_keeps_the_keys(tmp_path: Path) -> None:
    write_keys(tmp_path, own=False)
    seeds = {path: path.read_text() for path in tmp_path.glob("*/nats.nkey")}
    assert write_keys(tmp_path, own=False) == ""

    assert "expires on" in write_keys(tmp_path, own=False, clock=lambda: now_utc() + LIFE - RENEW_BEFORE)

    assert {path: path.read_text() for path in seeds} == seeds
    copies = {path.read_text() for path in tmp_path.glob("*/ca.pem")}
    assert [text.count("BEGIN CERTIFICATE") for text in copies] == [2]


def test_new_tokens_begin_an_empty_consul_and_kept_ones_leave_it(tmp_path: Path) -> None:
    write_keys(tmp_path, own=False)
    known = tmp_path / "consul-data/raft/raft.db"
    known.parent.mkdir()
    known.touch()
    write_keys(tmp_path, own=False)
    assert known.exists()

    (tmp_path / "consul-setup/management.token").unlink()
    write_keys(tmp_path, own=False)
    assert not known.exists()


def test_further_servers_have_a_volume_each_and_are_in_the_certificate(tmp_path: Path) -> None:
    write_keys(tmp_path, own=False)
    before = read_tokens(tmp_path / "consul-setup")
    further = further_servers({"NATS_SERVERS": "nats-2, nats-3", "CONSUL_SERVERS": ""})
    assert write_keys(tmp_path, own=False, further=further) != ""

    (certificate, *_) = certificates((tmp_path / "nats/server.pem").read_bytes())
    said = certificate.extensions.get_extension_for_class(SubjectAlternativeName).value
    assert {"nats", "nats-2", "nats-3"} <= set(said.get_values_for_type(DNSName))
    usages = certificate.extensions.get_extension_for_class(ExtendedKeyUsage).value
    assert ExtendedKeyUsageOID.CLIENT_AUTH in usages, "servers show it to each other"
    assert (tmp_path / "nats-2-data").is_dir()
    assert (tmp_path / "nats-3-data").is_dir()
    assert read_tokens(tmp_path / "consul-setup") == before
    assert write_keys(tmp_path, own=False, further=further) == "", "the second time they are good"


@pytest.mark.parametrize("wrong", ["nats", "../x", "A", "a b", "-"])
def test_a_server_that_cannot_be_is_refused(wrong: str) -> None:
    with pytest.raises(WrongUse, match="NATS_SERVERS has"):
        further_servers({"NATS_SERVERS": f"nats-2,{wrong}"})
