"""The command line against real sockets: a cluster that is asked for its status, and ports that are in use."""

from __future__ import annotations

import http.server
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
import pytest

from rillcast.cli.faults import CannotGoOn
from rillcast.cli.operators import Operator
from rillcast.cli.plan import ProcessSpec
from rillcast.cli.ports import require_free
from rillcast.cli.status import fetch_status
from rillcast.contracts.ids import AppName, NodeId, StreamId
from rillcast.contracts.messages import NodeInfo, NodeLoad, NodeReport
from rillcast.contracts.status import STATUS_PATH, ClusterStatus, StreamStatus
from rillcast.contracts.words import NodeKind

INFO = NodeInfo(
    node=NodeId("edge-1"),
    kind=NodeKind.EDGE,
    version="1",
    region="eu",
    admin_address="10.0.0.1:9120",
    incarnation="x",
)
STATUS = ClusterStatus(
    version="0.1.0",
    nodes=(NodeReport(info=INFO, load=NodeLoad(cpu=0.91, sessions=7, streams=2), ready=True),),
    streams=(
        StreamStatus(
            app=AppName("live"),
            stream=StreamId("talk"),
            origin=NodeId("origin-1"),
            epoch=12,
            viewers=7,
            media_flowing=True,
            started_at_ms=0,
            codecs=("H264", "opus"),
            renditions=(720, 360),
        ),
    ),
    viewers=7,
    license=None,
)


@contextmanager
def answering(status: int, body: bytes) -> Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == STATUS_PATH else 404)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def test_what_the_cluster_answers_comes_back_whole() -> None:
    with answering(200, msgspec.json.encode(STATUS)) as url:
        assert fetch_status(Operator(url)) == STATUS


@pytest.mark.parametrize(
    ("status", "body", "sentence"),
    [
        (403, b"Not authenticated user", "answers 403: it needs an operator"),
        (403, b"<html><p><b>Message</b> Not authenticated user</p></html>", "it needs an operator; sign in"),
        (403, b"<html><p><b>Message</b> it&#x27;s not from here</p></html>", "answers 403: it's not from here"),
        (403, b"not from here", "answers 403: not from here"),
        (200, b"{}", "not this version of Rillcast"),
    ],
)
def test_an_unusable_answer_is_one_sentence(status: int, body: bytes, sentence: str) -> None:
    with answering(status, body) as url, pytest.raises(CannotGoOn, match=sentence):
        fetch_status(Operator(url))


def test_nothing_running_is_one_sentence() -> None:
    with socket.socket() as taken:  # so that nobody else can listen there
        taken.bind(("127.0.0.1", 0))

        with pytest.raises(CannotGoOn, match="nothing runs at"):
            fetch_status(Operator(f"http://127.0.0.1:{taken.getsockname()[1]}/"))


@pytest.mark.parametrize(("kind", "word"), [(socket.SOCK_STREAM, "TCP"), (socket.SOCK_DGRAM, "UDP")])
def test_a_port_in_use_is_named_with_who_needs_and_who_holds_it(kind: socket.SocketKind, word: str) -> None:
    with socket.socket(socket.AF_INET, kind) as holder:
        holder.bind(("127.0.0.1", 0))
        if kind == socket.SOCK_STREAM:
            holder.listen()
        ports = (holder.getsockname()[1],)
        tcp, udp = (ports, ()) if word == "TCP" else ((), ports)
        spec = ProcessSpec("edge-1", ("true",), tcp_ports=tcp, udp_ports=udp)

        with pytest.raises(CannotGoOn) as caught:
            require_free([spec])

    assert caught.value.sentence.startswith(f"{word} port {ports[0]}, which edge-1 needs, is in use")
    assert f"(pid {os.getpid()})" in caught.value.sentence


def test_a_port_that_two_processes_need_is_named_with_both() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("0.0.0.0", 0))
        port = probe.getsockname()[1]
    specs = [ProcessSpec(name, ("true",), udp_ports=(port,)) for name in ("origin-1", "edge-1")]

    with pytest.raises(CannotGoOn) as caught:
        require_free(specs)

    wanted = f"UDP port {port}, which edge-1 needs, is needed by origin-1 as well; give them ports further apart"
    assert caught.value.sentence == wanted
