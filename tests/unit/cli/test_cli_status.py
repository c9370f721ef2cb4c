"""`rillcast status` and `streams` say what the cluster says, and why not when it can't be asked."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
import pytest
from rich.console import Console, RenderableType

from rillcast.cli.faults import CannotGoOn
from rillcast.cli.status import fetch_status, render_nodes, render_streams
from rillcast.contracts.ids import AppName, NodeId, StreamId
from rillcast.contracts.messages import LicenseStatus, NodeInfo, NodeKind, NodeLoad, NodeReport
from rillcast.contracts.status import STATUS_PATH, ClusterStatus, StreamStatus

EDGE = NodeReport(
    info=NodeInfo(
        node=NodeId("edge-1"),
        kind=NodeKind.EDGE,
        version="1",
        region="eu",
        admin_address="10.0.0.1:9120",
        incarnation="x",
    ),
    load=NodeLoad(cpu=0.91, sessions=7, streams=2),
    ready=True,
)
ORIGIN = NodeReport(
    info=NodeInfo(
        node=NodeId("origin-1"), kind=NodeKind.ORIGIN, version="1", admin_address="10.0.0.1:9110", incarnation="y"
    ),
    load=NodeLoad(),
    ready=False,
    not_ready_reason="bus: not connected",
)
LIVE = StreamStatus(
    app=AppName("live"), stream=StreamId("talk"), origin=NodeId("origin-1"), epoch=12, viewers=7,
    media_flowing=True, started_at_ms=0, codecs=("H264", "opus"), renditions=(720, 360),
)  # fmt: skip
LICENCE = LicenseStatus(
    licence_id="c", licensee="", community=True, state="valid", limit_total=100, used_by_kind={"edge": 1, "origin": 1}
)
STATUS = ClusterStatus(version="0.1.0", nodes=(EDGE, ORIGIN), streams=(LIVE,), viewers=7, license=LICENCE)


def shown(what: RenderableType) -> str:
    console = Console(width=140, record=True, color_system=None)
    with console.capture() as capture:
        console.print(what)
    return capture.get()


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
        assert fetch_status(url) == STATUS


def test_nodes_are_shown_with_state_load_and_licence() -> None:
    text = shown(render_nodes(STATUS))

    assert text.index("origin-1") < text.index("edge-1")
    for part in (
        "bus: not connected",
        "91%",
        "10.0.0.1:9120",
        "7 viewers",
        "community licence: valid, 2 of 100 seats used",
    ):
        assert part in text


def test_streams_are_shown_with_viewers_and_renditions() -> None:
    text = shown(render_streams(STATUS))

    for part in ("live/talk", "H264, opus", "720p 360p", "origin-1"):
        assert part in text


def test_no_stream_is_said_in_words() -> None:
    assert "no stream is live" in shown(render_streams(msgspec.structs.replace(STATUS, streams=())))


def test_a_missing_license_service_is_said() -> None:
    assert "no license service answers" in shown(render_nodes(msgspec.structs.replace(STATUS, license=None)))


@pytest.mark.parametrize(
    ("status", "body", "sentence"),
    [(403, b"not from here", "answers 403: not from here"), (200, b"{}", "not this version of Rillcast")],
)
def test_an_unusable_answer_is_one_sentence(status: int, body: bytes, sentence: str) -> None:
    with answering(status, body) as url, pytest.raises(CannotGoOn, match=sentence):
        fetch_status(url)


def test_nothing_running_is_one_sentence() -> None:
    with answering(200, b"") as url:
        gone = url

    with pytest.raises(CannotGoOn, match="nothing runs at"):
        fetch_status(gone)
