"""What the parts of the live feed come to."""

from __future__ import annotations

import msgspec
import pytest

from rillcast.client import NotOurs
from rillcast.client.live import SNAPSHOT, LiveNode, LivePart, LiveView
from rillcast.contracts.health import Health


def part(json: str) -> LivePart:
    return msgspec.json.decode(json, type=LivePart)


def node(name: str, load: int = 0) -> str:
    return f'"{name}":{{"id":"{name}","kind":"edge","state":"ready","health":"good","load":{load}}}'


@pytest.fixture
def view() -> LiveView:
    made = LiveView()
    rows = f'{{"nodes":{{{node("edge-1")},{node("edge-2")}}}}}'
    made.take(SNAPSHOT, part(f'{{"at_ms":5,"head":{{"total":2,"new":1}},"rows":{rows},"order":["edge-2","edge-1"]}}'))
    return made


def test_a_snapshot_has_all_rows_in_their_order(view: LiveView) -> None:
    assert [one.id for one in view.rows("nodes", LiveNode)] == ["edge-2", "edge-1"]
    assert view.head().total == 2
    assert view.rows("streams", LiveNode) == ()


def test_a_delta_changes_what_it_names_and_nothing_else(view: LiveView) -> None:
    view.take("delta", part(f'{{"at_ms":6,"rows":{{"nodes":{{{node("edge-1", 70)},{node("edge-3")}}}}}}}'))
    view.take("delta", part('{"gone":{"nodes":["edge-2","never"],"never":["x"]},"order":["edge-3","edge-1"]}'))
    assert [(one.id, one.load) for one in view.rows("nodes", LiveNode)] == [("edge-3", 0), ("edge-1", 70)]
    assert (view.head().total, view.at_ms) == (2, 6)


def test_another_snapshot_begins_anew(view: LiveView) -> None:
    view.take(SNAPSHOT, part(f'{{"rows":{{"nodes":{{{node("edge-9")}}}}}}}'))
    assert [one.id for one in view.rows("nodes", LiveNode)] == ["edge-9"]
    assert view.head().total == 0


def test_words_of_a_newer_version_are_read(view: LiveView) -> None:
    newer = '{"rows":{"nodes":{"n":{"id":"n","kind":"cache","state":"odd","health":"great","trouble":"heat","x":{}}}}}'
    view.take(SNAPSHOT, part(newer))
    (found,) = view.rows("nodes", LiveNode)
    assert (found.kind, found.health) == ("cache", Health.UNKNOWN)


def test_a_row_of_another_shape_is_told(view: LiveView) -> None:
    view.take(SNAPSHOT, part('{"rows":{"nodes":{"n":{"id":7}}}}'))
    with pytest.raises(NotOurs, match="another shape"):
        view.rows("nodes", LiveNode)
