"""`rillcast status`: what a signaling node says about the cluster."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from rillcast.cli.fitting_table import NOTHING, Column, FittingTable, printable
from rillcast.cli.operators import Operator, asking
from rillcast.contracts.messages import DrainProgress, LicenseStatus, NodeReport, TreePlace
from rillcast.contracts.status import ClusterStatus
from rillcast.contracts.words import DrainPhase, LicenseState, NodeKind

_BUSY, _FULL = 0.6, 0.85
_NODE_COLUMNS = (
    Column(title="node", shortest=16, middle=True),
    Column(title="kind", drop=2),
    Column(title="place", shortest=8, drop=3),
    Column(title="state", shortest=16),
    Column(title="load", right=True),
    Column(title="sessions", right=True),
    Column(title="streams", right=True, drop=1),
    Column(title="level", right=True, drop=4),
    Column(title="fed by", shortest=12, middle=True, drop=2),
    Column(title="feeds", right=True, drop=2),
    Column(title="admin", drop=5),
)


def fetch_status(who: Operator) -> ClusterStatus:
    """Asks a signaling node. Raises CannotGoOn in words when nothing runs there or it is not Rillcast."""
    with asking(who) as client:
        return client.cluster.get_status()


def render_nodes(status: ClusterStatus) -> RenderableType:
    """Nodes by kind, then one line about streams, viewers and the license."""
    order = list(NodeKind)
    reports = sorted(status.nodes, key=lambda item: (order.index(item.info.kind), item.info.node))
    named = all(report.info.node.startswith(report.info.kind.value) for report in reports)
    table = FittingTable(
        f"Rillcast {status.version}",
        _NODE_COLUMNS,
        [
            [
                report.info.node,
                NOTHING if named else report.info.kind.value,
                " ".join(part for part in (report.info.region, report.info.zone) if part) or NOTHING,
                _state(report),
                load_text(report.load.highest()),
                str(report.load.sessions),
                str(report.load.streams),
                *_place_in_tree(report.tree),
                report.info.admin_address,
            ]
            for report in reports
        ],
    )
    footer = Text.assemble(
        (str(len(status.streams)), "bold"),
        " stream · " if len(status.streams) == 1 else " streams · ",
        (str(status.viewers), "bold"),
        " viewer · " if status.viewers == 1 else " viewers · ",
        _license(status.license),
    )
    return Group(table, footer)


def _place_in_tree(tree: TreePlace | None) -> tuple[str, str, str]:
    """Its level, who feeds it, and how many others it feeds."""
    if tree is None:
        return NOTHING, NOTHING, NOTHING
    return str(tree.level), ", ".join(tree.parents), str(tree.children)


def _state(report: NodeReport) -> Text:
    if report.draining:
        return Text(_drain(report.drain), style="yellow")
    return Text("ready", style="green") if report.ready else Text(report.not_ready_reason or "not ready", style="red")


def _drain(progress: DrainProgress | None) -> str:
    if progress is None or progress.phase is DrainPhase.NONE:
        return "draining"
    if progress.phase is not DrainPhase.DRAINING:
        return "drained"
    counts = (progress.viewers, progress.publishers, progress.jobs)
    return f"draining, {sum(count.left for count in counts)} left, {progress.left_s:.0f} s"


def load_text(share: float) -> Text:
    """A share of a node's limits, coloured."""
    style = "green" if share < _BUSY else "yellow" if share < _FULL else "red"
    return Text(f"{share:.0%}", style=style)


def _license(license: LicenseStatus | None) -> Text:
    if license is None:
        return Text("no license service answers", style="red")
    used = sum(license.used_by_kind.values())
    who = "community license" if license.community else f"license of {license.licensee}"
    reason = f" ({license.reason})" if license.reason else ""
    return Text(
        printable(f"{who}: {license.state}, {used} of {license.limit_total} seats used{reason}"),
        style="green" if license.state is LicenseState.VALID and not license.reason else "yellow",
    )
