"""Addresses that are only named by a forged check, on real sockets with a real peer.

The plane can't tell whether a check was forged, so that a socket which sends one and never answers is the same to it as
the victim of somebody who forges source addresses.
"""

from __future__ import annotations

import hashlib
import hmac
import socket
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rillcast.media import protocol as p
from rillcast.testing.pictures import FRAMES_PER_SECOND
from tests.integration.plane_rig import Published, Rig, frames, peer, publish, rig, view

COOKIE = 0x2112A442
USERNAME, INTEGRITY, PRIORITY, USE_CANDIDATE, FINGERPRINT, CONTROLLING = 0x6, 0x8, 0x24, 0x25, 0x8028, 0x802A
SECONDS = 10
STALLED_S = 8
"""Whoever says nothing for so long gets nothing more: `STALLED_US` of the plane's `session/connectivity.rs`."""


def nomination(username: str, password: str) -> bytes:
    """A Binding request that nominates its path (RFC 8445 §7.1.2)."""
    attributes = b"".join(
        _attribute(kind, value)
        for kind, value in {
            USERNAME: username.encode(),
            PRIORITY: struct.pack("!I", 1),
            USE_CANDIDATE: b"",
            CONTROLLING: bytes(8),
        }.items()
    )
    signed = _message(attributes, 24)
    attributes += _attribute(INTEGRITY, hmac.digest(password.encode(), signed, hashlib.sha1))
    crc = zlib.crc32(_message(attributes, 8)) ^ 0x5354554E
    return _message(attributes + _attribute(FINGERPRINT, struct.pack("!I", crc)), 0)


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("!HH", kind, len(value)) + value + bytes(-len(value) % 4)


def _message(attributes: bytes, to_come: int) -> bytes:
    return struct.pack("!HHI", 1, len(attributes) + to_come, COOKIE) + bytes(12) + attributes


@dataclass
class Victim:
    """An address in whose name checks are sent, and what it got."""

    socket: socket.socket
    came: int = 0
    went: int = 0

    def check(self, datagram: bytes, port: int) -> None:
        self.came += self.socket.sendto(datagram, ("127.0.0.1", port))

    def gather(self) -> None:
        while True:
            try:
                self.went += len(self.socket.recv(65_536))
            except BlockingIOError:
                return


@contextmanager
def victim() -> Iterator[Victim]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.9", 0))
        s.setblocking(False)
        yield Victim(s)


async def nothing(packet: object) -> None:
    """In place of what sends RTCP."""


async def publishing(r: Rig, published: Published) -> None:
    await r.wait_for(lambda e: isinstance(e, p.SessionMedia) and e.session == published.session)


async def test_a_forged_nomination_aims_no_media_at_anybody() -> None:
    async with rig() as r, peer() as publisher, peer() as viewer:
        published = await publish(r, publisher)
        await publishing(r, published)
        watching = await view(r, viewer, published)
        await frames(viewer, 5)
        ice, port = r.ice[watching], r.plane.workers[0].media_port
        with victim() as aimed_at:
            for _ in range(SECONDS):
                aimed_at.check(nomination(f"{ice.local_ufrag}:{ice.remote_ufrag}", ice.local_pwd), port)
                await frames(viewer, 10)
                aimed_at.gather()
        assert 0 < aimed_at.went <= 3 * aimed_at.came


async def test_a_session_whose_client_is_somewhere_else_sends_no_hello_there() -> None:
    async with rig() as r, peer() as publisher, peer() as viewer:
        published = await publish(r, publisher)
        await publishing(r, published)
        offered = await view(r, viewer, published, start=False)
        ice, port = r.ice[offered], r.plane.workers[0].media_port
        with victim() as aimed_at:
            aimed_at.check(nomination(f"{ice.local_ufrag}:{ice.remote_ufrag}", ice.local_pwd), port)
            await r.wait_for(lambda e: isinstance(e, p.SessionClosed) and e.session == offered, 40.0)
            aimed_at.gather()
        assert 0 < aimed_at.went <= 3 * aimed_at.came


async def test_a_viewer_that_sends_no_reports_goes_on_and_one_that_answers_nothing_is_stalled() -> None:
    async with rig() as r, peer() as publisher, peer() as viewer:
        published = await publish(r, publisher)
        await publishing(r, published)
        watching = await view(r, viewer, published)
        await frames(viewer, 2)
        for receiver in viewer.getReceivers():
            vars(receiver)["_send_rtcp"] = nothing
        await frames(viewer, round(1.25 * STALLED_S * FRAMES_PER_SECOND))
        assert r.counted("viewer_stalled") == 0
        vars(viewer.getReceivers()[0].transport.transport._connection)["request_received"] = lambda *_: None
        await r.wait_for(lambda e: isinstance(e, p.WorkerStats) and e.counters.get("viewer_stalled") == 1, 40.0)
        assert not [e for e in r.events if isinstance(e, p.SessionClosed) and e.session == watching]
