"""Before a cloud takes a machine away, its node drains; only then is the machine let go."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cloud_machine import (
    SCHEDULED,
    STATE,
    Metadata,
    aws_answers,
    azure_answers,
    metadata_service,
    put_command,
    script,
)

AWS = {"CLOUD": "aws", "KIND": "edge", "REGION": "eu-central-1", "HOOK": "drain", "GROUP": "rillcast-edge"}
AZURE = {"CLOUD": "azure", "KIND": "edge"}


@pytest.fixture
def service() -> Iterator[Metadata]:
    with metadata_service() as said:
        yield said


class Unit:
    """Records what happens to the node."""

    def __init__(self, happened: list[str]) -> None:
        self._happened = happened

    def stop(self) -> None:
        """As the unit's."""
        self._happened.append("drained")

    def start(self) -> None:
        """As the unit's."""
        self._happened.append("started")


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file to which `aws` writes what it was asked; it fails while `fails` is beside it."""
    log = tmp_path / "calls"
    put_command(tmp_path / "bin", "aws", f'[ ! -e {tmp_path}/fails ] || {{ echo no >&2; exit 1; }}; echo "$@" >>{log}')
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    return log


def watch_of(env: dict[str, str], service: Metadata) -> tuple[Any, list[str]]:
    happened: list[str] = []
    return script("leave").Watch(script("metadata").cloud(env, service.base), Unit(happened)), happened


def terminating(event: str = "e-1", kind: str = "Terminate", name: str = "rillcast-edge_3") -> str:
    return json.dumps({"Events": [{"EventId": event, "EventType": kind, "Resources": [name]}]})


def test_in_service_nothing_happens(service: Metadata, calls: Path) -> None:
    service.answers = aws_answers() | {STATE: "InService"}
    watch, happened = watch_of(AWS, service)

    watch.look()

    assert happened == []
    assert not calls.exists()
    assert service.tokens > 0


def test_aws_drains_and_completes_the_hook_once(service: Metadata, calls: Path) -> None:
    service.answers = aws_answers() | {STATE: "Terminated"}
    watch, happened = watch_of(AWS, service)

    for _ in range(3):
        watch.look()

    assert happened == ["drained"]
    (asked,) = calls.read_text().splitlines()
    assert asked.startswith("autoscaling complete-lifecycle-action --lifecycle-hook-name drain")
    for part in (
        "--auto-scaling-group-name rillcast-edge",
        "--instance-id i-0abc",
        "CONTINUE",
        "--region eu-central-1",
    ):
        assert part in asked


def test_the_hook_is_completed_again_when_that_failed_and_the_node_is_drained_once(
    service: Metadata, calls: Path, tmp_path: Path
) -> None:
    service.answers = aws_answers() | {STATE: "Terminated"}
    (tmp_path / "fails").touch()
    watch, happened = watch_of(AWS, service)
    watch.look()
    assert not calls.exists()
    (tmp_path / "fails").unlink()

    watch.look()

    assert happened == ["drained"]
    assert len(calls.read_text().splitlines()) == 1


def test_the_hook_is_not_completed_before_the_drain_is_over(service: Metadata, calls: Path) -> None:
    service.answers = aws_answers() | {STATE: "Terminated"}
    watch, _ = watch_of(AWS, service)
    seen: list[bool] = []
    watch._unit.stop = lambda: seen.append(calls.exists())

    watch.look()

    assert seen == [False]
    assert calls.exists()


@pytest.mark.parametrize(("env", "answers"), [(AWS, aws_answers()), (AZURE, azure_answers())])
def test_a_service_that_does_not_answer_drains_nobody(
    service: Metadata, calls: Path, env: dict[str, str], answers: dict[str, str]
) -> None:
    service.answers = answers
    service.broken = True
    watch, happened = watch_of(env, service)

    watch.look()

    assert happened == []


@pytest.mark.parametrize("kind", ["Terminate", "Preempt", "Reboot", "Redeploy"])
def test_azure_drains_and_approves_the_event(service: Metadata, kind: str) -> None:
    service.answers = azure_answers() | {SCHEDULED: terminating(kind=kind)}
    watch, happened = watch_of(AZURE, service)

    watch.look()
    watch.look()

    assert happened == ["drained"]
    assert service.posts == [(SCHEDULED, {"StartRequests": [{"EventId": "e-1"}]})]


@pytest.mark.parametrize(("kind", "name"), [("Freeze", "rillcast-edge_3"), ("Terminate", "rillcast-edge_4")])
def test_azure_does_not_drain_for_a_pause_or_for_another_machine(service: Metadata, kind: str, name: str) -> None:
    service.answers = azure_answers() | {SCHEDULED: terminating(kind=kind, name=name)}
    watch, happened = watch_of(AZURE, service)

    watch.look()

    assert happened == []
    assert service.posts == []


def test_a_notice_that_is_taken_back_starts_the_node_again(service: Metadata) -> None:
    service.answers = azure_answers() | {SCHEDULED: terminating()}
    watch, happened = watch_of(AZURE, service)
    watch.look()
    service.answers = azure_answers()

    watch.look()
    watch.look()

    assert happened == ["drained", "started"]


def test_the_spot_market_is_left_in_time_and_not_answered(service: Metadata, calls: Path) -> None:
    service.answers = aws_answers() | {"/latest/meta-data/spot/instance-action": '{"action": "terminate"}'}
    watch, happened = watch_of(AWS, service)

    watch.look()

    assert happened == ["drained"]
    assert not calls.exists()
