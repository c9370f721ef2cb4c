"""A plan for people: as tables in the terminal, and as a page."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from html import escape

from rillcast.cli.capacity.need import Group, Need
from rillcast.cli.capacity.prices import Table
from rillcast.cli.fitting_table import Column

COLUMNS = (
    Column(title="region"),
    Column(title="for"),
    Column(title="machines", right=True),
    Column(title="of those spare", right=True, drop=3),
    Column(title="machine", drop=2),
    Column(title="filled to", right=True),
    Column(title="by", drop=4),
    Column(title="an hour", right=True, drop=1),
)
UNPROVED = (
    "The figures of CPU are without the driver of a network card, and on virtual CPUs of one kind: measure on your "
    "machines with `rillcast bench`, and put your own into the table of --prices.",
    "The machines of a region are alike, and viewers are spread evenly over them. What viewers ask for again, TURN, "
    "and copies of lower renditions are not in it.",
)


def rows(need: Need, currency: str) -> list[list[str]]:
    """A row for each group, as `COLUMNS` has them."""
    return [_row(group, currency) for group in need.groups]


def sums(need: Need, table: Table) -> list[tuple[str, str]]:
    """What all of it comes to, by name."""
    count = sum(group.count for group in need.groups)
    cores = sum(group.count * group.machine.cores for group in need.groups)
    memory = sum(group.count * group.machine.memory_gib for group in need.groups)
    traffic, currency = need.traffic, table.currency
    return [
        ("each viewer", f"{need.packets_per_viewer:.0f} packets/s, {need.bps_per_viewer / 1e6:.2f} Mbit/s"),
        ("machines", f"{count}, with {cores:,.0f} cores and {memory:,.0f} GiB of memory"),
        ("to viewers", f"{traffic.egress / 3_600 * 8:,.1f} Gbit/s, {traffic.egress:,.0f} GB an hour"),
        ("between zones", f"{traffic.between_zones:,.1f} GB an hour"),
        ("between regions", f"{traffic.between_regions:,.1f} GB an hour"),
        ("machines cost", f"{need.machines_per_hour:,.2f} {currency} an hour"),
        ("traffic costs", f"{need.traffic_per_hour:,.2f} {currency} an hour"),
        ("together", f"{need.machines_per_hour + need.traffic_per_hour:,.2f} {currency} an hour"),
    ]


def tree(need: Need) -> list[str]:
    """The relay tree of a stream that is watched at every edge, in lines."""
    levels = need.tree_levels
    lines = [f"origin → {levels.get(1, 0)} edges of level 1"]
    lines += [f"  level {level - 1} → {count} edges of level {level}" for level, count in levels.items() if level > 1]
    by_start: dict[str, list[str]] = defaultdict(list)
    for way, count in need.tree_copies.items():
        start, _, end = way.partition(" → ")
        by_start[start].append(f"{end}: {count}")
    lines += [f"from {start} into other zones: {', '.join(sorted(ends))}" for start, ends in sorted(by_start.items())]
    return lines


def page(need: Need, table: Table, command: str) -> str:
    """The same as a page of HTML that needs nothing else."""
    wish = need.wish
    title = f"{wish.viewers:,} viewers of {wish.kbps:,.0f} kbit/s"
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body><main>",
        f"<h1>{escape(title)}</h1><p><code>{escape(command)}</code></p>",
        "<h2>Machines</h2>",
        _html([column.title for column in COLUMNS], rows(need, table.currency), [column.right for column in COLUMNS]),
        "<h2>All together</h2>",
        _html([], sums(need, table), [False, False]),
        "<h2>The tree of a stream that is watched at every edge</h2>",
        f"<pre>{escape(chr(10).join(tree(need)))}</pre>",
        "<h2>What it rests on</h2>",
        *(f"<p>{escape(sentence)}</p>" for sentence in UNPROVED),
        "</main></body></html>",
    ]
    return "\n".join(parts) + "\n"


def _row(group: Group, currency: str) -> list[str]:
    cost = group.count * group.machine.per_hour
    spare = str(group.spare) if group.spare else "–"
    by, filled = "–", "–"
    if group.share is not None:
        by, how_far = group.share.tightest()
        filled = f"{how_far:.0%}"
    return [
        *(group.region, group.kind, str(group.count), spare, group.machine.name, filled),
        *(by, f"{cost:,.2f} {currency}"),
    ]


def _html(titles: Sequence[str], cells: Iterable[Sequence[str]], right: Sequence[bool]) -> str:
    """A table; without titles the first cell of each row is one."""

    def cell(tag: str, text: str, number: int) -> str:
        aligned = ' class="right"' if right[number] else ""
        scope = ' scope="row"' if tag == "th" and not titles else ""
        return f"<{tag}{aligned}{scope}>{escape(text)}</{tag}>"

    head = "".join(cell("th", text, number) for number, text in enumerate(titles))
    body = [
        "".join(cell("td" if titles or number else "th", text, number) for number, text in enumerate(row))
        for row in cells
    ]
    lines = [f"<tr>{line}</tr>" for line in body]
    top = f"<thead><tr>{head}</tr></thead>" if titles else ""
    return "\n".join(['<div class="wide"><table>', top, "<tbody>", *lines, "</tbody></table></div>"])


_STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
main { max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.6rem } h2 { font-size: 1.15rem; margin-top: 2rem }
.wide { overflow-x: auto } table { border-collapse: collapse }
th, td { text-align: left; padding: .35rem 1rem .35rem 0; border-bottom: 1px solid #8884 }
thead th, thead + tbody td { white-space: nowrap }
.right { text-align: right } td { font-variant-numeric: tabular-nums } pre { overflow-x: auto }
""".strip()
