"""The keys of a cluster as Secrets: made once, kept, and renewed so that nobody is shown what he does not trust."""

from __future__ import annotations

import base64
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from rillcast.cli.kubernetes.api import Json
from rillcast.cli.kubernetes.keys import READERS, keep_keys
from rillcast.cli.server_certificates import LIFE, TlsServer
from rillcast.cli.tls_files import now_utc
from rillcast.contracts.words import NodeKind
from rillcast.runtime.bus.nats_users import public_key

NAMES = {TlsServer.NATS: ["streams-nats"], TlsServer.CONSUL: ["streams-consul"]}


class Cluster:
    """Secrets of a namespace, and the order in which they were written."""

    def __init__(self) -> None:
        self.secrets: dict[str, Json] = {}
        self.written: list[str] = []

    def secret(self, name: str) -> Json | None:
        return self.secrets.get(name)

    def create_secret(self, secret: Json) -> None:
        name = secret["metadata"]["name"]
        assert name not in self.secrets
        self.secrets[name] = secret
        self.written.append(name)

    def change_secret(self, name: str, data: dict[str, str]) -> None:
        self.secrets[name] = {**self.secrets[name], "data": {**self.secrets[name]["data"], **data}}
        self.written.append(name)

    def text(self, reader: str, entry: str) -> str:
        return base64.b64decode(self.secrets[f"k-{reader}"]["data"][entry]).decode()


def kept(cluster: Cluster, folder: Path, *, days: float = 0.0) -> list[str]:
    folder.mkdir()
    return keep_keys(cluster, folder, prefix="k", more_names=NAMES, clock=lambda: now_utc() + timedelta(days=days))


def test_every_reader_has_a_secret_with_its_own_keys(tmp_path: Path) -> None:
    cluster = Cluster()

    written = kept(cluster, tmp_path / "a")

    assert written == [f"k-{reader}" for reader in READERS]
    for kind in NodeKind:
        assert set(cluster.secrets[f"k-{kind}"]["data"]) == {"nats.nkey", "consul.token", "ca.pem"}
        assert public_key(cluster.text(kind, "nats.nkey").strip()) in cluster.text("nats", "users.conf")
    assert len(cluster.text("operator", "password").strip()) >= 20
    assert set(cluster.secrets["k-nats"]["data"]) >= {"users.conf", "server.pem"}
    assert set(cluster.secrets["k-consul"]["data"]) >= {"access.json", "server.pem"}


def test_certificates_hold_for_the_names_in_the_cluster(tmp_path: Path) -> None:
    cluster = Cluster()
    kept(cluster, tmp_path / "a")

    for server, names in NAMES.items():
        leaf = x509.load_pem_x509_certificate(cluster.text(server, "server.pem").encode())
        shown = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert set(names) <= set(shown.get_values_for_type(x509.DNSName))


def test_a_second_call_writes_nothing(tmp_path: Path) -> None:
    cluster = Cluster()
    kept(cluster, tmp_path / "a")

    assert kept(cluster, tmp_path / "b") == []


def test_one_secret_that_was_lost_is_made_again_and_the_others_stay(tmp_path: Path) -> None:
    cluster = Cluster()
    kept(cluster, tmp_path / "a")
    before = {name: secret["data"] for name, secret in cluster.secrets.items()}
    del cluster.secrets["k-edge"]

    written = kept(cluster, tmp_path / "b")

    assert sorted(written) == ["k-edge", "k-nats"], "NATS is told of the new key"
    assert cluster.text("edge", "consul.token") == base64.b64decode(before["k-edge"]["consul.token"]).decode()
    assert cluster.secrets["k-origin"]["data"] == before["k-origin"]


def test_old_certificates_are_renewed_and_first_everybody_trusts_the_new_ones(tmp_path: Path) -> None:
    cluster = Cluster()
    kept(cluster, tmp_path / "a")
    before, seed = cluster.text("nats", "server.pem"), cluster.text("edge", "nats.nkey")

    written = kept(cluster, tmp_path / "b", days=LIFE.days - 100)

    assert cluster.text("nats", "server.pem") != before
    assert cluster.text("edge", "nats.nkey") == seed
    assert written[-2:] == ["k-nats", "k-consul"]
    assert {f"k-{kind}" for kind in NodeKind} <= set(written)
    assert cluster.text("edge", "ca.pem").count("BEGIN CERTIFICATE") == 2, "the former authority is still trusted"


def test_a_new_host_name_makes_new_certificates(tmp_path: Path) -> None:
    cluster = Cluster()
    kept(cluster, tmp_path / "a")
    (tmp_path / "b").mkdir()

    written = keep_keys(cluster, tmp_path / "b", prefix="k", more_names={TlsServer.NATS: ["nats.example.com"]})

    assert "k-nats" in written


@pytest.mark.parametrize("reader", ["nats", "edge"])
def test_an_entry_that_was_emptied_is_made_again(tmp_path: Path, reader: str) -> None:
    cluster = Cluster()
    kept(cluster, tmp_path / "a")
    cluster.secrets[f"k-{reader}"]["data"] = {}

    written = kept(cluster, tmp_path / "b")

    assert f"k-{reader}" in written
