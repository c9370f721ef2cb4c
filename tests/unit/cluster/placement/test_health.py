"""Which nodes may be asked at all."""

from __future__ import annotations

from placement_reports import report

from rillcast.cluster.placement.health import taking_sessions
from rillcast.contracts.ids import NodeId


def test_only_nodes_that_are_ready_and_stay_and_have_not_just_refused_are_asked() -> None:
    reports = [
        report("good"),
        report("full", load=2.0),
        report("starting", ready=False),
        report("leaving", draining=True),
        report("refused"),
    ]

    asked = taking_sessions(reports, {NodeId("refused")})

    assert [one.info.node for one in asked] == ["good", "full"], "how full a node is, is another policy's question"
