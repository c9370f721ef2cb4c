"""Dashboards are those that the code makes; they speak of series, labels and variables that exist, and can be read."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard
from prometheus_rules import rules

from rillcast.contracts.words import NodeKind
from rillcast.runtime.telemetry.diagnostic import DIAGNOSTIC
from scripts.dashboards.all import BOARDS, FOLDER, rendered
from scripts.dashboards.burning import OURS
from scripts.dashboards.panel import Board, Form, Panel

ROOT = Path(__file__).resolve().parents[2]
FROM_DISCOVERY = {"namespace", "service", "node", "region", "zone", "instance", "job"}
OF_ALERTS = {"alertname", "alertstate", "severity"}
BUILT_IN = {"__rate_interval", "__range", "datasource"}
SERIES = re.compile(r"\brillcast_[a-z0-9_]+")
GROUPING = re.compile(r"\b(?:by|on|group_left) \(([^)]*)\)")
MATCHER = re.compile(r"\{([^}]*)\}")
VARIABLE = re.compile(r"\$\{?(\w+)")
DRAWN = [(board, panel) for board in BOARDS for row in board.rows for panel in row.panels]
ASKING = [(board, panel) for board, panel in DRAWN if panel.form not in (Form.TEXT, Form.TRACES)]


@cache
def document(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((ROOT / FOLDER / f"{name}.json").read_text())
    return found


def panels(name: str) -> Iterator[dict[str, Any]]:
    """Those of closed rows as well."""
    for panel in document(name)["panels"]:
        yield panel
        yield from panel.get("panels", [])


def labels(clauses: list[str]) -> set[str]:
    return {label.strip() for clause in clauses for label in clause.split(",") if label.strip()}


def names(board: Board, panel: Panel) -> str:
    return f"{board.name}: {panel.title}"


def test_the_files_are_those_that_the_code_makes(root: Path) -> None:
    files = {path.name: path.read_text() for path in (root / FOLDER).glob("*.json")}

    assert files == rendered(), "run: make dashboards"


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.name)
def test_grafana_s_own_types_hold_everything_that_a_file_says(board: Board) -> None:
    there = document(board.name)
    read = json.loads(json.dumps(Dashboard.from_json(there), cls=JSONEncoder))

    assert read == there


def test_every_series_on_a_dashboard_exists(instruments: dict[str, set[str]]) -> None:
    assert len(ASKING) > 100
    for board, panel in ASKING:
        for query in panel.queries:
            found = SERIES.findall(query.expr)
            assert found or "ALERTS" in query.expr, names(board, panel)
            assert set(found) <= instruments.keys(), names(board, panel)


def test_every_label_on_a_dashboard_exists(instruments: dict[str, set[str]]) -> None:
    for board, panel in ASKING:
        for query in panel.queries:
            known = FROM_DISCOVERY.union(*(instruments[name] for name in SERIES.findall(query.expr)))
            if "ALERTS" in query.expr:
                known |= OF_ALERTS
            matched = {re.split(r"[!=~]", part)[0].strip() for part in matchers(query.expr)}
            used = labels(GROUPING.findall(query.expr)) | matched
            assert used <= known, (names(board, panel), used - known)


def matchers(expr: str) -> list[str]:
    """What stands between braces, one condition each; a comma between quotes separates none."""
    return [part for inside in MATCHER.findall(expr) for part in re.findall(r'\w+(?:=~|!~|!=|=)"[^"]*"', inside)]


def test_legends_name_labels_that_their_expression_keeps() -> None:
    for board, panel in ASKING:
        for query in panel.queries:
            kept = labels(GROUPING.findall(query.expr))
            assert set(re.findall(r"\{\{(\w+)\}\}", query.legend)) <= kept, names(board, panel)
        assert set(panel.keep) <= set().union(*(labels(GROUPING.findall(q.expr)) for q in panel.queries))


def test_every_metric_is_shown_or_is_for_whoever_looks_for_a_fault(instruments: dict[str, set[str]]) -> None:
    asked = [query.expr for _, panel in ASKING for query in panel.queries] + [rule.expr for rule in rules()]
    shown = {of_histogram(name) for expr in asked for name in SERIES.findall(expr)}

    missing = {of_histogram(name) for name in instruments} - shown - DIAGNOSTIC

    assert missing == set(), "show them, or mark them in rillcast.runtime.telemetry.diagnostic"


def of_histogram(series: str) -> str:
    """The name without what histograms put behind it."""
    return re.sub(r"_(bucket|sum|count)$", "", series)


def test_every_variable_can_be_chosen() -> None:
    for board, panel in DRAWN:
        there = {variable["name"] for variable in document(board.name)["templating"]["list"]}
        used = {name for query in panel.queries for name in VARIABLE.findall(query.expr)}
        used |= set(VARIABLE.findall(panel.means)) if panel.form is Form.TEXT else set()
        assert used <= there | BUILT_IN, names(board, panel)


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.name)
def test_panels_lie_side_by_side(board: Board) -> None:
    cells: dict[tuple[int, int], str] = {}
    ids: list[int] = []
    for panel in panels(board.name):
        grid = panel["gridPos"]
        ids.append(panel["id"])
        for x in range(grid.get("x", 0), grid.get("x", 0) + grid["w"]):
            for y in range(grid["y"], grid["y"] + grid["h"]):
                assert (x, y) not in cells, (panel["title"], cells.get((x, y)))
                assert x < 24, panel["title"]
                cells[x, y] = panel.get("title", "")
    assert len(ids) == len(set(ids))


def test_what_one_must_see_at_once_fits_one_screen() -> None:
    """At 1080p Grafana shows some 27 rows of its grid."""
    seen = [panel for panel in panels("overview") if panel["type"] != "row"]
    above = [panel for panel in seen if panel["gridPos"]["y"] + panel["gridPos"]["h"] <= 24]

    assert len(above) >= 12


def test_every_panel_says_what_it_means() -> None:
    for board, panel in DRAWN:
        if panel.form is not Form.TEXT:
            assert panel.title, board.name
            assert len(panel.title) <= 60, names(board, panel)
            assert panel.means.endswith("."), names(board, panel)
            assert panel.queries, names(board, panel)


def test_titles_of_one_dashboard_differ() -> None:
    for board in BOARDS:
        titles = [panel.title for one, panel in DRAWN if one is board]
        assert len(titles) == len(set(titles)), board.name


def test_every_dashboard_leads_to_every_other_one_and_to_the_console() -> None:
    addresses = {f"/d/{document(board.name)['uid']}" for board in BOARDS}
    for board in BOARDS:
        assert {link["url"] for link in document(board.name)["links"]} == addresses | {"${console}"}


def test_links_of_panels_lead_to_dashboards() -> None:
    known = {str(document(board.name)["uid"]) for board in BOARDS}
    for board in BOARDS:
        assert set(re.findall(r"/d/([a-z-]+)", json.dumps(document(board.name)))) <= known


def test_dashboards_and_alerts_count_the_same_joins() -> None:
    counted = [rule.expr for rule in rules() if rule.record.startswith("rillcast:joins_failed")]

    assert len(counted) == 4
    for expr in counted:
        assert re.findall(r'outcome=~"([^"]*)"', expr) == ["|".join(OURS), "|".join(("ok", *OURS))]


def test_grafana_opens_with_a_dashboard_that_is_there(root: Path) -> None:
    stack = yaml.safe_load((root / "docker-compose.yml").read_text())["services"]["grafana"]
    home = Path(stack["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])

    assert (root / FOLDER / home.name).exists()


def test_prometheus_finds_every_kind_of_node_in_consul(root: Path) -> None:
    config = yaml.safe_load((root / "deploy/prometheus/prometheus.yml").read_text())
    job = next(job for job in config["scrape_configs"] if job["job_name"] == "rillcast")

    assert sorted(job["consul_sd_configs"][0]["services"]) == sorted(f"rillcast-{kind}" for kind in NodeKind)
    targets = {rule["target_label"] for rule in job["relabel_configs"]}
    assert targets <= FROM_DISCOVERY


def test_prometheus_of_compose_loads_all_rules(root: Path) -> None:
    config = yaml.safe_load((root / "deploy/prometheus/prometheus.yml").read_text())
    loaded = {path for pattern in config["rule_files"] for path in (root / "deploy/prometheus").glob(pattern)}

    assert loaded == set((root / "deploy/prometheus/rules").iterdir())
