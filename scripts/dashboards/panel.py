"""What a panel is: what it shows, what that means, and where its colours turn."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


class Form(enum.Enum):
    """How a panel shows its figures."""

    FIGURE = enum.auto()
    """One number, or one for each legend, over a colour that judges it."""
    LINES = enum.auto()
    """Curves over time."""
    AREAS = enum.auto()
    """Curves over time that are parts of a whole, one on top of the other."""
    BARS = enum.auto()
    """One bar for each legend, as it is now."""
    TABLE = enum.auto()
    """A row for each set of labels, a column for each query."""
    STATES = enum.auto()
    """A band for each legend whose colour says in which state it was."""
    TEXT = enum.auto()
    """Words in Markdown; no query."""
    TRACES = enum.auto()
    """Traces that Jaeger finds; the query names what is looked for."""


class Unit(enum.StrEnum):
    """Units as Grafana calls them."""

    NONE = "none"
    SHORT = "short"
    SECONDS = "s"
    SHARE = "percentunit"
    PER_SECOND = "ops"
    PACKETS = "pps"
    BITS = "bps"
    BYTES = "bytes"
    HOURS = "h"
    DAYS = "d"


class Colour(enum.StrEnum):
    """Which colour means what, on every dashboard."""

    GOOD = "green"
    LATE = "yellow"
    BAD = "orange"
    WORST = "red"
    PLAIN = "blue"
    OTHER = "purple"
    PALE = "#8e8e8e"


@dataclass(frozen=True, slots=True)
class Query:
    """An expression, and what its curve is called. In a table, `legend` is the heading of its column, which is
    left out without one."""

    expr: str
    legend: str = ""
    unit: Unit | None = None
    """Of a column of a table, where it is not that of the panel."""
    turns: Mapping[float, Colour] = field(default_factory=dict)
    """From which value on such a column, or such a figure, has which colour."""


@dataclass(frozen=True, slots=True)
class Link:
    """Where a click leads: an address of Grafana or of the console."""

    title: str
    url: str


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel. Its place follows from the order of the panels of a row."""

    title: str
    means: str
    """What it says and when to worry, in whole sentences: Grafana shows it at the panel's sign for information. Of
    a TEXT, the text."""
    queries: Sequence[Query] = ()
    form: Form = Form.LINES
    unit: Unit = Unit.SHORT
    width: int = 8
    height: int = 7
    turns: Mapping[float, Colour] = field(default_factory=dict)
    """From which value on it has which colour; below the first of them it is good. Empty: it judges nothing."""
    low_is_bad: bool = False
    """The value is bad below the first turn, and each turn names what begins there."""
    colours: Mapping[str, Colour] = field(default_factory=dict)
    """Of single legends, by a regular expression."""
    words: Mapping[float, tuple[str, Colour]] = field(default_factory=dict)
    """What single values are called."""
    name_alone: bool = False
    """Of a FIGURE: it says the legend, and no number."""
    bounds: str = ""
    """A regular expression of legends whose curves are limits: they are dashed, with nothing below them."""
    at_most: float | None = None
    """The end of the axis, where the unit has one."""
    decimals: int | None = None
    nothing: str = ""
    """What stands there while no series has a value."""
    links: Sequence[Link] = ()
    keep: Sequence[str] = ()
    """Of a table: the labels that are shown, in this order; the columns of its queries follow."""
    leads: str = ""
    """Of a table of nodes: the dashboard where one finds out more about one of them."""


@dataclass(frozen=True, slots=True)
class Row:
    """A heading with the panels below it."""

    title: str
    panels: Sequence[Panel]
    open: bool = True


class Asked(enum.StrEnum):
    """What a dashboard lets one choose besides the place."""

    NODE = "node"
    APP = "app"
    STREAM = "stream"


@dataclass(frozen=True, slots=True)
class Board:
    """A dashboard: rows, and what one may choose."""

    name: str
    """Of its file and in its address."""
    title: str
    means: str
    rows: Sequence[Row]
    asked: Sequence[Asked] = ()
    kind: str = ""
    """The kind of node that can be chosen; empty: any."""
    hours: int = 1
    """How far back it looks at first."""


QUANTILES = {"p50": Colour.PLAIN, "p95": Colour.BAD, "p99": Colour.WORST}
"""Colours of parts of a distribution."""
OUTCOMES = {
    r"(^|\s)(ok|found|kept|delivered|moved|granted|renewed)$": Colour.GOOD,
    r"(^|\s)(highResourceUsage|no_node_available|server_error_check_logs|plane_error)$": Colour.WORST,
    r"(^|\s)(failed|refused|timeout|stalled)$": Colour.BAD,
}
"""Colours of outcomes that are good or bad wherever they are counted."""
DIRECTIONS = {r"(^|\s)in$": Colour.PLAIN, r"(^|\s)out$": Colour.OTHER}
"""Colours of what comes in and of what goes out."""
