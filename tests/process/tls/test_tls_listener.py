"""A listener with TLS beside its plain one, on real sockets."""

from __future__ import annotations

import asyncio
import gc
import ssl
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme
import websockets

from rillcast.runtime import metrics
from rillcast.runtime.http import tls
from rillcast.runtime.http.acceptor import Arrival
from rillcast.runtime.http.certificate import CertificateFiles, KeyPair, ServerCertificate, follow_files
from rillcast.runtime.http.limits import HttpLimits
from rillcast.runtime.http.places import Place
from rillcast.runtime.http.server import HttpServer, bind
from rillcast.runtime.http.tls import MOST_OF_ADDRESS, Handshakes, TlsListener
from rillcast.runtime.http.transport import BoundedTransport
from rillcast.testing.eventually import eventually, within

Send = Callable[[dict[str, Any]], Awaitable[None]]


async def app(scope: dict[str, Any], receive: Callable[[], Awaitable[dict[str, Any]]], send: Send) -> None:
    """Answers with the scheme of the request; echoes text of WebSockets."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] != "websocket.disconnect":
            if message["type"] == "websocket.receive":
                await send({"type": "websocket.send", "text": f"{scope['scheme']} {message['text']}"})
        return
    body = scope["scheme"].encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


class Both:
    """A server with both listeners, and whom it is known by."""

    def __init__(self, authority: trustme.CA, certificate: ServerCertificate, plain: int, encrypted: int) -> None:
        self.authority = authority
        self.certificate = certificate
        self.plain = plain
        self.encrypted = encrypted

    @property
    def trust(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        self.authority.configure_trust(context)
        return context

    async def get(self) -> str:
        async with httpx.AsyncClient(verify=self.trust, trust_env=False) as client:
            return (await client.get(f"https://127.0.0.1:{self.encrypted}/")).text

    async def shown(self) -> str:
        """The serial number of the certificate that a new connection gets."""
        _reader, writer = await asyncio.open_connection("127.0.0.1", self.encrypted, ssl=self.trust)
        serial: str = writer.get_extra_info("peercert")["serialNumber"]
        writer.close()
        return serial


def pair_of(authority: trustme.CA, *names: str) -> KeyPair:
    leaf = authority.issue_cert(*(names or ("127.0.0.1",)))
    chain = b"".join(blob.bytes() for blob in leaf.cert_chain_pems)
    return KeyPair(chain, leaf.private_key_pem.bytes())


@asynccontextmanager
async def both(*, certified: bool = True, **limits: Any) -> AsyncIterator[Both]:
    authority, certificate = trustme.CA(), ServerCertificate()
    if certified:
        certificate.use(pair_of(authority))
    listener = TlsListener(bind("127.0.0.1", 0, "TLS_PORT"), certificate)
    server = HttpServer(app, bind("127.0.0.1", 0, "PORT"), HttpLimits(**limits), tls=listener)
    await server.start()
    try:
        yield Both(authority, certificate, server.port, listener.sock.getsockname()[1])
    finally:
        await server.stop()


class FilesInPeace(CertificateFiles):
    """They are read by a thread, which never sees one of two new files, or a part of one."""

    quiet = threading.Lock()

    def read(self) -> KeyPair:
        with self.quiet:
            return super().read()


def refused(reason: str) -> float:
    return float(metrics.HTTP_REFUSED.labels(reason)._value.get())


async def test_requests_come_by_tls_and_without() -> None:
    async with both() as server:
        assert await server.get() == "https"
        async with httpx.AsyncClient(trust_env=False) as client:
            assert (await client.get(f"http://127.0.0.1:{server.plain}/")).text == "http"


async def test_websockets_come_by_tls() -> None:
    async with both() as server:
        url = f"wss://127.0.0.1:{server.encrypted}/"
        async with websockets.connect(url, ssl=server.trust) as socket:
            await socket.send("x" * 100_000)
            assert await socket.recv() == "wss " + "x" * 100_000


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_request_in_the_same_packet_as_the_end_of_the_handshake_is_answered(version: ssl.TLSVersion) -> None:
    """TLS 1.3 lets a client send at once; the first bytes then come before the protocol is there."""
    async with both() as server:
        context = server.trust
        context.minimum_version = context.maximum_version = version
        into, out = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = context.wrap_bio(into, out, server_hostname="127.0.0.1")
        reader, writer = await asyncio.open_connection("127.0.0.1", server.encrypted)
        while True:
            try:
                client.do_handshake()
                break
            except ssl.SSLWantReadError:
                writer.write(out.read())
                into.write(await reader.read(65_536))
        client.write(b"GET / HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n")
        writer.write(out.read())  # the client's Finished and the request
        into.write(await reader.read(-1))
        answer = b""
        with suppress(ssl.SSLError):
            while part := client.read(65_536):
                answer += part
        assert answer.endswith(b"https")
        writer.close()


async def test_what_is_no_tls_is_closed_and_counted() -> None:
    before = refused("tls_handshake")
    async with both() as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.encrypted)
        writer.write(b"GET / HTTP/1.1\r\nhost: here\r\n\r\n")
        with suppress(ConnectionError):
            async with within(5, "the end of the connection"):
                await reader.read()
        writer.close()
        await eventually(lambda: refused("tls_handshake") == before + 1)
        assert await server.get() == "https"


async def test_a_handshake_that_does_not_end_is_ended() -> None:
    before = refused("tls_handshake_late")
    async with both(head_timeout_s=0.2) as server:
        silent = [await asyncio.open_connection("127.0.0.1", server.encrypted) for _ in range(20)]
        for reader, writer in silent:
            with suppress(ConnectionError):
                async with within(5, "the end of the late connection"):
                    assert await reader.read() == b""
            writer.close()
        await eventually(lambda: refused("tls_handshake_late") == before + 20)


async def test_connections_count_from_their_acceptance_on_and_silent_ones_give_way() -> None:
    """Of both listeners together, so that silent ones of the one cannot take the place of all descriptors."""
    async with both(connections=5) as server:
        before = refused("gave_way")
        silent = [await asyncio.open_connection("127.0.0.1", server.encrypted) for _ in range(6)]
        with suppress(ConnectionError):
            async with within(5, "the end of the oldest handshake"):
                assert await silent[0][0].read() == b""
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.get(f"http://127.0.0.1:{server.plain}/")
        assert answer.status_code == 200
        assert await server.get() == "https"
        assert refused("gave_way") >= before + 2
        assert not silent[-1][0].at_eof()
        for _, one in silent:
            one.close()


async def _served(server: Both) -> bool:
    try:
        return await server.get() == "https"
    except httpx.TransportError:
        return False


async def test_an_address_has_one_share_of_both_listeners() -> None:
    async with both(connections_per_address=2) as server:
        silent = [await asyncio.open_connection("127.0.0.1", server.encrypted) for _ in range(2)]
        assert await server.get() == "https"
        with suppress(ConnectionError):
            async with within(5, "the end of the oldest handshake"):
                assert await silent[0][0].read() == b""
        assert not silent[1][0].at_eof()
        for _, one in silent:
            one.close()


async def test_the_server_stops_in_the_middle_of_handshakes() -> None:
    async with both() as server:
        silent = [await asyncio.open_connection("127.0.0.1", server.encrypted) for _ in range(5)]
        await server.get()
    for reader, writer in silent:
        with suppress(ConnectionError):
            async with within(5, "the end of the connection"):
                assert await reader.read() == b""
        writer.close()


async def test_without_a_certificate_nobody_is_served_by_tls() -> None:
    before = refused("no_certificate")
    async with both(certified=False) as server:
        assert not await _served(server)
        assert refused("no_certificate") > before
        server.certificate.use(pair_of(server.authority))
        assert await server.get() == "https"


async def test_a_new_certificate_is_shown_without_a_restart_and_a_bad_one_is_not(tmp_path: Path) -> None:
    files = FilesInPeace(tmp_path / "cert.pem", tmp_path / "key.pem")

    def write(pair: KeyPair) -> None:
        with files.quiet:
            files.certificate.write_bytes(pair.certificate)
            files.key.write_bytes(pair.key)

    def changes(outcome: str) -> float:
        return float(metrics.HTTP_CERTIFICATE_CHANGES.labels(outcome)._value.get())

    async with both() as server:
        assert server.certificate.loaded is not None
        write(server.certificate.loaded.pair)
        following = asyncio.create_task(follow_files(files, server.certificate, every_s=0.02))
        first, used, bad = await server.shown(), changes("used"), changes("refused")
        url = f"wss://127.0.0.1:{server.encrypted}/"
        async with websockets.connect(url, ssl=server.trust) as socket:
            write(pair_of(server.authority))
            await eventually(lambda: changes("used") == used + 1)
            second = await server.shown()
            assert second != first
            await socket.send("still here")
            assert await socket.recv() == "wss still here"
        with files.quiet:
            files.key.write_bytes(pair_of(server.authority).key)
        await eventually(lambda: changes("refused") == bad + 1)
        assert await server.shown() == second
        files.key.unlink()
        await eventually(lambda: changes("refused") == bad + 2)
        write(pair_of(server.authority))
        await eventually(lambda: changes("used") == used + 2)
        assert await server.shown() not in {first, second}
        following.cancel()


async def test_one_address_has_few_handshakes_at_a_time_and_another_one_waits_for_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tls, "PATIENCE_S", 3600.0)
    async with both(head_timeout_s=3600.0) as server:
        hello = _hello()
        there = [await asyncio.open_connection("127.0.0.1", server.encrypted) for _ in range(MOST_OF_ADDRESS + 20)]
        for _, writer in there:
            writer.write(hello)
        answered = [asyncio.create_task(reader.read(1)) for reader, _ in there]
        await eventually(lambda: sum(one.done() for one in answered) == MOST_OF_ADDRESS)
        context = server.trust
        context.check_hostname = False
        _, writer = await asyncio.open_connection(
            "127.0.0.1", server.encrypted, local_addr=("127.0.0.2", 0), ssl=context
        )
        writer.close()
        assert sum(one.done() for one in answered) == MOST_OF_ADDRESS
        for _, other in there[:5]:
            other.transport.abort()
        await eventually(lambda: sum(one.done() for one in answered) >= MOST_OF_ADDRESS + 5)
        for one in answered:
            one.cancel()
        for _, other in there:
            other.transport.abort()


async def test_a_client_that_says_nothing_costs_no_handshake(monkeypatch: pytest.MonkeyPatch) -> None:
    begun = list[object]()
    monkeypatch.setattr(Handshakes, "enter", lambda self, handshake: begun.append(handshake))
    async with both() as server:
        _, writer = await asyncio.open_connection("127.0.0.1", server.encrypted)
        async with httpx.AsyncClient(trust_env=False) as client:
            await client.get(f"http://127.0.0.1:{server.plain}/")
        assert not begun
        writer.write(_hello())
        await eventually(lambda: begun)
        writer.close()


async def test_connections_that_have_ended_leave_no_work_to_the_garbage_collector() -> None:
    """Which freezes what lives long, so that such garbage stays for an hour."""
    async with both() as server:
        await server.get()  # whatever is made once
        gc.collect()
        gc.disable()
        try:
            await server.get()
            async with httpx.AsyncClient(trust_env=False) as client:
                await client.get(f"http://127.0.0.1:{server.plain}/")
            async with websockets.connect(f"wss://127.0.0.1:{server.encrypted}/", ssl=server.trust):
                pass
            kinds = (Place, Arrival, BoundedTransport)
            await eventually(lambda: not [one for one in gc.get_objects() if type(one) in kinds])
        finally:
            gc.enable()


def _hello() -> bytes:
    out = ssl.MemoryBIO()
    with suppress(ssl.SSLWantReadError):
        ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), out, server_hostname="here").do_handshake()
    return out.read()
