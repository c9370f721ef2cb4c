"""`rillcast plan`: the machines that a number of viewers needs, and what they cost."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from rillcast.cli.capacity import told
from rillcast.cli.capacity.need import Need, Wish, need
from rillcast.cli.capacity.prices import EXAMPLE, Table, read
from rillcast.cli.faults import WrongUse, writing
from rillcast.cli.fitting_table import FittingTable
from rillcast.cli.showing import say, show, show_facts, show_json
from rillcast.cli.words import span_s

app = typer.Typer()
MOST_VIEWERS = 100_000_000
MOST_STREAMS = 1_000_000


@app.command()
def plan(
    *,
    viewers: Annotated[int, typer.Option(min=1, max=MOST_VIEWERS, help="At one time.")] = 1_000,
    bitrate: Annotated[float, typer.Option(min=1, max=100_000, help="Of the video, in kbit/s.")] = 1_500,
    streams: Annotated[int, typer.Option(min=1, max=MOST_STREAMS, help="Published at one time.")] = 1,
    regions: Annotated[
        str, typer.Option(help="Where the viewers are, as eu:60,us:40. Publishers are in the first one.")
    ] = "here:1",
    zones: Annotated[int, typer.Option(min=1, max=26, help="Of each region.")] = 3,
    busy: Annotated[int, typer.Option(min=5, max=95, help="How far machines are filled, in percent.")] = 60,
    spare: Annotated[int, typer.Option(min=0, max=1_000, help="Machines of each kind that may be gone.")] = 1,
    arrive: Annotated[str, typer.Option(help="In which time all viewers come: 30s, 5m, 1h.")] = "5m",
    ladder: Annotated[bool, typer.Option("--ladder", help="Encode each stream to three smaller ones.")] = False,
    prices: Annotated[
        Path | None, typer.Option(help="Machines and prices, as --show-prices prints them. Default: an example.")
    ] = None,
    show_prices: Annotated[bool, typer.Option("--show-prices", help="Print the example of that file.")] = False,
    page: Annotated[Path | None, typer.Option(help="Write the plan as a page of HTML as well.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The plan as JSON.")] = False,
) -> None:
    """Say how many machines a number of viewers needs, what they cost an hour, and how the streams reach them.

    It reckons with what was measured (docs/benchmarks) and asks no server. Nothing is started.
    """
    if show_prices:
        sys.stdout.write(EXAMPLE.read_text(encoding="utf-8"))
        return
    table = read(prices or EXAMPLE)
    try:
        arriving_s = span_s(arrive)
    except typer.BadParameter as error:
        raise WrongUse(f"--arrive: {error.message}") from None
    wish = Wish(
        viewers=viewers,
        kbps=bitrate,
        streams=streams,
        regions=_regions(regions),
        zones=zones,
        busy=busy / 100,
        spare=spare,
        arriving_s=max(1.0, float(arriving_s)),
        ladder=ladder,
    )
    found = need(wish, table)
    if page is not None:
        with writing(page):
            page.write_text(told.page(found, table, shlex.join(["rillcast", *sys.argv[1:]])), encoding="utf-8")
    show_json(found) if as_json else _show(found, table, example=prices is None)


def _show(found: Need, table: Table, *, example: bool) -> None:
    show(FittingTable("", told.COLUMNS, told.rows(found, table.currency)))
    say("")
    show_facts(dict(told.sums(found, table)), None, as_json=False)
    say("")
    for line in told.tree(found):
        say(line)
    say("")
    if example:
        say("The prices are examples. Put yours into what --show-prices prints, and give that file with --prices.")
    for sentence in told.UNPROVED:
        say(sentence)


def _regions(text: str) -> dict[str, float]:
    """Raises WrongUse, which names the part that cannot be read."""
    found: dict[str, float] = {}
    for part in text.split(","):
        name, colon, share = part.strip().partition(":")
        try:
            value = float(share) if colon else 1.0
        except ValueError:
            value = 0.0
        if not name or not name.isprintable() or not 0 < value <= MOST_VIEWERS:
            raise WrongUse(f"--regions: {part!r} is none; they are like eu:60,us:40")
        if name in found:
            raise WrongUse(f"--regions: {name} is there twice")
        found[name] = value
    return found
