"""The limit of open files, in a process of its own: it cannot be raised again."""

from __future__ import annotations

import socket
import subprocess
import sys
from contextlib import ExitStack

import pytest

from rillcast.runtime.http.descriptors import HEADROOM, connections_within, raise_open_files

START = """
import logging, resource, sys
from rillcast.runtime.http.descriptors import affordable_connections
from rillcast.runtime.telemetry.logs import configure_logging
configure_logging("info", "text")
resource.setrlimit(resource.RLIMIT_NOFILE, (128, 512))
print(affordable_connections(int(sys.argv[1])), *resource.getrlimit(resource.RLIMIT_NOFILE))
"""


def started(wanted: int) -> tuple[str, str]:
    done = subprocess.run(
        [sys.executable, "-c", START, str(wanted)], capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout.strip(), done.stderr


def test_the_limit_is_raised_and_one_line_says_what_it_leaves() -> None:
    printed, logged = started(25_000)
    assert printed == "384 512 512"
    assert len(logged.splitlines()) == 1
    assert "25000" in logged
    assert "384" in logged


def test_a_limit_that_suffices_is_raised_in_silence() -> None:
    assert started(300) == ("300 512 512", "")


@pytest.mark.parametrize(
    ("open_files", "allowed"), [(1 << 20, 25_000), (25_000 + HEADROOM, 25_000), (20_000, 20_000 - HEADROOM), (400, 300)]
)
def test_the_rest_of_the_process_keeps_descriptors(open_files: int, allowed: int) -> None:
    assert connections_within(open_files, 25_000) == allowed


LISTENERS = """
import asyncio, resource
resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 1024))
from rillcast.runtime.http.descriptors import affordable_connections
from rillcast.runtime.http.limits import HttpLimits
from rillcast.runtime.http.server import HttpServer, bind
from rillcast.contracts.words import NodeKind
from rillcast.runtime.process.admin import admin_app, admin_limits, lifeline_places
from rillcast.runtime.process.description import describe
from rillcast.runtime.process.lifelines import Lifelines
from rillcast.runtime.process.readiness import Readiness
from rillcast.runtime.settings import NodeSettings

async def main():
    info = describe(NodeSettings(), NodeKind.LICENSE, advertise_address="127.0.0.1", admin_port=1, http_address="",
                    identity="")
    app = admin_app(Readiness(), dict, Lifelines(lambda: info, lifeline_places()))
    limits = HttpLimits(connections=affordable_connections(25_000), head_timeout_s=60)
    servers = [HttpServer(app, bind("127.0.0.1", 0, "PORT"), each) for each in (limits, admin_limits())]
    for server in servers:
        await server.start()
    print(*(server.port for server in servers), flush=True)
    await asyncio.Event().wait()

import uvloop
uvloop.run(main())
"""


def asked(port: int, path: str) -> str:
    with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
        client.sendall(f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n".encode())
        return client.makefile("rb").read().decode()


@pytest.mark.parametrize("flooded", [0, 1], ids=["the public listener", "the admin listener"])
def test_with_1024_files_1100_silent_sockets_keep_nobody_out(flooded: int) -> None:
    raise_open_files()
    process = subprocess.Popen([sys.executable, "-c", LISTENERS], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        ports = [int(port) for port in process.stdout.readline().split()]
        with ExitStack() as silent:
            for _ in range(1_100):
                silent.enter_context(socket.create_connection(("127.0.0.1", ports[flooded]), timeout=30))
            for port in ports:
                assert asked(port, "/livez").startswith("HTTP/1.1 200 ")
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
