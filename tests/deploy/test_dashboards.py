"""Dashboards and the scrape configuration speak of series, labels and services that exist."""

from __future__ import annotations

import json
import re
from pathlib import Path

import yaml

from rillcast.contracts.words import NodeKind

FROM_DISCOVERY = {"service", "node", "region", "zone", "instance", "job"}
SERIES = re.compile(r"\brillcast_[a-z0-9_]+")
GROUPING = re.compile(r"\bby \(([^)]*)\)")
MATCHER = re.compile(r"\{([^}]*)\}")


def expressions(root: Path) -> list[tuple[str, str]]:
    found = []
    for file in (root / "deploy/grafana/dashboards").glob("*.json"):
        for panel in json.loads(file.read_text())["panels"]:
            found += [(panel["title"], target["expr"]) for target in panel.get("targets", [])]
    return found


def test_every_series_on_a_dashboard_exists(root: Path, instruments: dict[str, set[str]]) -> None:
    unknown = [(t, name) for t, expr in expressions(root) for name in SERIES.findall(expr) if name not in instruments]

    assert len(expressions(root)) > 20
    assert unknown == []


def test_every_label_on_a_dashboard_exists(root: Path, instruments: dict[str, set[str]]) -> None:
    unknown = []
    for title, expr in expressions(root):
        known = FROM_DISCOVERY.union(*(instruments[name] for name in SERIES.findall(expr)))
        used = {label.strip() for group in GROUPING.findall(expr) for label in group.split(",")}
        used |= {re.split(r"[!=~]", part)[0].strip() for match in MATCHER.findall(expr) for part in match.split(",")}
        unknown += [(title, label) for label in used if label not in known]

    assert unknown == []


def test_legends_name_labels_that_their_expression_keeps(root: Path) -> None:
    wrong = []
    for file in (root / "deploy/grafana/dashboards").glob("*.json"):
        for panel in json.loads(file.read_text())["panels"]:
            for target in panel.get("targets", []):
                kept = {label.strip() for group in GROUPING.findall(target["expr"]) for label in group.split(",")}
                wrong += [
                    (panel["title"], n) for n in re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]) if n not in kept
                ]

    assert wrong == []


def test_panels_do_not_overlap(root: Path) -> None:
    for file in (root / "deploy/grafana/dashboards").glob("*.json"):
        cells: dict[tuple[int, int], str] = {}
        for panel in json.loads(file.read_text())["panels"]:
            grid = panel["gridPos"]
            for x in range(grid["x"], grid["x"] + grid["w"]):
                for y in range(grid["y"], grid["y"] + grid["h"]):
                    assert (x, y) not in cells, (panel["title"], cells.get((x, y)))
                    assert x < 24, panel["title"]
                    cells[x, y] = panel["title"]


def test_prometheus_finds_every_kind_of_node_in_consul(root: Path) -> None:
    config = yaml.safe_load((root / "deploy/prometheus/prometheus.yml").read_text())
    job = next(job for job in config["scrape_configs"] if job["job_name"] == "rillcast")

    assert sorted(job["consul_sd_configs"][0]["services"]) == sorted(f"rillcast-{kind}" for kind in NodeKind)
    targets = {rule["target_label"] for rule in job["relabel_configs"]}
    assert targets <= FROM_DISCOVERY
