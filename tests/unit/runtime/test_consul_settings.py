"""Settings of the way to Consul: whole, and none that would do nothing."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from rillcast.runtime.discovery.consul_tls import crosses_in_the_clear
from rillcast.runtime.settings import NodeSettings


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (
            {"consul_certificate": "c"},
            "CONSUL_CERTIFICATE and RILLCAST_CONSUL_CERTIFICATE_KEY belong together",
        ),
        ({"consul_certificate_key": "k"}, "belong together: one of them is missing"),
        ({"consul_ca": "ca"}, "RILLCAST_CONSUL_CA is of no use unless RILLCAST_CONSUL_URL has https://"),
        ({"consul_certificate": "c", "consul_certificate_key": "k"}, "RILLCAST_CONSUL_CERTIFICATE is of no use"),
    ],
)
def test_what_contradicts_itself_or_is_of_no_use_is_refused_in_words(given: dict[str, str], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        NodeSettings.model_validate({"discovery": "consul", **given})


@pytest.mark.parametrize(
    ("url", "clear"),
    [
        ("http://consul:8500", True),
        ("http://192.0.2.1:8500", True),
        ("http://[2001:db8::1]:8500", True),
        ("http://127.0.0.1:8500", False),
        ("http://[::1]:8500", False),
        ("http://localhost:8500", False),
        ("https://consul:8501", False),
    ],
)
def test_a_way_to_another_machine_without_tls_is_noticed(url: str, clear: bool) -> None:
    assert crosses_in_the_clear(url) is clear


def test_with_https_they_are_taken() -> None:
    files = {"consul_ca": "ca", "consul_certificate": "c", "consul_certificate_key": "k"}

    assert NodeSettings.model_validate({"discovery": "consul", "consul_url": "https://consul:8501", **files})
