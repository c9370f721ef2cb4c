"""`rillcast status` and `rillcast streams`: what a signaling node says about the cluster, as tables."""

from __future__ import annotations

import time

import httpx
import msgspec
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from rillcast.cli.faults import CannotGoOn
from rillcast.contracts.messages import LicenseStatus, NodeKind, NodeReport
from rillcast.contracts.status import STATUS_PATH, ClusterStatus, StreamStatus

DEFAULT_URL = "http://127.0.0.1:5080/"
_BUSY, _FULL = 0.6, 0.85


def fetch_status(url: str | None) -> ClusterStatus:
    """Asks a signaling node. Raises CannotGoOn in words when nothing runs there or it is not Rillcast."""
    base = (url or DEFAULT_URL).rstrip("/")
    try:
        response = httpx.get(base + STATUS_PATH, timeout=5.0, trust_env=False)
        response.raise_for_status()
        return msgspec.json.decode(response.content, type=ClusterStatus)
    except httpx.ConnectError:
        raise CannotGoOn(f"nothing runs at {base}; start it with: make run") from None
    except httpx.HTTPStatusError as error:
        raise CannotGoOn(f"{base} answers {error.response.status_code}: {error.response.text[:200]}") from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise CannotGoOn(f"cannot ask {base}: {error}") from None
    except msgspec.MsgspecError as error:
        raise CannotGoOn(f"what answers at {base} is not this version of Rillcast ({error})") from None


def render_nodes(status: ClusterStatus) -> RenderableType:
    """Nodes by kind, then one line about streams, viewers and the licence."""
    table = _table(
        f"Rillcast {status.version}", "node", "kind", "place", "state", "load", "sessions", "streams", "admin"
    )
    order = list(NodeKind)
    for report in sorted(status.nodes, key=lambda item: (order.index(item.info.kind), item.info.node)):
        table.add_row(
            report.info.node,
            report.info.kind.value,
            " ".join(part for part in (report.info.region, report.info.zone) if part) or "–",
            _state(report),
            _load(report.load.highest()),
            str(report.load.sessions),
            str(report.load.streams),
            report.info.admin_address,
        )
    footer = Text.assemble(
        (str(len(status.streams)), "bold"),
        " streams · ",
        (str(status.viewers), "bold"),
        " viewers · ",
        _licence(status.license),
    )
    return Group(table, footer)


def render_streams(status: ClusterStatus) -> RenderableType:
    """Live streams, most watched first."""
    if not status.streams:
        return Text("no stream is live", style="dim")
    table = _table(
        f"{len(status.streams)} live", "stream", "by", "since", "codecs", "renditions", "viewers", "origin", "epoch"
    )
    now = time.time()
    for stream in sorted(status.streams, key=lambda item: (-item.viewers, item.app, item.stream)):
        table.add_row(
            Text.assemble((f"{stream.app}/", "dim"), (stream.stream, "bold")),
            stream.publish_type,
            _since(stream, now),
            ", ".join(stream.codecs) or "–",
            " ".join(f"{height}p" for height in stream.renditions) or "–",
            str(stream.viewers),
            stream.origin,
            str(stream.epoch),
        )
    return table


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", header_style="dim", box=None, pad_edge=False)
    numbers = {"sessions", "streams", "viewers", "epoch", "load"}
    for column in columns:
        table.add_column(column, justify="right" if column in numbers else "left", overflow="fold")
    return table


def _state(report: NodeReport) -> Text:
    if report.draining:
        return Text("draining", style="yellow")
    return Text("ready", style="green") if report.ready else Text(report.not_ready_reason or "not ready", style="red")


def _load(share: float) -> Text:
    style = "green" if share < _BUSY else "yellow" if share < _FULL else "red"
    return Text(f"{share:.0%}", style=style)


def _licence(licence: LicenseStatus | None) -> Text:
    if licence is None:
        return Text("no license service answers", style="red")
    used = sum(licence.used_by_kind.values())
    who = "community licence" if licence.community else f"licence of {licence.licensee}"
    return Text(
        f"{who}: {licence.state}, {used} of {licence.limit_total} seats used"
        + (f" ({licence.reason})" if licence.reason else ""),
        style="green" if licence.state == "valid" and not licence.reason else "yellow",
    )


def _since(stream: StreamStatus, now_s: float) -> Text:
    if not stream.media_flowing:
        return Text("waiting for media", style="yellow")
    seconds = max(0, int(now_s - stream.started_at_ms / 1000))
    hours, minutes = seconds // 3600, seconds // 60 % 60
    return Text(f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds % 60} s")
