"""Where the workers of a node are reached."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from rillcast.node.addresses import MediaAddresses


class Ports(NamedTuple):
    media_port: int
    relay_port: int


def addresses(relay: str = "192.0.2.7") -> MediaAddresses:
    workers = (Ports(50_000, 51_000), Ports(50_001, 51_001))
    return MediaAddresses("AA:BB", workers, ("192.0.2.1", "2001:db8::1"), relay)


def test_a_session_gets_the_addresses_of_the_node_and_the_port_of_its_worker() -> None:
    transport = addresses().transport(1)

    assert (transport.addresses, transport.port) == (("192.0.2.1", "2001:db8::1"), 50_001)
    assert transport.fingerprint == "AA:BB"


def test_clients_are_told_of_tcp_only_where_the_workers_listen() -> None:
    made = MediaAddresses("AA:BB", (Ports(50_000, 51_000),), ("192.0.2.1",), "192.0.2.7", tcp=True)

    assert made.transport(0).tcp
    assert not addresses().transport(0).tcp


def test_every_session_has_credentials_of_its_own() -> None:
    made = addresses()

    credentials = {(made.transport(0).ufrag, made.transport(0).pwd) for _ in range(20)}

    assert len(credentials) == 20


@pytest.mark.parametrize(
    ("address", "worker", "relay"),
    [
        ("192.0.2.7", 0, "192.0.2.7:51000"),
        ("192.0.2.7", 1, "192.0.2.7:51001"),
        ("2001:db8::7", 0, "[2001:db8::7]:51000"),
    ],
)
def test_other_nodes_reach_the_relay_socket_of_a_worker(address: str, worker: int, relay: str) -> None:
    assert addresses(address).relay(worker) == relay
