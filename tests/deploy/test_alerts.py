"""Each alert fires when it should, and stops; it says for whom it is bad, and leads to a page that says what to do."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml
from alert_cases import CASES, Case
from prometheus_rules import RULES, Rule, files, promtool, rules

SEVERITIES = {"critical", "warning"}
RUNBOOKS = "docs/operations.md"
SERIES = re.compile(r"\brillcast_[a-z0-9_]+")
RECORDED = re.compile(r"\brillcast:[a-z0-9_:]+")
GROUPING = re.compile(r"\b(?:by|on) \(([^)]*)\)")
MATCHER = re.compile(r"\{([^}]*)\}")
FROM_SCRAPING = {"namespace", "service", "node", "region", "zone"}


def alerts() -> dict[str, Rule]:
    return {rule.alert: rule for rule in rules() if rule.alert}


def asked(case: Case) -> str:
    return f'ALERTS{{alertname="{case.alert}",alertstate="firing"}}'


def written(case: Case) -> dict[str, object]:
    """The case as promtool reads it."""
    labels = {**case.labels, **alerts()[case.alert].labels, "alertname": case.alert, "alertstate": "firing"}
    told = ",".join(f'{name}="{value}"' for name, value in sorted(labels.items()))
    fires: list[Mapping[str, object]] = [{"labels": f"ALERTS{{{told}}}", "value": 1}]
    return {
        "rule_files": [str(path) for path in files()],
        "evaluation_interval": "1m",
        "tests": [
            {
                "name": case.alert,
                "interval": "1m",
                "input_series": [{"series": name, "values": values} for name, values in case.series.items()],
                "promql_expr_test": [
                    {"expr": asked(case), "eval_time": f"{minute}m", "exp_samples": expected}
                    for minute, expected in ((case.silent, []), (case.fires, fires), (case.stops, []))
                ],
            }
        ],
    }


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.alert)
def test_the_alert_fires_and_stops(tmp_path: Path, case: Case) -> None:
    file = tmp_path / "test.yml"
    file.write_text(yaml.safe_dump(written(case)))

    done = promtool("test", "rules", file)

    assert done.returncode == 0, done.stdout + done.stderr


def test_a_case_that_expects_the_wrong_thing_fails(tmp_path: Path) -> None:
    case = CASES[0]
    never = Case(case.alert, case.series, fires=case.stops, stops=case.stops + 1, labels=case.labels)
    file = tmp_path / "test.yml"
    file.write_text(yaml.safe_dump(written(never)))

    assert promtool("test", "rules", file).returncode == 1


def test_every_alert_has_a_case_in_which_it_fires_and_stops() -> None:
    assert len(alerts()) > 20
    assert {case.alert for case in CASES} == alerts().keys()
    for case in CASES:
        assert case.silent < case.fires < case.stops, case.alert


def test_promtool_finds_nothing_to_complain_of() -> None:
    done = promtool("check", "rules", "--lint=all", "--lint-fatal", *files())

    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_says_for_whom_it_is_bad_and_what_to_do() -> None:
    for name, rule in alerts().items():
        assert rule.labels.keys() == {"severity"}, name
        assert rule.labels["severity"] in SEVERITIES, name
        assert rule.annotations.keys() == {"summary", "description", "runbook_url"}, name
        assert len(rule.annotations["summary"]) < 110, name
        assert rule.annotations["description"].endswith("."), name


def test_every_alert_leads_to_its_own_section(root: Path) -> None:
    sections = sections_of((root / RUNBOOKS).read_text())

    assert {name for name in sections if name.startswith("Rillcast")} == alerts().keys()
    for name, rule in alerts().items():
        assert rule.annotations["runbook_url"] == f"{RUNBOOKS}#{name.lower()}"
        for part in ("**It means**", "**Look**", "**Do**"):
            assert part in sections[name], f"{name}: {part} is missing"


def sections_of(page: str) -> dict[str, str]:
    """The text of each section, by its heading."""
    parts = re.split(r"^#+ (.*)$", page, flags=re.M)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_the_rules_speak_of_series_and_labels_that_exist(instruments: dict[str, set[str]]) -> None:
    recorded = {rule.record for rule in rules() if rule.record}
    for rule in rules():
        names = SERIES.findall(rule.expr)
        assert set(names) <= instruments.keys(), rule
        assert set(RECORDED.findall(rule.expr)) <= recorded, rule
        known = FROM_SCRAPING.union(*(instruments[name] for name in names))
        used = {label.strip() for group in GROUPING.findall(rule.expr) for label in group.split(",")}
        matched = ",".join(MATCHER.findall(rule.expr)).split(",")
        used |= {re.split(r"[!=~]", part)[0].strip() for part in matched if part}
        assert used <= known, rule


def test_every_group_has_a_name_of_its_own() -> None:
    names = [line for path in files() for line in re.findall(r"- name: (.*)", path.read_text())]

    assert len(names) == len(set(names)) == len(list(RULES.glob("*.yml")))
