"""`rillcast status` and `streams` show what the cluster says."""

from __future__ import annotations

import msgspec
import pytest
from rich.console import Console, RenderableType
from rich.text import Text

from rillcast.cli.commands.streams import LIVE_COLUMNS, live_cells
from rillcast.cli.fitting_table import FittingTable, shortened
from rillcast.cli.status import render_nodes
from rillcast.contracts.ids import AppName, NodeId, StreamId
from rillcast.contracts.messages import (
    LicenseStatus,
    NodeInfo,
    NodeLoad,
    NodeReport,
    TreePlace,
)
from rillcast.contracts.status import ClusterStatus, StreamStatus
from rillcast.contracts.words import LicenseState, NodeKind

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
    app=AppName("live"),
    stream=StreamId("talk"),
    origin=NodeId("origin-1"),
    epoch=12,
    viewers=7,
    media_flowing=True,
    started_at_ms=0,
    codecs=("H264", "opus"),
    renditions=(720, 360),
)
LICENSE = LicenseStatus(
    license_id="c",
    licensee="",
    community=True,
    state=LicenseState.VALID,
    limit_total=100,
    used_by_kind={"edge": 1, "origin": 1},
)
STATUS = ClusterStatus(version="0.1.0", nodes=(EDGE, ORIGIN), streams=(LIVE,), viewers=7, license=LICENSE)


def shown(what: RenderableType, width: int = 140) -> str:
    console = Console(width=width, record=True, color_system=None)
    with console.capture() as capture:
        console.print(what)
    return capture.get()


def render_streams(status: ClusterStatus) -> FittingTable:
    return FittingTable("", LIVE_COLUMNS, [live_cells(stream) for stream in status.streams])


def test_nodes_are_shown_with_state_load_and_license() -> None:
    text = shown(render_nodes(STATUS))

    assert text.index("origin-1") < text.index("edge-1")
    for part in (
        "bus: not connected",
        "91%",
        "10.0.0.1:9120",
        "7 viewers",
        "community license: valid, 2 of 100 seats used",
    ):
        assert part in text


def test_an_edge_is_shown_with_who_feeds_it_and_how_many_it_feeds() -> None:
    tree = TreePlace(parents=(NodeId("edge-4"), NodeId("origin-1")), level=2, children=3, standbys=(NodeId("edge-5"),))
    fed = msgspec.structs.replace(EDGE, tree=tree)

    text = shown(render_nodes(msgspec.structs.replace(STATUS, nodes=(fed, ORIGIN))), 160)

    row = next(line for line in text.splitlines() if line.startswith("edge-1"))
    assert row.split()[-6:] == ["2", "2", "edge-4,", "origin-1", "3", "10.0.0.1:9120"]


def test_streams_are_shown_with_viewers_and_renditions() -> None:
    text = shown(render_streams(STATUS))

    for part in ("live/talk", "H264, opus", "720p 360p", "origin-1"):
        assert part in text


def node(kind: str, name: str, **place: str) -> NodeReport:
    info = NodeInfo(
        node=NodeId(name),
        kind=NodeKind(kind),
        version="1",
        admin_address="192.168.100.200:65535",
        incarnation="x",
        region=place.get("region", ""),
        zone=place.get("zone", ""),
    )
    return NodeReport(info=info, load=NodeLoad(cpu=1.0, sessions=20_000, streams=1_000), ready=True)


def crowd(name: str, **place: str) -> ClusterStatus:
    """A node of each kind with names of this form, and streams that are not easily shown."""
    nodes = tuple(node(kind, name.format(kind=kind.value), **place) for kind in NodeKind)
    long = msgspec.structs.replace(
        LIVE,
        stream=StreamId("s" * 254 + "!"),
        origin=nodes[1].info.node,
        codecs=("AV1", "H264", "VP8", "opus"),
        renditions=(1080, 720, 480, 360),
        viewers=100_000,
        epoch=1_234_567,
    )
    return ClusterStatus(version="0.1.0", nodes=nodes, streams=(long, LIVE), viewers=100_007, license=LICENSE)


@pytest.mark.parametrize("width", [40, 60, 80, 100, 160])
@pytest.mark.parametrize("name", ["{kind}-5b607d4b", "rillcast-{kind}-deployment-7f9c8d-5b607d4b.production"])
@pytest.mark.parametrize("place", [{}, {"region": "eu-central", "zone": "eu-central-1a"}])
def test_no_row_ever_wraps_or_runs_over_the_terminal(width: int, name: str, place: dict[str, str]) -> None:
    status = crowd(name, **place)
    for table, first, rows in ((render_nodes(status), "node ", 5), (render_streams(status), "stream ", 2)):
        lines = [line.rstrip() for line in shown(table, width).splitlines()]
        assert max(map(len, lines)) <= width
        header = next(index for index, line in enumerate(lines) if line.startswith(first))
        shown_rows, after = lines[header + 1 : header + 1 + rows], lines[header + 1 + rows :]
        assert all(line.startswith(("l", "o", "e", "t", "s", "r")) for line in shown_rows)
        assert after == [] or after[0].startswith("2 streams")


def test_80_columns_show_whole_default_ids_and_what_matters_most() -> None:
    status = crowd("{kind}-5b607d4b")
    nodes, streams = shown(render_nodes(status), 80), shown(render_streams(status), 80)
    for kind in NodeKind:
        assert f"{kind.value}-5b607d4b" in nodes
    for part in ("ready", "100%", "20000", "1000"):
        assert part in nodes
    for part in ("live/ss", "s! ", "AV1, H264, VP8, opus", "1080p", "100000"):
        assert part in streams


def test_160_columns_leave_nothing_out() -> None:
    status = crowd("{kind}-5b607d4b", region="eu-central", zone="1a")
    nodes, streams = shown(render_nodes(status), 160), shown(render_streams(status), 160)
    for part in ("eu-central 1a", "192.168.100.200:65535"):
        assert part in nodes
    for part in ("WebRTC", "1080p 720p 480p 360p", "origin-5b607d4b", "1234567"):
        assert part in streams


def test_columns_that_say_nothing_are_left_out() -> None:
    def header(name: str) -> str:
        lines = shown(render_nodes(crowd(name)), 160).splitlines()
        return next(line for line in lines if line.startswith("node"))

    assert "place" not in header("{kind}-5b607d4b")
    assert "kind" not in header("{kind}-5b607d4b"), "the ids say it"
    assert "kind" in header("node-of-{kind}")


@pytest.mark.parametrize(
    ("width", "middle", "expected"),
    [(20, True, "transcoder-5b607d4b"), (9, True, "tran…7d4b"), (9, False, "transcod…"), (1, True, "…")],
)
def test_what_is_too_long_is_shortened_to_its_width(width: int, middle: bool, expected: str) -> None:
    assert shortened(Text("transcoder-5b607d4b"), width, middle=middle).plain == expected


def test_a_missing_license_service_is_said() -> None:
    assert "no license service answers" in shown(render_nodes(msgspec.structs.replace(STATUS, license=None)))
