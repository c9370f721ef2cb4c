"""Spans leave the process by OTLP over HTTP."""

from __future__ import annotations

import asyncio
import sys

from rillcast.testing.eventually import within

PROGRAM = """
import sys
from rillcast.runtime.telemetry.tracing import Tracing, configure_tracing, flush_tracing, tracer
configure_tracing("edge", "edge-7", "1.2", Tracing(sys.argv[1]))
with tracer("test").start_as_current_span("a span to be seen"):
    pass
flush_tracing()
"""


async def test_spans_are_sent_with_service_and_instance() -> None:
    got: list[bytes] = []

    async def collect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        got.append(head + await reader.readexactly(int(length.split(b":")[1])))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(collect, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server, within(30, "the traces and the end of the process"):
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", PROGRAM, url)
        assert await process.wait() == 0
    assert got[0].startswith(b"POST /v1/traces ")
    for part in (b"rillcast-edge", b"edge-7", b"a span to be seen"):
        assert part in got[0]


async def test_an_absent_collector_does_not_keep_the_process() -> None:
    async with within(30, "the end of the process"):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", PROGRAM, "http://127.0.0.1:9", stderr=asyncio.subprocess.DEVNULL
        )
        assert await process.wait() == 0
