"""Node reports for placement tests."""

from __future__ import annotations

from rillcast.contracts.ids import AppName, NodeId, StreamId
from rillcast.contracts.messages import (
    CarriedStream,
    NodeInfo,
    NodeLoad,
    NodeReport,
)
from rillcast.contracts.words import NodeKind

LIVE, STREAM = AppName("live"), StreamId("s1")


def report(
    name: str,
    *,
    load: float = 0.0,
    loop_lag: float = 0.0,
    sessions: int = 0,
    ready: bool = True,
    draining: bool = False,
    region: str = "",
    zone: str = "",
    carries: int | None = None,
    kind: NodeKind = NodeKind.EDGE,
) -> NodeReport:
    """A node; `carries`: its viewers of `STREAM`."""
    carried = () if carries is None else (CarriedStream(app=LIVE, stream=STREAM, viewers=carries),)
    info = NodeInfo(
        node=NodeId(name),
        kind=kind,
        version="1",
        region=region,
        zone=zone,
        admin_address="127.0.0.1:1",
        incarnation="i",
    )
    return NodeReport(
        info=info,
        load=NodeLoad(cpu=load, loop_lag=loop_lag, sessions=sessions),
        ready=ready,
        draining=draining,
        carried=carried,
    )
