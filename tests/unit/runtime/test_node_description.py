"""How a node describes itself, and that every description may travel."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from rillcast.contracts.decoding import decode_json
from rillcast.contracts.messages import NodeInfo
from rillcast.contracts.words import NodeKind
from rillcast.runtime.process.description import describe
from rillcast.runtime.settings import MediaSettings, NodeSettings, env_prefix


class EdgeSettings(MediaSettings):
    model_config = env_prefix("edge")


class LicenseSettings(NodeSettings):
    model_config = env_prefix("license")


def described(settings: NodeSettings, kind: NodeKind = NodeKind.EDGE, **named: Any) -> NodeInfo:
    values: dict[str, Any] = {
        "advertise_address": "192.0.2.7",
        "admin_port": 9100,
        "http_address": "",
        "identity": "key",
    } | named
    return describe(settings, kind, **values)


@pytest.mark.parametrize(
    ("host", "address", "expected"),
    [
        ("0.0.0.0", "192.0.2.7", "192.0.2.7:9100"),
        ("::", "2001:db8::7", "[2001:db8::7]:9100"),
        ("127.0.0.1", "192.0.2.7", "127.0.0.1:9100"),
    ],
)
def test_the_admin_address_is_one_that_others_reach(host: str, address: str, expected: str) -> None:
    assert described(EdgeSettings(admin_host=host), advertise_address=address).admin_address == expected


def test_only_media_nodes_have_media_and_relay_addresses() -> None:
    edge, license = described(EdgeSettings()), described(LicenseSettings(), NodeKind.LICENSE)
    assert (edge.media_addresses, edge.relay_address) == (("192.0.2.7",), "192.0.2.7")
    assert (license.media_addresses, license.relay_address) == ((), "")


def test_media_may_have_addresses_of_its_own() -> None:
    info = described(EdgeSettings(advertise_media_addresses=["203.0.113.1", "203.0.113.2"]))
    assert (info.media_addresses, info.relay_address) == (("203.0.113.1", "203.0.113.2"), "192.0.2.7")


def test_each_start_is_another_incarnation() -> None:
    settings = EdgeSettings()
    assert described(settings).incarnation != described(settings).incarnation


def test_the_longest_settings_make_a_description_that_others_read() -> None:
    info = described(EdgeSettings(node_id="n" * 64, region="r" * 64, zone="z" * 64))
    assert decode_json(msgspec.json.encode(info), NodeInfo) == info
