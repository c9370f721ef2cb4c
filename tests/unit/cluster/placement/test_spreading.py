"""Which node is next while all have next to nothing to do."""

from __future__ import annotations

import random

from placement_reports import report

from rillcast.cluster.placement.spreading import fewest_sessions
from rillcast.contracts.messages import NodeReport


def nobody(_: NodeReport) -> float:
    return 0.0


def test_the_fewest_sessions_win_whatever_the_load_says() -> None:
    reports = [report("e1", sessions=3), report("e2", load=0.2, sessions=2)]

    assert fewest_sessions(reports, nobody, lambda _: False, random.Random(1)).info.node == "e2"


def test_joins_on_their_way_count_as_sessions() -> None:
    reports = [report("e1", sessions=3), report("e2", sessions=2)]

    chosen = fewest_sessions(
        reports, lambda one: 2.0 if one.info.node == "e2" else 0.0, lambda _: False, random.Random(1)
    )

    assert chosen.info.node == "e1"


def test_among_equals_the_preferred_one_wins_and_otherwise_any() -> None:
    reports = [report("e1"), report("e2"), report("e3")]

    preferred = {
        fewest_sessions(reports, nobody, lambda one: one.info.node == "e2", random.Random(n)).info.node
        for n in range(20)
    }
    any_of = {fewest_sessions(reports, nobody, lambda _: False, random.Random(n)).info.node for n in range(20)}

    assert preferred == {"e2"}
    assert any_of == {"e1", "e2", "e3"}
