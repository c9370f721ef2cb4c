"""The settings of signaling, and a start that waits for the store."""

from __future__ import annotations

import asyncio
import logging

import pytest
from pydantic import ValidationError

from rillcast.runtime.process.readiness import Readiness
from rillcast.testing.eventually import eventually
from rillcast.testing.kv import FakeKeyValue
from services.signaling.config import SignalingSettings
from services.signaling.core.adapters.kv_secret import KEEP_EVERY_S, KEY, KEY_BYTES, keep_key, wait_for_key


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("apps", "live,a/b"),
        ("trusted_proxies", "10.0.0.0/99"),
        ("remote_allowed_cidr", "me"),
        ("region_order", "eu"),
        ("geo_regions", "DE"),
        ("port", 70_000),
    ],
)
def test_settings_that_make_no_sense_are_refused_by_name(field: str, value: object) -> None:
    with pytest.raises(ValidationError) as caught:
        SignalingSettings.model_validate({field: value})
    assert caught.value.errors()[0]["loc"] == (field,)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"tls_certificate": "cert.pem"}, "belong together"),
        ({"tls_key": "key.pem"}, "belong together"),
        ({"acme_names": "live.example"}, "needs acme_terms_agreed=true"),
        ({"acme_names": "live.example", "acme_terms_agreed": True, "tls_certificate": "c", "tls_key": "k"}, "not both"),
        ({"acme_names": "*.example", "acme_terms_agreed": True}, "no full host name"),
        ({"acme_names": "localhost", "acme_terms_agreed": True}, "no full host name"),
        ({"acme_names": "192.0.2.7", "acme_terms_agreed": True}, "no full host name"),
    ],
)
def test_tls_settings_that_do_not_fit_together_are_refused(values: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        SignalingSettings.model_validate(values)


@pytest.mark.parametrize(
    ("values", "has_tls"),
    [
        ({}, False),
        ({"tls_certificate": "cert.pem", "tls_key": "key.pem"}, True),
        ({"acme_names": "live.example, www.live.example", "acme_terms_agreed": True}, True),
    ],
)
def test_there_is_tls_when_there_is_a_certificate(values: dict[str, object], has_tls: bool) -> None:
    assert SignalingSettings.model_validate(values).has_tls is has_tls


def test_default_apps() -> None:
    assert SignalingSettings().apps == ["live", "LiveApp", "WebRTCAppEE"]


async def test_a_start_that_waits_for_a_usable_key_says_why_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    store, readiness = FakeKeyValue(), Readiness()
    await store.put(KEY, b"short")
    waiting = asyncio.create_task(wait_for_key(store, readiness))
    await asyncio.sleep(150.5)

    said = [line for line in caplog.records if line.levelno >= logging.WARNING]
    assert [vars(line)["rillcast_fields"] for line in said] == 3 * [{"reason": readiness.reasons["signing key"]}]

    await store.put(KEY, b"0" * KEY_BYTES)
    assert await waiting == b"0" * KEY_BYTES


async def test_a_key_that_the_store_has_lost_is_put_back_before_another_is_made(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store, readiness = FakeKeyValue(), Readiness()
    key = await wait_for_key(store, readiness)
    keeping = asyncio.create_task(keep_key(store, key))
    store.lose_state()
    store.available = False
    await asyncio.sleep(3 * KEEP_EVERY_S)
    store.available = True
    await asyncio.sleep(2 * KEEP_EVERY_S)
    assert await wait_for_key(store, readiness) == key
    assert [line.levelno for line in caplog.records] == [logging.WARNING]
    keeping.cancel()


async def test_another_key_in_the_store_is_said_once_and_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    store, other = FakeKeyValue(), b"1" * KEY_BYTES
    await store.put(KEY, other)
    keeping = asyncio.create_task(keep_key(store, b"0" * KEY_BYTES))
    await asyncio.sleep(10 * KEEP_EVERY_S)
    assert await wait_for_key(store, Readiness()) == other
    assert [line.levelno for line in caplog.records] == [logging.ERROR]
    keeping.cancel()


async def test_a_start_that_waits_for_the_store_can_be_broken_off() -> None:
    store, readiness = FakeKeyValue(), Readiness()
    store.available = False
    waiting = asyncio.create_task(wait_for_key(store, readiness))
    await eventually(lambda: not readiness.ready)

    waiting.cancel()

    with pytest.raises(asyncio.CancelledError):
        await waiting
