"""What the deployment files are held against: the real instruments and the real settings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from prometheus_client import REGISTRY, Counter, Gauge, Histogram
from prometheus_client.metrics import MetricWrapperBase

from rillcast.contracts.words import NodeKind
from rillcast.runtime.settings import NodeSettings
from rillcast.runtime.telemetry.tallied import TalliedHistogram
from scripts.reference.found import modules_called
from scripts.reference.settings import services

ROOT = Path(__file__).resolve().parents[2]
SUFFIXES: Mapping[type[MetricWrapperBase], tuple[str, ...]] = {
    Counter: ("_total",),
    Gauge: ("",),
    Histogram: ("_bucket", "_sum", "_count"),
    TalliedHistogram: ("_bucket", "_sum", "_count"),
}


@pytest.fixture(scope="session")
def root() -> Path:
    """The clone."""
    return ROOT


@pytest.fixture(scope="session")
def instruments() -> dict[str, set[str]]:
    """Every series a node can export, with its labels."""
    modules_called("metrics")
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
    return {NodeKind(kind): cls for kind, cls in services().items()}
