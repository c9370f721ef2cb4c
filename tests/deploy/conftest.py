"""What the deployment files are held against: the real instruments and the real settings."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path

import pytest
from prometheus_client import REGISTRY, Counter, Gauge, Histogram
from prometheus_client.metrics import MetricWrapperBase

from rillcast.contracts.words import NodeKind
from rillcast.runtime.settings import NodeSettings

ROOT = Path(__file__).resolve().parents[2]
SUFFIXES: Mapping[type[MetricWrapperBase], tuple[str, ...]] = {
    Counter: ("_total",),
    Gauge: ("",),
    Histogram: ("_bucket", "_sum", "_count"),
}


@pytest.fixture(scope="session")
def root() -> Path:
    """The clone."""
    return ROOT


@pytest.fixture(scope="session")
def instruments() -> dict[str, set[str]]:
    """Every series a node can export, with its labels."""
    modules = [
        "rillcast.runtime.metrics",
        "rillcast.node.metrics",
        *(f"services.{k}.metrics" for k in NodeKind),
    ]
    for module in modules:
        importlib.import_module(module)
    found: dict[str, set[str]] = {}
    for collector in list(REGISTRY._collector_to_names):
        if isinstance(collector, MetricWrapperBase) and collector._name.startswith("rillcast_"):
            labels = set(collector._labelnames)
            for suffix in SUFFIXES[type(collector)]:
                found[collector._name + suffix] = labels | ({"le"} if suffix == "_bucket" else set())
    return found


@pytest.fixture(scope="session")
def settings() -> dict[NodeKind, type[NodeSettings]]:
    """The settings class of each service."""
    return {kind: _settings_of(kind) for kind in NodeKind}


def _settings_of(kind: NodeKind) -> type[NodeSettings]:
    module = importlib.import_module(f"services.{kind}.config")
    found: type[NodeSettings] = getattr(module, f"{kind.capitalize()}Settings")
    return found
