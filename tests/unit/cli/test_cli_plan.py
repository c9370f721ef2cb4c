"""What `rillcast up` plans: no two processes share a port, and each gets its own settings."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from rillcast.cli.plan import (
    MAX_PER_KIND,
    Keys,
    Ports,
    ProcessSpec,
    Wishes,
    consul_config,
    infrastructure,
    nats_config,
    services,
)
from rillcast.contracts.registry import RegistryUser
from rillcast.runtime.discovery.consul_acl import Tokens

KEYS = Keys(Path("/keys/seeds"), Path("/keys/tokens"), Path("/keys/tls/ca.pem"))


def everything(wishes: Wishes) -> list[ProcessSpec]:
    return [*infrastructure(wishes, Path("/run"), Path("/bin")), *services(wishes, {}, KEYS)]


@pytest.mark.parametrize("count", [1, 2, MAX_PER_KIND])
def test_no_two_processes_share_a_port(count: int) -> None:
    specs = everything(Wishes(edges=count, origins=count, transcoders=count, consul=Path("/bin/consul")))

    for ports in ([p for s in specs for p in s.tcp_ports], [p for s in specs for p in s.udp_ports]):
        assert [port for port, times in Counter(ports).items() if times > 1] == []


def test_every_process_has_its_own_name_and_node_id() -> None:
    specs = services(Wishes(edges=3, origins=2), {}, KEYS)

    assert [s.name for s in specs] == [
        *("license-1", "origin-1", "origin-2", "edge-1", "edge-2", "edge-3", "transcoder-1", "signaling-1"),
    ]
    for spec in specs:
        kind = spec.name.split("-")[0].upper()
        assert spec.env[f"RILLCAST_{kind}_NODE_ID"] == spec.name


def test_discovery_is_consul_only_when_there_is_one() -> None:
    with_consul = services(Wishes(consul=Path("/bin/consul")), {}, KEYS)
    without = services(Wishes(), {}, KEYS)

    assert {own(s, "DISCOVERY") for s in with_consul} == {"consul"}
    assert {own(s, "DISCOVERY") for s in without} == {"nats"}
    assert [s.name for s in infrastructure(Wishes(), Path("/run"), Path("/bin"))] == ["nats"]


def test_the_http_port_is_the_one_asked_for() -> None:
    signaling = next(s for s in services(Wishes(ports=Ports(http=8080)), {}, KEYS) if s.name == "signaling-1")

    assert signaling.env["RILLCAST_SIGNALING_PORT"] == "8080"
    assert 8080 in signaling.tcp_ports


@pytest.mark.parametrize(
    ("environment", "nodes"),
    [
        ({}, set()),
        ({"RILLCAST_ICE_TCP_CONNECTIONS": "0"}, set()),
        ({"RILLCAST_ICE_TCP_CONNECTIONS": "100"}, {"origin-1", "edge-1"}),
        ({"RILLCAST_ICE_TCP_CONNECTIONS": "100", "RILLCAST_ORIGIN_ICE_TCP_CONNECTIONS": "0"}, {"edge-1"}),
    ],
)
def test_media_ports_have_to_be_free_for_tcp_where_clients_come_by_it(
    environment: dict[str, str], nodes: set[str]
) -> None:
    specs = services(Wishes(), environment, KEYS)

    assert {s.name for s in specs if set(s.udp_ports) & set(s.tcp_ports)} == nodes


def test_the_users_own_drain_time_is_kept() -> None:
    specs = services(Wishes(), {"RILLCAST_DRAIN_TIMEOUT_S": "30", "RILLCAST_NATS_URL": "nats://elsewhere:4222"}, KEYS)

    assert all("RILLCAST_DRAIN_TIMEOUT_S" not in s.env for s in specs)
    assert {own(s, "NATS_URL") for s in specs} == {"tls://127.0.0.1:4222"}


def test_nodes_speak_tls_to_the_servers_of_the_stack_whatever_is_set_for_others() -> None:
    for spec in services(Wishes(consul=Path("/bin/consul")), {}, KEYS):
        assert own(spec, "NATS_URL") == "tls://127.0.0.1:4222"
        assert own(spec, "CONSUL_URL") == "https://127.0.0.1:8500"
        assert {own(spec, "NATS_CA"), own(spec, "CONSUL_CA")} == {"/keys/tls/ca.pem"}
        for name in ("USER", "PASSWORD", "CREDENTIALS", "TOKEN", "CERTIFICATE", "CERTIFICATE_KEY", "SERVER_NAME"):
            assert own(spec, f"NATS_{name}") == ""
        assert own(spec, "CONSUL_CERTIFICATE") == own(spec, "CONSUL_CERTIFICATE_KEY") == ""


def own(spec: ProcessSpec, setting: str) -> str:
    """A setting under the prefix of the service, which counts before any other."""
    return spec.env[f"RILLCAST_{spec.name.split('-', maxsplit=1)[0].upper()}_{setting}"]


def test_nats_listens_on_loopback_by_tls_with_jetstream_on_disk() -> None:
    text = nats_config(4333, Path("/somewhere/nats"), Path("/somewhere/nats.pem"))

    assert 'listen: "127.0.0.1:4333"' in text
    assert 'store_dir: "/somewhere/nats"' in text
    assert "sync_interval: always" in text
    assert 'cert_file: "/somewhere/nats.pem"' in text


def test_consul_listens_on_loopback_by_tls_alone() -> None:
    tokens = Tokens("managing", dict.fromkeys(RegistryUser, "token"))
    config = json.loads(consul_config(8600, Path("/somewhere/consul"), tokens, Path("/somewhere/consul.pem")))

    assert config["client_addr"] == "127.0.0.1"
    assert config["ports"]["https"] == 8600
    assert config["ports"]["http"] == -1
    assert config["tls"]["https"]["cert_file"] == "/somewhere/consul.pem"
    assert config["tls"]["https"]["tls_min_version"] == "TLSv1_3"
