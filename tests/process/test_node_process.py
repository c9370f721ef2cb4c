"""A node as a process: how it starts, refuses to start, and ends."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from contextlib import suppress

import httpx

from rillcast.testing.eventually import eventually, within
from rillcast.testing.servers import free_port, nats_server

PROGRAM = """
import asyncio, sys
from rillcast.contracts.words import NodeKind
from rillcast.runtime.process.entry import run_service
from rillcast.runtime.process.node import Node
from rillcast.runtime.settings import NodeSettings, env_prefix

class Settings(NodeSettings):
    model_config = env_prefix("license")

async def run(settings):
    async with Node(settings, NodeKind.LICENSE) as node:
        async def leave():
            print("drained", "ready" if node.readiness.ready else "not ready", flush=True)
            await asyncio.sleep(float(sys.argv[1]))
        async def crash():
            raise RuntimeError("on purpose")
        async def stubborn():  # as asyncio.wait_for when cancellation and answer come at once
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                await asyncio.sleep(3600)
        node.on_drain(leave)
        if sys.argv[2:] == ["stubborn"]:
            node.spawn(stubborn(), "stubborn")
        if sys.argv[2:] == ["crash"]:
            node.spawn(crash(), "crasher")
        await node.until_stopped()

run_service(run, Settings)
"""


async def start(*arguments: str, **settings: str) -> Process:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("RILLCAST_")}
    environment |= {f"RILLCAST_{name.upper()}": value for name, value in settings.items()}
    return await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, *(arguments or ("0",)), env=environment, stdout=PIPE, stderr=PIPE
    )


async def outcome(process: Process) -> tuple[int | None, list[str], str]:
    async with within(30, "the end of the process"):
        out, err = await process.communicate()
    return process.returncode, err.decode().splitlines(), out.decode()


def signal_to(process: Process, number: signal.Signals) -> None:
    """Not by asyncio, which may lose the exit code of a process that ends at that moment."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.kill(process.pid, number)


async def ready(port: int) -> httpx.Response:
    """The first answer of /readyz that says ready."""

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.get(f"http://127.0.0.1:{port}/readyz")
        assert answer.status_code == 200, answer.text
        return answer

    return await eventually(ask, 30, "the node being ready", not_yet=(AssertionError, httpx.TransportError))


async def test_without_nats_it_waits_then_gives_up_in_one_line() -> None:
    url = f"nats://user:pass@127.0.0.1:{free_port()}"
    code, lines, _ = await outcome(await start(nats_url=url, connect_timeout_s="4"))
    assert code == 1
    assert any("Waiting for NATS" in line for line in lines)
    assert "Cannot start" in lines[-1]
    assert "is not reachable" in lines[-1]
    assert not any("Traceback" in line or "pass" in line for line in lines)


async def test_a_busy_admin_port_is_one_line() -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1]
        code, lines, _ = await outcome(await start(admin_port=str(port)))
    assert code == 1
    assert f"port {port} on 127.0.0.1 is in use" in lines[-1]
    assert not any("Traceback" in line for line in lines)


async def test_an_old_nats_server_is_refused() -> None:
    async def old_server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b'INFO {"server_id":"x","version":"2.9.10","max_payload":1048576,"proto":1}\r\n')
        while line := await reader.readline():
            if line.startswith(b"PING"):
                writer.write(b"PONG\r\n")
        writer.close()

    server = await asyncio.start_server(old_server, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        code, lines, _ = await outcome(await start(nats_url=f"nats://127.0.0.1:{port}"))
    assert code == 1
    assert "nats-server 2.9.10 is too old: 2.11 or newer is needed" in lines[-1]


async def test_sigterm_drains_and_ends_with_zero() -> None:
    async with nats_server() as nats:
        port = free_port()
        process = await start(nats_url=nats.url, admin_port=str(port))
        answer = await ready(port)
        assert answer.json()["ready"] is True
        async with httpx.AsyncClient(trust_env=False, base_url=f"http://127.0.0.1:{port}") as client:
            assert (await client.get("/livez")).text == "ok\n"
            assert 'rillcast_build_info{kind="license"' in (await client.get("/metrics")).text
        process.send_signal(signal.SIGTERM)
        code, lines, out = await outcome(process)
    assert (code, out) == (0, "drained not ready\n")
    assert not any("Traceback" in line or "ERROR" in line for line in lines)


async def test_a_drain_that_takes_too_long_is_cut_short() -> None:
    async with nats_server() as nats:
        port = free_port()
        process = await start("60", nats_url=nats.url, admin_port=str(port), drain_timeout_s="0.2")
        await ready(port)
        process.send_signal(signal.SIGINT)
        code, lines, _ = await outcome(process)
    assert code == 0
    assert any("cut short" in line for line in lines)


async def test_sigterm_while_waiting_for_nats_ends_it() -> None:
    process = await start(nats_url=f"nats://127.0.0.1:{free_port()}", connect_timeout_s="60")
    assert process.stderr is not None
    async with within(30, "the line that NATS is waited for"):
        while b"Waiting for NATS" not in await process.stderr.readline():
            pass
    process.send_signal(signal.SIGTERM)
    code, _, _ = await outcome(process)
    assert code == 0


async def test_a_crashed_task_ends_the_process_with_one() -> None:
    async with nats_server() as nats:
        code, lines, out = await outcome(await start("0", "crash", nats_url=nats.url))
    assert code == 1
    assert any("A task failed" in line and "task=crasher" in line for line in lines)
    assert out == "drained not ready\n"


async def test_a_task_that_swallows_a_cancellation_does_not_keep_it_alive() -> None:
    async with nats_server() as nats:
        port = free_port()
        process = await start("0", "stubborn", nats_url=nats.url, admin_port=str(port))
        await ready(port)
        process.send_signal(signal.SIGTERM)
        code, _, _ = await outcome(process)
    assert code == 0


async def test_a_second_sigterm_waits_no_longer() -> None:
    async with nats_server() as nats:
        port = free_port()
        process = await start("3600", nats_url=nats.url, admin_port=str(port), drain_timeout_s="3600")
        await ready(port)
        process.send_signal(signal.SIGTERM)
        assert process.stdout is not None
        await process.stdout.readline()

        async def ended() -> bool:
            signal_to(process, signal.SIGTERM)
            return process.returncode is not None

        await eventually(ended, 30, "the end", every_s=0.2)
        assert process.stderr is not None
        lines = (await process.stderr.read()).decode()
    assert process.returncode == 0
    assert 'The drain is cut short  by="a second signal"' in lines


async def test_a_second_sigterm_does_no_harm() -> None:
    async with nats_server() as nats:
        port = free_port()
        process = await start("1", nats_url=nats.url, admin_port=str(port))
        await ready(port)
        process.send_signal(signal.SIGTERM)
        assert process.stdout is not None
        await process.stdout.readline()
        signal_to(process, signal.SIGTERM)
        await eventually(lambda: process.returncode is not None, 30, "the end")
        assert process.returncode == 0
