"""`rillcast bench`: load a server and measure what arrives."""

from __future__ import annotations

import asyncio
import sys
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.live import Live
from rich.text import Text

from rillcast.load import show
from rillcast.load.link import Link, parse_links
from rillcast.load.media import SIMULCAST
from rillcast.load.run import Plan, Report, Result, Run
from rillcast.load.session import Refused

app = typer.Typer(no_args_is_help=True, help="Load a server with real WebRTC peers and measure.")

Count = Annotated[int, typer.Option("-n", min=1, max=60_000, help="How many peers.")]
Rate = Annotated[float, typer.Option(min=0.1, max=10_000, help="Joins per second.")]
Seconds = Annotated[float, typer.Option(min=0.1, max=86_400, help="How long after the last join.")]
Json = Annotated[bool, typer.Option("--json", help="Only the figures, for machines.")]
Token = Annotated[str, typer.Option(help="Bearer token, or the token of the Ant Media protocol.")]
Cpu = Annotated[int | None, typer.Option(help="Keep the generator's thread on this CPU.")]


@app.command()
def viewers(  # noqa: PLR0917 - typer makes options of them
    url: Annotated[str, typer.Argument(help="http://HOST:5080/APP/whep/STREAM or ws://HOST:5080/APP/websocket")],
    count: Count = 100,
    rate: Rate = 100.0,
    seconds: Seconds = 20.0,
    stream: Annotated[str, typer.Option(help="With a ws:// URL: which stream.")] = "",
    token: Token = "",
    sample: Annotated[int, typer.Option(min=1, help="Decrypt one packet in this many.")] = 16,
    nack: Annotated[bool, typer.Option("--nack", help="Ask for lost packets.")] = False,
    drop: Annotated[float, typer.Option(min=0, max=1, help="Throw this share of packets away on arrival.")] = 0.0,
    limit: Annotated[
        str,
        typer.Option(
            help="Rates of links in front of the viewers, in turns: 400k,1M,none. They then answer as browsers do. "
            "3M/700k@15/3M@35 changes at seconds 15 and 35 of the figures."
        ),
    ] = "",
    link_delay: Annotated[str, typer.Option(help="With --limit: delay each way.")] = "20ms",
    link_queue: Annotated[str, typer.Option(help="With --limit: what would wait longer is dropped.")] = "300ms",
    link_loss: Annotated[str, typer.Option(help="With --limit: shares lost at random, in turns: 0,0,0.1.")] = "0",
    nack_storm: Annotated[
        int, typer.Option(min=0, max=10_000, help="With --limit: needless repair requests of each viewer per second.")
    ] = 0,
    merge: Annotated[
        bool, typer.Option(help="Take bursts whole from the kernel (UDP_GRO); without, as browsers receive.")
    ] = True,
    settle: Annotated[float, typer.Option(min=0, max=3_600, help="Seconds from the last join to the figures.")] = 0.0,
    cpu: Cpu = None,
    as_json: Json = False,
) -> None:
    """Watch a stream many times over."""
    if limit and (nack or drop):
        raise typer.BadParameter("viewers with --limit always ask for lost packets; --link-loss loses some")
    links = tuple(
        msgspec.structs.replace(link, storm_per_s=nack_storm)
        for link in _links(limit, link_loss, link_delay, link_queue, needless=nack_storm > 0)
    )
    plan = Plan(
        url=url,
        stream=stream,
        token=token,
        count=count,
        rate=rate,
        seconds=seconds,
        sample=sample,
        nack=nack,
        drop=drop,
        links=links,
        settle_s=settle,
        merge=merge,
        cpu=cpu,
    )
    _measure(plan, publishing=False, as_json=as_json)


@app.command()
def publish(  # noqa: PLR0917 - typer makes options of them
    url: Annotated[str, typer.Argument(help="http://HOST:5080/APP/whip/ (streams load0, load1, …)")],
    count: Count = 1,
    rate: Rate = 20.0,
    seconds: Seconds = 60.0,
    stream: Annotated[str, typer.Option(help="Name of the stream; with more than one, load0, load1, …")] = "",
    token: Token = "",
    bitrate: Annotated[int, typer.Option(min=100_000, max=50_000_000, help="Video, bit/s.")] = 1_000_000,
    stamp: Annotated[
        bool, typer.Option("--stamp", help="Packets carry their time of sending, for viewers on this machine.")
    ] = False,
    simulcast: Annotated[
        bool, typer.Option("--simulcast", help="Three layers: 180p 150k, 360p 500k, 720p 1.5M.")
    ] = False,
    cpu: Cpu = None,
    as_json: Json = False,
) -> None:
    """Publish pre-encoded streams."""
    if not url.endswith("/"):
        url, _, last = url.rpartition("/")
        url, stream = url + "/", stream or last
    plan = Plan(
        url=url,
        stream=stream if count == 1 else "",
        token=token,
        count=count,
        rate=rate,
        seconds=seconds,
        video_bps=bitrate,
        layers=SIMULCAST if simulcast else (),
        stamp=stamp,
        cpu=cpu,
    )
    _measure(plan, publishing=True, as_json=as_json)


def _links(limit: str, loss: str, delay: str, queue: str, *, needless: bool) -> tuple[Link, ...]:
    """Nonsense ends the command with a sentence."""
    if not limit:
        if (loss, delay, queue) != ("0", "20ms", "300ms") or needless:
            raise typer.BadParameter("the links' options need --limit; --limit none has no rate", param_hint="--limit")
        return ()
    try:
        return parse_links(limit, loss, delay, queue)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--limit, --link-…") from error


def _measure(plan: Plan, *, publishing: bool, as_json: bool) -> None:
    console = Console(stderr=True)
    try:
        result = asyncio.run(_watched(plan, publishing, console))
    except (Refused, OSError, ValueError) as error:
        console.print(f"[red]rillcast bench:[/red] {error}", highlight=False)
        raise typer.Exit(1) from error
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    if as_json:
        sys.stdout.buffer.write(msgspec.json.encode(result) + b"\n")
        return
    out = Console()
    out.print(show.table(result))
    if result.links:
        out.print(show.links(result.links))
    for note in show.notes(result):
        out.print(f"  {note}", highlight=False)


async def _watched(plan: Plan, publishing: bool, console: Console) -> Result:
    run = Run(plan, publishing=publishing)
    with Live(Text("starting"), console=console, refresh_per_second=5, transient=True) as live:

        def progress(phase: str, begun: int, report: Report) -> None:
            live.update(Text(show.line(phase, begun, report)))

        return await run.run(progress)
