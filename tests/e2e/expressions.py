"""All expressions of dashboards and alerts, as Prometheus is asked them, and those that may have no answer."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from scripts.dashboards.all import BOARDS
from scripts.dashboards.panel import Form

RULES = Path(__file__).resolve().parents[2] / "deploy/prometheus/rules"
SELECTOR = re.compile(r"\b((?:rillcast_|rillcast:|up\b)[\w:]*)(\{[^}]*\})?")
WINDOW = "10s"
AT_ONCE = (Form.TABLE, Form.BARS)
"""Forms whose panels ask for the values of now."""


@dataclass(frozen=True)
class Expression:
    """One of them, and where it stands."""

    place: str
    expr: str
    at_once: bool


STEP = "5s"
"""Of subqueries: the scene is too short for minutes."""


def of_dashboards(seconds: int) -> Iterator[Expression]:
    """What panels ask, with everything chosen, for so many seconds."""
    values = {"__rate_interval": WINDOW, "__range": f"{seconds}s"}
    for board in BOARDS:
        for row in board.rows:
            for panel in row.panels:
                if panel.form in (Form.TEXT, Form.TRACES):
                    continue
                for query in panel.queries:
                    place = f"{board.name}: {panel.title}" + (f" [{query.legend}]" if query.legend else "")
                    expression = query.expr.replace("$__range:1m]", f"$__range:{STEP}]")
                    yield Expression(place, chosen(expression, values), panel.form in AT_ONCE)


def of_rules(seconds: int) -> Iterator[Expression]:
    """Each series that a rule speaks of. The rules themselves say something only when something is wrong."""
    for path in sorted(RULES.glob("*.yml")):
        for group in yaml.safe_load(path.read_text())["groups"]:
            for rule in group["rules"]:
                name = rule.get("alert") or rule.get("record")
                for series, matchers in SELECTOR.findall(rule["expr"]):
                    yield Expression(
                        f"{name}: {series}{matchers}", f"last_over_time({series}{matchers}[{seconds}s])", True
                    )


def chosen(expr: str, values: Mapping[str, str]) -> str:
    """With the variables of Grafana put in."""
    return re.sub(r"\$(\w+)", lambda found: values.get(found[1], ".*"), expr)
