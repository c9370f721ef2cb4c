"""How many clients signaling takes by the memory that it has."""

from __future__ import annotations

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rillcast.runtime.http.memory import PLAIN_BYTES, TLS_BYTES
from services.signaling.app import OTHER_CONNECTIONS, OWN_BYTES, SHARED_BYTES, Room, http_limits, room_in_memory
from services.signaling.config import SignalingSettings

GIB = 1024**3


def settings(max_sockets: int = 20_000, *, tls: bool = False) -> SignalingSettings:
    file = "a file" if tls else ""
    return SignalingSettings(max_sockets=max_sockets, tls_certificate=file, tls_key=file)


def test_where_memory_suffices_the_settings_hold_and_nothing_is_said(caplog: pytest.LogCaptureFixture) -> None:
    assert room_in_memory(settings(), 4 * GIB) == Room(20_000 + OTHER_CONNECTIONS, 20_000)
    assert room_in_memory(settings(tls=True), 4 * GIB).sockets == 20_000
    assert caplog.records == []


def test_with_tls_fewer_fit_and_the_log_says_how_many(caplog: pytest.LogCaptureFixture) -> None:
    plain, encrypted = (room_in_memory(settings(tls=tls), GIB) for tls in (False, True))

    assert 20_000 > plain.sockets > 2 * encrypted.sockets > 0
    said = [vars(line)["rillcast_fields"] for line in caplog.records if line.levelno == logging.WARNING]
    assert [(line["wanted"], line["allowed"], line["tls"]) for line in said] == [
        (20_000, plain.sockets, False),
        (20_000, encrypted.sockets, True),
    ]


@given(st.integers(0, 64 * GIB), st.integers(1, 50_000), st.booleans())
def test_whatever_comes_has_its_memory_or_is_refused(memory: int, max_sockets: int, tls: bool) -> None:
    room = room_in_memory(settings(max_sockets, tls=tls), memory)

    assert 1 <= room.sockets <= max_sockets
    assert room.sockets < room.connections, "whoever is one too many is told so"
    most = OWN_BYTES + SHARED_BYTES + room.connections * (TLS_BYTES if tls else PLAIN_BYTES)
    assert most <= memory or room.connections == 200


def test_the_listener_takes_no_more_than_that() -> None:
    room = room_in_memory(settings(tls=True), GIB)
    limits = http_limits(settings(room.sockets, tls=True), room.connections)

    assert limits.connections <= room.connections
    assert limits.connections_per_address is not None
    assert limits.connections_per_address <= limits.connections // 2
