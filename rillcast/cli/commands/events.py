"""`rillcast events`: what happens in the cluster, as it happens."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.text import Text

from rillcast.cli.commands.streams import AppOption
from rillcast.cli.faults import CannotGoOn
from rillcast.cli.showing import cleaned, for_output, printable
from rillcast.cli.where import AsJson, Where, asks
from rillcast.cli.words import at
from rillcast.client import Client, Refused, Unreachable
from rillcast.contracts.event_records import ClusterEvent, SessionFate

app = typer.Typer()
RETRY_S = 2.0
PATIENCE_S = 60.0
"""For so long a server that does not answer is asked again."""
_STYLES = {"stream": "bold", "join": "red", "node": "yellow", "events": "red"}
StreamOption = Annotated[str, typer.Option("--stream", help="Only those of this stream.")]
After = Annotated[str, typer.Option("--after", help="The id of an event: begin with what happened since.")]
Most = Annotated[int | None, typer.Option(min=1, help="Stop after so many.")]


@app.command()
@asks
def events(
    where: Where,
    *,
    app: AppOption = "",
    stream: StreamOption = "",
    after: After = "",
    most: Most = None,
    as_json: AsJson = False,
) -> None:
    """Show what happens until Ctrl-C: streams, viewers, publishers and nodes that come and go.

    With --json a line for each event, with its id. A connection that breaks is made again, and what was missed comes
    first; where it is not kept any more, events.missed says so.
    """
    with where.asking() as client:
        _Watch(client, app, stream, as_json=as_json, most=most).until_interrupted(after)


class _Watch:
    """One call of the command."""

    def __init__(self, client: Client, app: str, stream: str, *, as_json: bool, most: int | None) -> None:
        self._client = client
        self._app = app
        self._stream = stream
        self._as_json = as_json
        self._left = most
        self._last = ""

    def until_interrupted(self, after: str) -> None:
        """Raises `ClientError`, and CannotGoOn when the server stays away."""
        self._last = after
        heard_at = time.monotonic()
        while True:
            try:
                if self._listen():
                    return
                heard_at = time.monotonic()
            except Unreachable as error:
                self._wait(heard_at, str(error))
            except Refused as error:
                if error.status != 503:
                    raise
                self._wait(heard_at, str(error))
            time.sleep(RETRY_S)

    def _listen(self) -> bool:
        """Whether it is enough. False when the server ended the answer."""
        for one in self._client.listen(self._last, app=self._app or None, stream=self._stream or None):
            self._last = one.id
            if one.data is None:
                continue
            self._show(one.id, one.data)
            if self._left is not None:
                self._left -= 1
                if self._left == 0:
                    return True
        return False

    def _show(self, id_: str, event: ClusterEvent) -> None:
        if self._as_json:
            typer.echo(for_output(msgspec.json.encode({"id": id_, **msgspec.to_builtins(event)})))
        else:
            Console().print(cleaned(line_of(event)), soft_wrap=True)

    def _wait(self, heard_at: float, why: str) -> None:
        if not self._last or time.monotonic() - heard_at > PATIENCE_S:
            raise CannotGoOn(why)


def line_of(event: ClusterEvent) -> Text:
    """One line for people."""
    text = Text(f"{at(event.at_ms / 1_000)}  ")
    text.append(f"{event.kind.value:<17}", style=_STYLES.get(event.kind.value.partition(".")[0], "green"))
    parts = [f"{printable(event.app)}/{printable(event.stream)}" if event.stream else ""]
    if event.node:
        parts.append(f"at {event.node}" if event.stream else event.node)
    if event.zone:
        parts.append(f"in {printable(event.zone)}")
    if event.session is not None:
        parts += _about(event.session)
    parts.append(event.why and f"({printable(event.why)})")
    return text.append("  " + " ".join(part for part in parts if part))


def _about(fate: SessionFate) -> Iterator[str]:
    if fate.who and fate.address:
        yield f"by {printable(fate.who)}, {printable(fate.address)}"
    elif fate.who or fate.address:
        yield f"by {printable(fate.who or fate.address)}"
    if fate.trail and not fate.ended_ms:
        move = fate.trail[-1]
        yield f"left {move.left} ({move.why}), up after {max(0, move.back_ms - move.at_ms) / 1_000:.1f} s"
    if fate.reason:
        yield f"({fate.reason})"
