"""`rillcast streams`: what is live, and the broadcasts of an app."""

from __future__ import annotations

import heapq
import time
from collections.abc import Iterator
from itertools import islice
from typing import Annotated

import msgspec
import typer
from msgspec import UNSET
from rich.text import Text

from rillcast.cli.faults import CannotGoOn, WrongUse
from rillcast.cli.fitting_table import NOTHING, Column
from rillcast.cli.groups import group
from rillcast.cli.patches import PATCH, broadcast_patch
from rillcast.cli.showing import in_words, printable, say, show_facts, show_json, show_list
from rillcast.cli.where import AsJson, Where, asks
from rillcast.cli.words import App, Path_, at, lasting
from rillcast.client import Client, NotDone, paged
from rillcast.client.shapes import Broadcast, KeptBroadcastPatch
from rillcast.contracts.status import ServedStream, StreamStatus

app = group("What is live, and the broadcasts of an app.")
LIVE_COLUMNS = (
    Column(title="stream", shortest=16, middle=True),
    Column(title="by", drop=4),
    Column(title="since", drop=2),
    Column(title="codecs", drop=1),
    Column(title="renditions", shortest=10),
    Column(title="viewers", right=True),
    Column(title="origin", shortest=12, middle=True, drop=3),
    Column(title="epoch", right=True, drop=5),
)
BROADCAST_COLUMNS = (
    Column(title="stream", shortest=16, middle=True),
    Column(title="name", shortest=8, drop=2),
    Column(title="status"),
    Column(title="type", drop=3),
    Column(title="viewers", right=True),
    Column(title="created", drop=1),
)
MOST_TOP = 10_000
AppOption = Annotated[str, typer.Option("--app", help="Only those of this app.")]
Most = Annotated[int | None, typer.Option(min=1, help="How many at most.")]


@app.command("list")
@asks
def list_streams(
    where: Where,
    *,
    app: AppOption = "",
    broadcasts: Annotated[
        bool, typer.Option("--all", help="The broadcasts of the app as well that are not live. It needs --app.")
    ] = False,
    search: Annotated[str, typer.Option(help="With --all: only those with this in their id or name.")] = "",
    top: Annotated[int | None, typer.Option(min=1, max=MOST_TOP, help="Those with the most viewers.")] = None,
    most: Most = None,
    as_json: AsJson = False,
) -> None:
    """What is live, by app and id."""
    if (broadcasts or search) and not app:
        raise WrongUse("--all and --search are about one app: --app is missing")
    if broadcasts and top:
        raise WrongUse("--top is about what is live: it goes without --all")
    with where.asking() as client:
        if broadcasts or search:
            all_ = paged(lambda offset, size: client.broadcasts.list_broadcasts(app, offset, size, search=search))
            nothing = f"{app} has no broadcast" + (f" with {search!r} in it" if search else "")
            show_list(islice(all_, most), BROADCAST_COLUMNS, _broadcast_cells, as_json=as_json, nothing=nothing)
            return
        live = _live(client, app)
        wanted: Iterator[ServedStream] = iter(heapq.nlargest(top, live, key=lambda one: one.viewers)) if top else live
        show_list(islice(wanted, most), LIVE_COLUMNS, live_cells, as_json=as_json, nothing="no stream is live")


@app.command()
@asks
def show(where: Where, path: Path_, *, as_json: AsJson = False) -> None:
    """One broadcast, live or not."""
    with where.asking() as client:
        one = client.broadcasts.get_broadcast(path.app, path.stream)
    facts = msgspec.to_builtins(one) if as_json else _facts(path.app, one)
    show_facts(facts, one, as_json=as_json)


@app.command()
@asks
def stats(where: Where, path: Path_, *, as_json: AsJson = False) -> None:
    """How many watch one, and its renditions."""
    with where.asking() as client:
        watching = client.figures_of_broadcasts.get_broadcast_statistics(path.app, path.stream)
        renditions = client.figures_of_broadcasts.list_renditions(path.app, path.stream)
    if as_json:
        show_json({"statistics": watching, "renditions": renditions})
        return
    facts: dict[str, object] = {"stream": str(path), "viewers": watching.total_web_rtc_watchers_count}
    facts |= {
        f"{one.video_height}p": f"{one.video_bitrate // 1000} kbit/s video, {one.audio_bitrate // 1000} kbit/s audio"
        for one in renditions
    }
    show_facts(facts, None, as_json=False)


@app.command()
@asks
def create(
    where: Where,
    app: App,
    stream: Annotated[str, typer.Argument(help="Its id. Default: one that the server makes.")] = "",
    *,
    keys: PATCH = None,
    as_json: AsJson = False,
) -> None:
    """Create a broadcast that is not live yet."""
    patch = broadcast_patch(keys or [])
    if patch.stream_id is not UNSET:
        raise WrongUse("the id is given as an argument, and not as a key")
    if stream:
        patch = msgspec.structs.replace(patch, stream_id=stream)
    with where.asking() as client:
        made = client.broadcasts.create_broadcast(app, patch)
    show_facts({"stream": f"{app}/{made.stream_id}", "status": made.status, "name": made.name}, made, as_json=as_json)


@app.command("set")
@asks
def change(where: Where, path: Path_, *, keys: PATCH = None) -> None:
    """Change keys of a broadcast, like --key name=Talk or --key webRTCViewerLimit=100."""
    patch = broadcast_patch(keys or [])
    if patch == KeptBroadcastPatch():
        raise WrongUse("nothing is to be changed: --key is missing")
    with where.asking() as client:
        client.broadcasts.change_broadcast(path.app, path.stream, patch)
    say(f"{path} is changed")


@app.command()
@asks
def start(where: Where, path: Path_) -> None:
    """Start a broadcast that is pulled from elsewhere. The server says whether it can."""
    with where.asking() as client:
        client.media_of_broadcasts.start_broadcast(path.app, path.stream)
    say(f"{path} is started")


@app.command()
@asks
def stop(where: Where, path: Path_) -> None:
    """Send away who publishes it."""
    with where.asking() as client:
        try:
            client.media_of_broadcasts.stop_broadcast(path.app, path.stream)
        except NotDone as error:
            raise CannotGoOn(error.said or f"nobody publishes {path}") from None
    say(f"{path} is stopped")


@app.command()
@asks
def delete(
    where: Where,
    path: Path_,
    *,
    subtracks: Annotated[bool, typer.Option("--subtracks", help="Its subtracks as well.")] = False,
) -> None:
    """Send away who publishes it, and forget what was set."""
    with where.asking() as client:
        client.deleting_broadcasts.delete_broadcast(
            path.app, path.stream, delete_subtracks="true" if subtracks else None
        )
    say(f"{path} is deleted")


def _live(client: Client, app: str) -> Iterator[ServedStream]:
    return paged(lambda offset, size: client.cluster.list_streams(app=app or None, offset=offset, size=size))


def live_cells(stream: StreamStatus) -> list[Text | str]:
    """A row for a stream that is live."""
    return [
        Text.assemble((f"{stream.app}/", "dim"), (stream.stream, "bold")),
        stream.publish_type,
        _since(stream, time.time()),
        ", ".join(stream.codecs) or NOTHING,
        " ".join(f"{height}p" for height in stream.renditions) or NOTHING,
        str(stream.viewers),
        stream.origin,
        str(stream.epoch),
    ]


def _broadcast_cells(one: Broadcast) -> list[Text | str]:
    return [
        Text(one.stream_id, style="bold"),
        printable(one.name or "") or NOTHING,
        Text(one.status or NOTHING, style="green" if one.status == "broadcasting" else ""),
        one.type or NOTHING,
        str(one.web_rtc_viewer_count),
        at(one.date / 1000),
    ]


def _facts(app: str, one: Broadcast) -> dict[str, object]:
    """What is worth a line: whatever differs from a broadcast of which nothing was said."""
    plain = msgspec.to_builtins(Broadcast(stream_id=""))
    given = msgspec.to_builtins(one)
    first: dict[str, object] = {"stream": f"{app}/{one.stream_id}", "status": one.status}
    first["viewers"] = one.web_rtc_viewer_count
    moments = {"date": one.date, "startTime": one.start_time, "absoluteStartTimeMs": one.absolute_start_time_ms}
    times = {name: at(value / 1000) for name, value in moments.items() if value > 0}
    skipped = {"streamId", "status", "webRTCViewerCount"}
    changed = {name: value for name, value in given.items() if value != plain.get(name) and name not in skipped}
    return first | {name: times.get(name) or in_words(value) for name, value in changed.items()}


def _since(stream: StreamStatus, now_s: float) -> Text:
    if stream.backup is not None:
        return Text(f"on backup {stream.backup}", style="yellow")
    if not stream.media_flowing:
        return Text("waiting for media", style="yellow")
    return Text(lasting(now_s - stream.started_at_ms / 1000))
