"""Expressions of Prometheus as the panels use them: each series is chosen by the variables of its dashboard."""

from __future__ import annotations

WINDOW = "$__rate_interval"
"""What Grafana puts in: long enough for some readings, and no shorter than a point of the picture."""
WHOLE = "$__range"
"""Likewise: the time that is shown."""
PLACE = ("namespace", "region", "zone")
"""The variables of every dashboard, each called as its label is."""
EDGE = 'service="edge"'
ORIGIN = 'service="origin"'
TRANSCODER = 'service="transcoder"'
OUTWARD = 'direction="out"'
INWARD = 'direction="in"'
IN_ALL = 'kind="total"'
IN_TIME = 'le="0.5"'
ALL_OF_IT = 'le="+Inf"'
NOT_OK = 'outcome!="ok"'
"""Matchers that several dashboards use."""
Labels = str | tuple[str, ...]


class Chosen:
    """Expressions about the series of the nodes that some variables choose."""

    def __init__(self, *variables: str) -> None:
        """`variables`: besides those of the place, e.g. ``node``."""
        self._matchers = ",".join(f'{name}=~"${name}"' for name in (*PLACE, *variables))

    def of(self, series: str, *matchers: str) -> str:
        """The series themselves: gauges."""
        return f"{series}{{{','.join((*matchers, self._matchers))}}}"

    def sum(self, series: str, *matchers: str, by: Labels = ()) -> str:
        """What gauges have together."""
        return f"sum{grouped(by)} ({self.of(series, *matchers)})"

    def max(self, series: str, *matchers: str, by: Labels = ()) -> str:
        """The largest of gauges."""
        return f"max{grouped(by)} ({self.of(series, *matchers)})"

    def rate(self, series: str, *matchers: str, by: Labels = (), window: str = WINDOW) -> str:
        """How fast counters rise together, in a second."""
        return f"sum{grouped(by)} (rate({self.of(series, *matchers)}[{window}]))"

    def happened(self, series: str, *matchers: str, by: Labels = (), window: str = WINDOW) -> str:
        """How often something was counted. A counter with labels is there only once it has moved, and Prometheus takes
        its first value for no increase: here it counts."""
        chosen, clause = self.of(series, *matchers), grouped(by)
        risen = f"sum{clause} (increase({chosen}[{window}]))"
        new = f"sum{clause} (min_over_time({chosen}[{window}]) unless {chosen} offset {window})"
        return f"{risen} + ({new} or 0 * {risen})"

    def quantile(self, part: float, histogram: str, *matchers: str, by: Labels = (), window: str = WINDOW) -> str:
        """The value below which this part of the observations lies."""
        names = ("le", by) if isinstance(by, str) else ("le", *by)
        rate = self.rate(f"{histogram}_bucket", *matchers, by=tuple(filter(None, names)), window=window)
        return f"histogram_quantile({part}, {rate})"


def highest(expression: str) -> str:
    """The ten highest of many nodes at each time: a picture of a thousand curves tells nothing."""
    return f"topk(10, {expression})"


def grouped(by: Labels) -> str:
    """The clause that keeps these labels."""
    names = (by,) if isinstance(by, str) else by
    return f" by ({', '.join(names)})" if names else ""


def share(part: str, whole: str) -> str:
    """A part of a whole. It is 0 while there is neither, but only where some node is seen at all: who sees nothing must
    not take it for calm."""
    return f"({part} or {NOTHING}) / ({whole} > 0) or {NOTHING}"


def or_none(expression: str) -> str:
    """A sum of counters that may not have moved yet: then it is 0, where some node is seen."""
    return f"{expression} or {NOTHING}"


NOTHING = f"0 * {Chosen().sum('rillcast_ready')}"
