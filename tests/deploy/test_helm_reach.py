"""What `helm test` runs says which node is not well, and why."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from helm_chart import CHART

from rillcast.testing.servers import free_port


@contextmanager
def server(answers: Mapping[str, int]) -> Iterator[str]:
    """An HTTP server with a status for each path, as host:port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(answers.get(self.path, 404))
            self.end_headers()
            self.wfile.write(b'{"reasons": {"bus": "NATS does not answer"}}')

        def log_message(self, format: str, *args: object) -> None:
            pass

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=listening.serve_forever)
    thread.start()
    try:
        yield f"127.0.0.1:{listening.server_address[1]}"
    finally:
        listening.shutdown()
        thread.join()
        listening.server_close()


def reach(*places: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(CHART / "files/reach.py"), *places]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_a_cluster_that_is_ready_is_well() -> None:
    with server({"/": 200}) as signaling, server({"/readyz": 200}) as edge:
        done = reach(signaling, edge)

    assert done.returncode == 0, done.stderr
    assert done.stdout.count(": 200") == 2


def test_a_node_that_is_not_ready_is_named_with_its_reasons() -> None:
    with server({"/": 200}) as signaling, server({"/readyz": 200}) as edge, server({"/readyz": 503}) as origin:
        done = reach(signaling, edge, origin)

    assert done.returncode == 1
    assert f"{origin} at 127.0.0.1: /readyz answers 503" in done.stderr
    assert "NATS does not answer" in done.stderr
    assert edge not in done.stderr


def test_a_node_that_is_not_there_is_named() -> None:
    gone = f"127.0.0.1:{free_port()}"
    with server({"/": 500}) as signaling:
        done = reach(signaling, gone, "no-such-node.invalid:9102")

    assert done.returncode == 1
    assert f"{signaling} at 127.0.0.1: / answers 500" in done.stderr
    assert f"{gone} at 127.0.0.1: [Errno" in done.stderr
    assert "no-such-node.invalid:9102: there is no node" in done.stderr
