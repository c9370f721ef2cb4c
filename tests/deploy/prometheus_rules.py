"""The rules of Prometheus, and the tools that read them: what the tests of alerts share."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import msgspec
import pytest

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "deploy/prometheus/rules"


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """An alert, or a series that is recorded."""

    alert: str = ""
    record: str = ""
    expr: str
    hold: str = msgspec.field(name="for", default="0s")
    labels: dict[str, str] = msgspec.field(default_factory=dict)
    annotations: dict[str, str] = msgspec.field(default_factory=dict)


class Group(msgspec.Struct, frozen=True):
    """Rules that are evaluated one after the other."""

    name: str
    rules: list[Rule]


class _File(msgspec.Struct, frozen=True):
    groups: list[Group]


def files() -> list[Path]:
    """All files of rules."""
    return sorted(RULES.glob("*.yml"))


def groups() -> Iterator[Group]:
    """The groups of all files."""
    for file in files():
        yield from msgspec.yaml.decode(file.read_bytes(), type=_File).groups


def rules() -> Iterator[Rule]:
    """The rules of all files."""
    for group in groups():
        yield from group.rules


@cache
def tools() -> Path:
    """The folder with prometheus and promtool."""
    found = subprocess.run(
        [ROOT / "deploy/prometheus/get-prometheus", "--cached"], capture_output=True, text=True, check=False, timeout=60
    )
    if found.returncode == 0:
        return Path(found.stdout.strip())
    if os.environ.get("RILLCAST_REQUIRE_ALL"):
        pytest.fail("prometheus and promtool are not there; run: deploy/prometheus/get-prometheus")
    pytest.skip("prometheus and promtool are not there; run: deploy/prometheus/get-prometheus")


def promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """What promtool says."""
    return subprocess.run([tools() / "promtool", *arguments], capture_output=True, text=True, check=False, timeout=100)
