"""What the run at a real API server decides: when a rollout is over, what a container runs, which edge went first."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from tests.bench.machine import Facts
from tests.kubernetes.__main__ import harm, write
from tests.kubernetes.chart import EVERY, is_settled
from tests.kubernetes.container import command_of, expanded
from tests.kubernetes.control_plane import LIVE, STAGES
from tests.kubernetes.growth import emptiest_first
from tests.kubernetes.helm import CHART
from tests.kubernetes.page import NAME, PLOT, document
from tests.kubernetes.results import Began, Growth, Move, Results, Rollout, Sample, Start

DONE: dict[str, Any] = {
    "metadata": {"generation": 3},
    "spec": {"replicas": 2},
    "status": {"observedGeneration": 3, "replicas": 2, "readyReplicas": 2, "updatedReplicas": 2},
}


def changed(field: str, value: int) -> dict[str, Any]:
    made = copy.deepcopy(DONE)
    made["status"][field] = value
    return made


def sample(at: float, by_edge: dict[str, int]) -> Sample:
    return Sample(at=at, viewers=sum(by_edge.values()), wished=2, ready=2, draining=0, by_edge=by_edge)


def move(pod: str, viewers: int) -> Move:
    return Move(pod=pod, kind="edge", viewers=viewers, took_s=2.0, killed=False)


def growth(lost: tuple[str, ...] = ()) -> Growth:
    samples = (sample(0, {"a": 5}), sample(1, {"a": 5, "b": 3}), sample(2, {"a": 8}))
    return Growth(
        viewers=8,
        stayed=4,
        most_edges=2,
        grown_s=20,
        shrunk_s=60,
        lost=lost,
        moved=3,
        gaps_ms=(0, 0, 170),
        ended=(move("b", 3),),
        emptiest_first=True,
        samples=samples,
    )


def results(**more: Any) -> Results:
    facts = Facts(
        at="now", commit="c", kernel="k", cpu="p", cpus=2, flags=(), memory_gib=1, load=(0, 0, 0), versions={}
    )
    run = Began(
        at="now",
        commit="c",
        command="python -m tests.kubernetes",
        scheduler="ordinary",
        took_s=600,
        load_before=(0, 0, 0),
        load_after=(1, 1, 1),
    )
    plain = Results(
        facts=facts,
        versions={"Kubernetes": "v1.36.3"},
        discovery="consul",
        runs=(run,),
        start=Start(keys=5, helm=6, nodes=30, signaling=20, picture=31),
        growth=growth(),
        rollouts=(rollout(),),
    )
    return msgspec.structs.replace(plain, **more)


def rollout(lost: tuple[str, ...] = ()) -> Rollout:
    return Rollout(
        kind="edge",
        pods=2,
        took_s=40,
        viewers=24,
        lost=lost,
        moved=24,
        gaps_ms=(0, 160),
        published_again=0,
        ended=(move("a", 12),),
    )


def test_a_rollout_is_over_when_all_pods_are_new_and_ready() -> None:
    assert is_settled(DONE)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("observedGeneration", 2),
        ("replicas", 3),
        ("readyReplicas", 1),
        ("updatedReplicas", 1),
        ("terminatingReplicas", 1),
    ],
)
def test_a_rollout_is_not_over_while(field: str, value: int) -> None:
    assert not is_settled(changed(field, value))


def test_variables_of_a_container_are_put_in_and_unknown_ones_stay() -> None:
    assert expanded("--node=$(MACHINE) $(OTHER)", {"MACHINE": "m1"}) == "--node=m1 $(OTHER)"


def test_a_container_runs_its_command_with_its_arguments() -> None:
    container = {"image": "rillcast:0.1.0", "command": ["rillcast", "kubernetes"], "args": ["--pod=$(POD)"]}

    assert command_of(container, {"POD": "a"}, {}) == ["rillcast", "kubernetes", "--pod=a"]


def test_an_image_without_a_command_runs_its_program() -> None:
    container = {"image": "registry/nats:2.15-alpine", "args": ["--config", "a"]}

    assert command_of(container, {}, {"nats": "/bin/nats-server"}) == ["/bin/nats-server", "--config", "a"]


def test_an_image_whose_program_is_unknown_is_refused() -> None:
    with pytest.raises(KeyError):
        command_of({"image": "registry/other:1"}, {}, {})


def test_the_emptiest_edge_went_first() -> None:
    samples = [sample(0, {"a": 5, "b": 3}), sample(1, {"a": 8})]

    assert emptiest_first(samples, (move("b", 3),))
    assert not emptiest_first(samples, (move("a", 5),))


def test_kwok_leaves_the_pods_that_are_processes_alone() -> None:
    stages = [one for one in yaml.safe_load_all(STAGES.read_text()) if one["spec"]["resourceRef"]["kind"] == "Pod"]

    assert stages
    for stage in stages:
        conditions = stage["spec"]["selector"]["matchExpressions"]
        assert {"key": ".metadata.namespace", "operator": "NotIn", "values": [LIVE]} in conditions


def test_every_file_of_values_is_proved() -> None:
    proved = {file for values in EVERY for file in values.files}

    assert proved == {path.name for path in CHART.glob("values-*.yaml")}


def test_nothing_went_wrong_and_the_page_says_so() -> None:
    page = document(results())

    assert "\nNothing.\n" in page
    assert not harm(results())


@pytest.mark.parametrize(
    "found",
    [
        {"growth": growth(lost=("group 3 5: its picture stands",))},
        {"rollouts": (rollout(lost=("before edge 5: its picture stands",)),)},
    ],
)
def test_who_was_lost_is_named_and_the_run_has_failed(found: dict[str, Any]) -> None:
    assert "5: its picture stands" in document(results(**found))
    assert harm(results(**found))


def test_a_part_that_came_to_no_end_is_told_and_the_run_has_failed() -> None:
    found = results(growth=None, errors={"the release of processes": "AssertionError: 4 edges did not come true"})

    assert "4 edges did not come true" in document(found)
    assert "A crowd comes and goes" not in document(found)
    assert harm(found)


def test_raw_figures_make_the_same_page_again(tmp_path: Path) -> None:
    page = write(results(), tmp_path)
    read = msgspec.json.decode((tmp_path / f"{NAME}.json").read_bytes(), type=Results)

    assert page.read_text() == document(read)
    assert (tmp_path / PLOT).stat().st_size > 10_000


def test_a_later_run_keeps_the_parts_that_it_left_out(tmp_path: Path) -> None:
    write(results(rollouts=()), tmp_path)
    write(results(start=None, growth=None), tmp_path, add=True)
    read = msgspec.json.decode((tmp_path / f"{NAME}.json").read_bytes(), type=Results)

    assert (read.growth, read.rollouts) == (growth(), (rollout(),))
    assert len(read.runs) == 2
