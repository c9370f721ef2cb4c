"""Whether another transcoder has room."""

from __future__ import annotations

import pytest

from rillcast.contracts.ids import NodeId
from rillcast.contracts.messages import NodeInfo, NodeLoad, NodeReport
from rillcast.contracts.words import NodeKind
from rillcast.runtime.discovery.directory import NodeDirectory
from services.transcoder.adapters.directory_peers import DirectoryPeers


def report(name: str, kind: NodeKind = NodeKind.TRANSCODER, *, cpu: float = 0.0, ready: bool = True) -> NodeReport:
    info = NodeInfo(node=NodeId(name), kind=kind, version="0", admin_address="127.0.0.1:1", incarnation=name)
    return NodeReport(info=info, load=NodeLoad(cpu=cpu), ready=ready, draining=False)


@pytest.mark.parametrize(
    ("others", "room"),
    [
        ([], False),
        ([report("t2", cpu=0.99)], True),
        ([report("t2", cpu=1.0)], False),
        ([report("t2", cpu=1.0), report("t3")], True),
        ([report("t2", ready=False)], False),
        ([report("o1", NodeKind.ORIGIN)], False),
    ],
    ids=["alone", "room", "full", "one of two", "not ready", "another kind"],
)
def test_another_transcoder_that_takes_work_and_is_not_full_has_room(others: list[NodeReport], room: bool) -> None:
    directory = NodeDirectory()
    for one in (report("t1"), *others):
        directory.heard(one)

    assert DirectoryPeers(directory, NodeId("t1")).have_room() is room
