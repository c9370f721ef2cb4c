"""Grafana's JSON of one dashboard, made with the builders that Grafana publishes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace

from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as model

from scripts.dashboards.drawn import drawn
from scripts.dashboards.panel import Asked, Board, Panel

ALL = ".*"
"""What a variable is when everything is chosen: it also holds where a node has no such label."""
CONSOLE = "http://localhost:5080/console"
"""Where compose has the console; the chart puts its own address there."""
GRID = 24
"""How wide a line is."""
REFRESH = ["5s", "10s", "30s", "1m", "5m"]


def written(board: Board, others: list[Board]) -> str:
    """The file of a dashboard. `others`: those that its links lead to, itself included."""
    made = (
        build.Dashboard(board.title)
        .uid(uid(board.name))
        .description(board.means)
        .tags(["rillcast"])
        .timezone("browser")
        .readonly()
        .tooltip(model.DashboardCursorSync.CROSSHAIR)
        .time(f"now-{board.hours}h", "now")
        .refresh("5s" if board.hours == 1 else "1m")
        .timepicker(build.TimePicker().refresh_intervals(REFRESH))
        .variables(list(variables(board)))
        .links([*(link(board, other) for other in others), console()])
    )
    number = 0
    for row in board.rows:
        number += 1
        heading = build.Row(row.title).id(number).collapsed(not row.open)
        panels = []
        for panel in filled(row.panels):
            number += 1
            panels.append(drawn(panel, number))
        if not row.open:
            for panel_made in panels:
                heading.with_panel(panel_made)
        made.with_row(heading)
        if row.open:
            for panel_made in panels:
                made.with_panel(panel_made)
    return json.dumps(made.build(), cls=JSONEncoder, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def filled(panels: Sequence[Panel]) -> Iterator[Panel]:
    """The panels of a row, those of its last line so wide that they fill it."""
    lines: list[list[Panel]] = [[]]
    for panel in panels:
        if sum(one.width for one in lines[-1]) + panel.width > GRID:
            lines.append([])
        lines[-1].append(panel)
    yield from (panel for line in lines[:-1] for panel in line)
    room = GRID - sum(one.width for one in lines[-1])
    each = room // len(lines[-1])
    yield from (replace(one, width=one.width + each) for one in lines[-1])


def uid(name: str) -> str:
    """What stands in the address of a dashboard."""
    return f"rillcast-{name}"


def variables(board: Board) -> Iterator[Builder[model.VariableModel]]:
    """What is chosen at the top of a dashboard."""
    yield (
        build.DatasourceVariable("datasource")
        .label("Prometheus")
        .type("prometheus")
        .current(model.VariableOption(text="Prometheus", value="prometheus"))
    )
    narrowed = ""
    for name in ("namespace", "region", "zone"):
        yield labels(name, f"rillcast_ready{{{narrowed}}}" if narrowed else "rillcast_ready", name)
        narrowed += ("," if narrowed else "") + f'{name}=~"${name}"'
    if Asked.NODE in board.asked:
        kind = f'service="{board.kind}",' if board.kind else ""
        yield labels("node", f"rillcast_ready{{{kind}{narrowed}}}", board.kind or "node")
    for asked in (Asked.APP, Asked.STREAM):
        if asked in board.asked:
            yield (
                build.TextBoxVariable(asked.value)
                .label(asked.value.capitalize())
                .default_value("live" if asked is Asked.APP else "stream1")
            )
    yield _Hidden()


class _Hidden(Builder[model.VariableModel]):
    """The address of the console, which nobody chooses; the builder of constants does not let one hide them."""

    def build(self) -> model.VariableModel:
        made = build.ConstantVariable("console").value(CONSOLE).build()
        made.hide = model.VariableHide.HIDE_VARIABLE
        return made


def labels(name: str, series: str, label: str) -> build.QueryVariable:
    """A choice of the values that a label has."""
    return (
        build.QueryVariable(name)
        .label(label.capitalize())
        .datasource(model.DataSourceRef(type_val="prometheus", uid="$datasource"))
        .query(f"label_values({series},{name})")
        .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(model.VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .all_value(ALL)
        .current(model.VariableOption(selected=True, text="All", value="$__all"))
    )


def link(board: Board, other: Board) -> build.DashboardLink:
    """A link at the top that keeps the time and what is chosen."""
    return (
        build.DashboardLink(("• " if other is board else "") + other.title.removeprefix("Rillcast: "))
        .type(model.DashboardLinkType.LINK)
        .url(f"/d/{uid(other.name)}")
        .tooltip(other.means)
        .include_vars(True)
        .keep_time(True)
    )


def console() -> build.DashboardLink:
    """The link to the console, which knows single streams and viewers."""
    return (
        build.DashboardLink("Console")
        .type(model.DashboardLinkType.LINK)
        .url("${console}")
        .icon("external link")
        .tooltip("Single streams, viewers and nodes, and what happened to them")
        .target_blank(True)
    )
