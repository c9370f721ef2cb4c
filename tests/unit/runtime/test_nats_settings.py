"""Settings of the way into NATS: one way only, whole, and a seed that is one."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest
from pydantic import ValidationError

from rillcast.runtime.bus.nats_login import Login, crosses_in_the_clear
from rillcast.runtime.bus.nats_users import new_seed, public_key
from rillcast.runtime.errors import StartError
from rillcast.runtime.settings import NodeSettings


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"nats_nkey": "SU", "nats_token": "t"}, "only one of RILLCAST_NATS_NKEY and RILLCAST_NATS_TOKEN can be sent"),
        ({"nats_user": "u", "nats_password": "p", "nats_credentials": "f"}, "NATS_USER and RILLCAST_NATS_CREDENTIALS"),
        ({"nats_user": "u"}, "RILLCAST_NATS_USER and RILLCAST_NATS_PASSWORD belong together"),
        ({"nats_password": "p"}, "RILLCAST_NATS_USER and RILLCAST_NATS_PASSWORD belong together"),
        ({"nats_certificate": "c"}, "RILLCAST_NATS_CERTIFICATE and RILLCAST_NATS_CERTIFICATE_KEY belong together"),
        ({"nats_certificate_key": "k"}, "RILLCAST_NATS_CERTIFICATE and RILLCAST_NATS_CERTIFICATE_KEY belong together"),
    ],
)
def test_what_contradicts_itself_is_refused_in_words(given: dict[str, str], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        NodeSettings.model_validate(given)


@pytest.mark.parametrize(
    "seed",
    ["secret", "SUAA", "é" * 58, new_seed()[:-1], public_key(new_seed())],
    ids=["a word", "too short", "not ASCII", "cut off", "a public key"],
)
def test_what_is_no_seed_is_refused_without_showing_it(seed: str) -> None:
    login = Login(NodeSettings.model_validate({"nats_nkey": seed}))

    with pytest.raises(StartError, match="RILLCAST_NATS_NKEY: this is not the seed of an nkey") as refusal:
        login.options()
    assert seed not in str(refusal.value)


def test_only_a_user_of_its_own_is_restricted() -> None:
    assert Login(NodeSettings.model_validate({"nats_nkey": new_seed()})).restricted
    assert Login(NodeSettings.model_validate({"nats_user": "edge", "nats_password": "p"})).restricted
    assert Login(NodeSettings.model_validate({"nats_credentials": "edge.creds"})).restricted
    assert not Login(NodeSettings.model_validate({"nats_token": "t"})).restricted
    assert not Login(NodeSettings()).restricted


@pytest.mark.parametrize("urls", ["tls://a,nats://b", "nats://a:1, tls://b:2", "wss://a,ws://b", "tls://a,ws://b"])
def test_servers_with_and_without_tls_are_not_mixed(urls: str) -> None:
    with pytest.raises(ValidationError, match="RILLCAST_NATS_URL: some servers have tls:// and others have not"):
        NodeSettings.model_validate({"nats_url": urls})
    assert Login(NodeSettings.model_validate({"nats_url": urls, "nats_ca": "ca.pem"})).demands_tls


class Writer:
    """Of a connection between two addresses."""

    def __init__(self, there: object, here: object, ssl: object = None) -> None:
        self._known = {"peername": there, "sockname": here, "ssl_object": ssl}

    def get_extra_info(self, name: str) -> object:
        return self._known[name]


@pytest.mark.parametrize(
    ("transport", "url", "clear"),
    [
        (Writer(("192.0.2.1", 4222), ("192.0.2.9", 5)), "nats://a", True),
        (Writer(("2001:db8::1", 4222, 0, 0), ("2001:db8::2", 5, 0, 0)), "nats://a", True),
        (Writer(("192.0.2.1", 4222), ("192.0.2.9", 5), ssl=object()), "tls://a", False),
        (Writer(("192.0.2.1", 4222), ("192.0.2.1", 5)), "nats://a", False),
        (Writer(("127.0.0.1", 4222), ("127.0.0.1", 5)), "nats://a", False),
        (Writer("", ""), "nats://a", False),
        (None, "ws://a.example:80", True),
        (None, "ws://localhost:80", False),
        (None, "wss://a.example", False),
    ],
)
def test_a_way_to_another_machine_without_tls_is_noticed(transport: Writer | None, url: str, clear: bool) -> None:
    client: Any = SimpleNamespace(_transport=SimpleNamespace(_io_writer=transport), connected_url=urlsplit(url))
    assert crosses_in_the_clear(client) is clear


def test_tls_is_demanded_by_its_files_and_by_the_url() -> None:
    assert Login(NodeSettings.model_validate({"nats_ca": "ca.pem"})).demands_tls
    assert Login(NodeSettings.model_validate({"nats_url": "tls://a:4222, tls://b:4222"})).demands_tls
    assert not Login(NodeSettings()).demands_tls
