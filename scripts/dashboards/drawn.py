"""A panel as Grafana's builders make it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from grafana_foundation_sdk.builders import bargauge, common, dashboard, prometheus, stat, statetimeline, table, text
from grafana_foundation_sdk.builders import timeseries as lines
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models import common as commons
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from scripts.dashboards.panel import Colour, Form, Panel, Query

PROMETHEUS = model.DataSourceRef(type_val="prometheus", uid="$datasource")
JAEGER = model.DataSourceRef(type_val="jaeger", uid="jaeger")
FILL = {Form.LINES: 8, Form.AREAS: 40}
Drawn = stat.Panel | lines.Panel | table.Panel | bargauge.Panel | statetimeline.Panel | text.Panel


def drawn(panel: Panel, number: int) -> Drawn:
    """The builder of a panel. `number`: unique in its dashboard."""
    made = _FORMS[panel.form](panel)
    made.id(number).title(panel.title).span(panel.width).height(panel.height)
    if panel.form is Form.TEXT:
        return made
    made.description(panel.means).targets(
        [_query(one, letter, panel.form) for one, letter in zip(panel.queries, "ABCDEFGHIJKLMN", strict=False)]
    )
    made.datasource(JAEGER if panel.form is Form.TRACES else PROMETHEUS)
    made.links([dashboard.DashboardLink(one.title).url(one.url) for one in panel.links])
    if panel.form is Form.TRACES or isinstance(made, text.Panel):
        return made
    made.unit(panel.unit.value).thresholds(_turns(panel.turns, panel.low_is_bad))
    if panel.nothing:
        made.no_value(panel.nothing)
    if panel.decimals is not None:
        made.decimals(panel.decimals)
    if panel.words:
        made.mappings([_words(panel.words)])
    if panel.form is Form.FIGURE:
        for one in panel.queries:
            if one.turns:
                steps = _turns(one.turns, low_is_bad=False).build()
                made.override_by_name(one.legend, [model.DynamicConfigValue(id_val="thresholds", value=steps)])
    for pattern, colour in panel.colours.items():
        fixed = {"mode": "fixed", "fixedColor": colour.value}
        made.override_by_regexp(f"/{pattern}/", [model.DynamicConfigValue(id_val="color", value=fixed)])
    return made


def _figure(panel: Panel) -> stat.Panel:
    several = len(panel.queries) > 1 or "{{" in panel.queries[0].legend
    judged = bool(panel.turns or panel.words)
    return (
        stat.Panel()
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(False))
        .color_mode(commons.BigValueColorMode.BACKGROUND_SOLID if judged else commons.BigValueColorMode.VALUE)
        .graph_mode(commons.BigValueGraphMode.NONE if several else commons.BigValueGraphMode.AREA)
        .text_mode(_said(panel, several))
        .color_scheme(_scheme("thresholds" if judged else "fixed", "" if judged else Colour.PLAIN))
        .justify_mode(commons.BigValueJustifyMode.CENTER)
    )


def _said(panel: Panel, several: bool) -> commons.BigValueTextMode:
    if panel.name_alone:
        return commons.BigValueTextMode.NAME
    return commons.BigValueTextMode.VALUE_AND_NAME if several else commons.BigValueTextMode.VALUE


def _lines(panel: Panel) -> lines.Panel:
    made = (
        lines.Panel()
        .line_width(1)
        .fill_opacity(FILL[panel.form])
        .show_points(commons.VisibilityMode.NEVER)
        .span_nulls(False)
        .axis_soft_min(0)
        .color_scheme(_scheme("palette-classic-by-name"))
        .legend(
            common.VizLegendOptions()
            .display_mode(commons.LegendDisplayMode.LIST)
            .placement(commons.LegendPlacement.BOTTOM)
            .show_legend(True)
            .calcs(["lastNotNull"])
        )
        .tooltip(common.VizTooltipOptions().mode(commons.TooltipDisplayMode.MULTI).sort(commons.SortOrder.DESCENDING))
    )
    if panel.form is Form.AREAS:
        made.stacking(common.StackingConfig().mode(commons.StackingMode.NORMAL))
    if panel.turns:
        made.thresholds_style(common.GraphThresholdsStyleConfig().mode(commons.GraphThresholdsStyleMode.DASHED))
    if panel.at_most is not None:
        made.max(panel.at_most).min(0)
    if panel.bounds:
        dashed = {"fill": "dash", "dash": [8, 6]}
        properties: list[tuple[str, Any]] = [("custom.fillOpacity", 0), ("custom.lineStyle", dashed)]
        made.override_by_regexp(
            f"/{panel.bounds}/", [model.DynamicConfigValue(id_val=name, value=value) for name, value in properties]
        )
    return made


def _bars(panel: Panel) -> bargauge.Panel:
    made = (
        bargauge.Panel()
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(False))
        .orientation(commons.VizOrientation.HORIZONTAL)
        .display_mode(commons.BarGaugeDisplayMode.BASIC)
        .show_unfilled(True)
        .min(0)
        .color_scheme(_scheme("thresholds" if panel.turns else "palette-classic-by-name"))
    )
    return made.max(panel.at_most) if panel.at_most is not None else made


def _table(panel: Panel) -> table.Panel:
    names = {f"Value #{letter}": one.legend for one, letter in zip(panel.queries, "ABCDEFGHIJKLMN", strict=False)}
    if len(panel.queries) == 1:
        names = {"Value": panel.queries[0].legend}
    unsaid = [column for column, name in names.items() if not name]
    order = [*panel.keep, *names]
    made = (
        table.Panel()
        .cell_height(commons.TableCellHeight.SM)
        .color_scheme(_scheme("thresholds"))
        .with_transformation(model.DataTransformerConfig(id_val="merge", options={}))
        .with_transformation(
            model.DataTransformerConfig(
                id_val="organize",
                options={
                    "excludeByName": dict.fromkeys(("Time", *unsaid), True),
                    "indexByName": {name: place for place, name in enumerate(order)},
                    "renameByName": {**{label: label.capitalize() for label in panel.keep}, **names},
                },
            )
        )
    )
    for one in panel.queries:
        properties: list[tuple[str, Any]] = []
        if one.unit is not None:
            properties.append(("unit", one.unit.value))
        if one.turns:
            properties.append(("thresholds", _turns(one.turns, low_is_bad=False).build()))
            properties.append(("custom.cellOptions", {"type": "color-background", "mode": "basic"}))
        if properties:
            made.override_by_name(one.legend, [model.DynamicConfigValue(id_val=i, value=v) for i, v in properties])
    if panel.leads:
        url = f"/d/rillcast-{panel.leads}?var-node=${{__value.text}}&${{__url_time_range}}"
        leads = [
            {"title": "Its dashboard", "url": url},
            {"title": "In the console", "url": "${console}#/nodes/${__value.text}", "targetBlank": True},
        ]
        made.override_by_name("Node", [model.DynamicConfigValue(id_val="links", value=leads)])
    return made


def _states(panel: Panel) -> statetimeline.Panel:
    return (
        statetimeline.Panel()
        .merge_values(True)
        .show_value(commons.VisibilityMode.NEVER)
        .row_height(0.8)
        .fill_opacity(80)
        .line_width(0)
        .color_scheme(_scheme("thresholds"))
        .legend(
            common.VizLegendOptions()
            .display_mode(commons.LegendDisplayMode.LIST)
            .placement(commons.LegendPlacement.BOTTOM)
            .show_legend(True)
        )
    )


def _text(panel: Panel) -> text.Panel:
    return text.Panel().content(panel.means).transparent(True)


def _traces(panel: Panel) -> table.Panel:
    return table.Panel().cell_height(commons.TableCellHeight.SM).no_value(panel.nothing)


_FORMS: Mapping[Form, Callable[[Panel], Drawn]] = {
    Form.FIGURE: _figure,
    Form.LINES: _lines,
    Form.AREAS: _lines,
    Form.BARS: _bars,
    Form.TABLE: _table,
    Form.STATES: _states,
    Form.TEXT: _text,
    Form.TRACES: _traces,
}


class _Search(Dataquery):
    """A search in Jaeger, for which Grafana publishes no builder."""

    def __init__(self, tags: str, service: str, letter: str) -> None:
        self._told = {
            "refId": letter,
            "queryType": "search",
            "service": service,
            "tags": tags,
            "limit": 20,
            "datasource": {"type": "jaeger", "uid": "jaeger"},
        }

    def to_json(self) -> dict[str, object]:
        return self._told


class _Searching(Builder[Dataquery]):
    def __init__(self, search: _Search) -> None:
        self._search = search

    def build(self) -> Dataquery:
        return self._search


def _query(query: Query, letter: str, form: Form) -> Builder[Dataquery]:
    if form is Form.TRACES:
        return _Searching(_Search(query.expr, query.legend, letter))
    made = prometheus.Dataquery().expr(query.expr).ref_id(letter).datasource(PROMETHEUS)
    if form is Form.TABLE:
        return made.instant().format(PromQueryFormat.TABLE)
    made.legend_format(query.legend)
    if form is Form.BARS:
        return made.instant()
    return made.range().exemplar(form is Form.LINES and "histogram_quantile" in query.expr)


def _turns(turns: Mapping[float, Colour], low_is_bad: bool) -> dashboard.ThresholdsConfig:
    first = Colour.WORST if low_is_bad else Colour.GOOD
    steps = [model.Threshold(value=None, color=first.value)]
    steps += [model.Threshold(value=value, color=colour.value) for value, colour in sorted(turns.items())]
    return dashboard.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(steps)


def _words(words: Mapping[float, tuple[str, Colour]]) -> model.ValueMap:
    return model.ValueMap(
        options={
            f"{value:g}": model.ValueMappingResult(text=said, color=colour.value, index=place)
            for place, (value, (said, colour)) in enumerate(words.items())
        }
    )


def _scheme(mode: str, fixed: str = "") -> dashboard.FieldColor:
    made = dashboard.FieldColor().mode(model.FieldColorModeId(mode))
    return made.fixed_color(fixed) if fixed else made
