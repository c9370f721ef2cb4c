"""What `rillcast plan` answers, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rillcast.cli.capacity.need import MAX_SESSIONS, Group, Need, Wish, need
from rillcast.cli.capacity.prices import EXAMPLE, Use, read
from rillcast.cli.faults import CannotGoOn
from tests.unit.cli.command_line import Line, line

__all__ = ["line"]
TABLE = read(EXAMPLE)
WISHES = st.builds(
    Wish,
    viewers=st.integers(1, 300_000),
    kbps=st.floats(50, 20_000),
    streams=st.integers(1, 400),
    regions=st.sampled_from([{"eu": 1.0}, {"eu": 60.0, "us": 40.0}, {"a": 1.0, "b": 1.0, "c": 0.01}]),
    zones=st.integers(1, 4),
    busy=st.sampled_from([0.3, 0.6, 0.9]),
    spare=st.integers(0, 2),
    arriving_s=st.sampled_from([10.0, 300.0, 3_600.0]),
    ladder=st.booleans(),
)


def of_kind(found: Need, kind: Use) -> list[Group]:
    return [group for group in found.groups if group.kind is kind]


@settings(deadline=None)
@given(WISHES)
def test_no_machine_is_filled_further_than_it_may_be_and_none_is_needless(wish: Wish) -> None:
    found = need(wish, TABLE)
    for group in found.groups:
        assert (group.share is None) == (group.kind is Use.SERVICES)
        if group.share is not None:
            assert group.share.tightest()[1] <= wish.busy
            assert group.spare == wish.spare
    for group in of_kind(found, Use.EDGE):
        assert group.needed * MAX_SESSIONS >= wish.viewers * wish.regions[group.region] / sum(wish.regions.values())
    assert sum(found.tree_levels.values()) == sum(group.count for group in of_kind(found, Use.EDGE))
    assert found.machines_per_hour == pytest.approx(sum(one.count * one.machine.per_hour for one in found.groups))


@settings(deadline=None)
@given(WISHES, st.integers(2, 5))
def test_more_viewers_never_need_fewer_machines(wish: Wish, times: int) -> None:
    few, more = need(wish, TABLE), msgspec.structs.replace(wish, viewers=wish.viewers * times)
    try:
        many = need(more, TABLE)
    except CannotGoOn as error:
        assert "more zones" in error.sentence
        return
    for kind in (Use.EDGE, Use.SIGNALING):
        assert sum(g.needed for g in of_kind(few, kind)) <= sum(g.needed for g in of_kind(many, kind))
    assert few.traffic.egress <= many.traffic.egress


def test_one_copy_goes_into_each_other_zone() -> None:
    found = need(Wish(viewers=400_000, kbps=1_500, regions={"eu": 60, "us": 40}), TABLE)
    assert sorted(found.tree_copies.values()) == [1, 1, 1, 1, 1]
    assert sum(way.startswith("eu") and " → us" in way for way in found.tree_copies) == 1


def test_a_viewer_who_is_too_much_for_a_machine_is_said() -> None:
    slow = {kind: msgspec.structs.replace(one, network_gbps=0.001) for kind, one in TABLE.machines.items()}
    with pytest.raises(CannotGoOn, match="of each one's network"):
        need(Wish(viewers=1, kbps=5_000), msgspec.structs.replace(TABLE, machines=slow))


def test_a_zone_with_more_edges_than_the_tree_has_places_for_is_said() -> None:
    with pytest.raises(CannotGoOn, match="give more zones or regions"):
        need(Wish(viewers=1_500_000, kbps=17_400, regions={"a": 1, "b": 1}, zones=1), TABLE)


def test_a_plan_is_printed_as_tables_as_json_and_as_a_page(line: Line, tmp_path: Path) -> None:
    page = tmp_path / "plan.html"
    ran = line.run("plan", "--viewers", "100000", "--regions", "eu:60,us:40", "--page", str(page))
    assert ran.code == 0, ran.err
    assert "100,000 viewers of 1,500 kbit/s" in page.read_text()
    assert all(word in ran.out for word in ("edge", "signaling", "origin", "services", "level 1", "USD an hour"))
    assert line.asked == []
    told = json.loads(line.run("plan", "--viewers", "100000", "--json").out)
    assert told["wish"]["viewers"] == 100_000


def test_the_example_is_printed_and_read_again(line: Line, tmp_path: Path) -> None:
    printed = line.run("plan", "--show-prices").out
    own = tmp_path / "prices.toml"
    own.write_text(
        printed.replace("_gb = 0.08", "_gb = 0.0").replace("_gb = 0.02", "_gb = 0.0")
        + "[costs]\nedge_us_per_packet = 2\n"
    )
    ran = line.run("plan", "--prices", str(own))
    assert ran.code == 0, ran.err
    assert "traffic costs    0.00 USD" in ran.out
    assert "examples" not in ran.out


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ("plan --regions eu:x", 2, "'eu:x' is none"),
        ("plan --regions eu:1,eu:2", 2, "eu is there twice"),
        ("plan --regions ,", 2, "--regions"),
        ("plan --regions eu:inf", 2, "--regions"),
        ("plan --regions eu:nan", 2, "--regions"),
        ("plan --viewers 0", 2, "viewers"),
        ("plan --arrive soon", 2, "--arrive"),
        ("plan --prices none.toml", 1, "cannot read none.toml"),
        ("plan --page /none/plan.html", 1, "cannot write /none/plan.html"),
    ],
)
def test_what_makes_no_sense_is_refused(line: Line, words: str, code: int, said: str) -> None:
    ran = line.run(*words.split())
    assert (ran.code, said in ran.err) == (code, True), ran.err


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("cores = 8", "cores = 0"), "machines.edge.cores must be more than 0"),
        (("per_hour = 0.36", "per_hour = -1"), "machines.edge.per_hour must be from 0"),
        (("[machines.edge]", "[machines.egde]"), "egde"),
        (("cores = 8", 'cores = "many"'), "machines"),
        (("cores = 8", "cores = nan"), "machines.edge.cores must be more than 0"),
        (("currency", "money"), "money"),
        (("[machines.edge]", "[machines.edge"), "prices.toml"),
    ],
)
def test_a_table_that_cannot_be_used_names_what_is_wrong(
    line: Line, tmp_path: Path, change: tuple[str, str], said: str
) -> None:
    own = tmp_path / "prices.toml"
    own.write_text(EXAMPLE.read_text().replace(*change))
    ran = line.run("plan", "--prices", str(own))
    assert (ran.code, said in ran.err) == (1, True), ran.err
