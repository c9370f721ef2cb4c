"""Where `rillcast top` gets what it shows: three views of the live feed, and the license."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from queue import Empty, Full, Queue
from threading import Event, Lock, Thread

from rich.text import Text

from rillcast.cli.commands.events import line_of
from rillcast.cli.faults import CannotGoOn
from rillcast.cli.operators import Operator, client_of, in_words
from rillcast.cli.top.picture import Grade, NodeRow, Picture, StreamRow
from rillcast.client import Client, ClientError
from rillcast.client.live import LiveEvent, LiveHead, LiveNode, LiveStream, LiveView
from rillcast.contracts.health import MEANINGS, Health
from rillcast.contracts.messages import LicenseStatus
from rillcast.contracts.words import LicenseState

PAGE = 200
"""Rows of a table: the worst ones, or those that were looked for."""
MOMENT_S = 0.5
"""A picture is drawn so often at most."""
RETRY_S = 1.0
LICENSE_EVERY_S = 15.0
MOST_EVENTS = 1_000
"""That wait to be drawn; further ones are left out."""
MOST_TOLD = 500
"""Ids of events that are remembered, to tell none twice; a feed begins with fewer."""
_GRADES = {
    Health.GOOD: Grade.GOOD,
    Health.STRAINED: Grade.WARNING,
    Health.BAD: Grade.BAD,
    Health.UNKNOWN: Grade.NEUTRAL,
}


class Feed:
    """One view of the live feed, read in a thread of its own until it is closed."""

    def __init__(
        self,
        who: Operator,
        view: str,
        changed: Event,
        query: Mapping[str, str | int] | None = None,
        happened: Callable[[LiveEvent], None] | None = None,
    ) -> None:
        """`changed` is set whenever there is something new. `happened` is told each event, perhaps more than once."""
        self._who = who
        self._view = view
        self._query = query or {}
        self._changed = changed
        self._happened = happened
        self._closed = Event()
        self._lock = Lock()
        self._state = LiveView()
        self._client: Client | None = None
        self.fault = "not answered yet"
        """Why it does not go on at the moment; empty while it does."""
        Thread(target=self._run, name=f"top {view}", daemon=True).start()

    def close(self) -> None:
        """End it: its thread ends with the next part at the latest."""
        self._closed.set()
        with suppress(ClientError, RuntimeError):
            if self._client is not None:
                self._client.close()

    def state(self) -> tuple[LiveHead, tuple[LiveNode, ...], tuple[LiveStream, ...]]:
        """Raises `ClientError` for what this version does not understand."""
        with self._lock:
            return (
                self._state.head(),
                self._state.rows("nodes", LiveNode),
                self._state.rows("streams", LiveStream),
            )

    def _run(self) -> None:
        while not self._closed.is_set():
            try:
                with client_of(self._who) as self._client:
                    self._read(self._client)
                self._say("")
            except ClientError as error:
                self._say(str(in_words(self._who.base, error)))
            except RuntimeError:  # the client was closed by `close` in the middle of a part
                if not self._closed.is_set():
                    raise
            self._closed.wait(RETRY_S)

    def _read(self, client: Client) -> None:
        for told in client.look(self._view, **self._query):
            if self._closed.is_set():
                return
            if told.data is not None:
                with self._lock:
                    self._state.take(told.name, told.data)
                if self._happened is not None:
                    for event in told.data.events:
                        self._happened(event)
                self._say("")

    def _say(self, fault: str) -> None:
        self.fault = fault
        self._changed.set()


class Reading:
    """What `screen.Told` asks for, from one signaling instance."""

    def __init__(self, who: Operator) -> None:
        """`who` holds no password: a session was begun already."""
        self._who = who
        self._changed = Event()
        self._wanted = ""
        self._asked_for = ""
        self._events: Queue[Text] = Queue(MOST_EVENTS)
        self._told: deque[str] = deque(maxlen=MOST_TOLD)

    def search(self, words: str) -> None:
        """Lists show only what has these words in its id, from now on."""
        self._wanted = words
        self._changed.set()

    def pictures(
        self, take: Callable[[Picture], None], lost: Callable[[str], None], stopped: Callable[[], bool]
    ) -> None:
        """See `screen.Told`."""
        overview = Feed(self._who, "overview", self._changed, happened=self._event)
        nodes, streams = self._lists()
        license, license_at = None, float("-inf")
        try:
            while not stopped():
                self._changed.wait(MOMENT_S)
                self._changed.clear()
                if self._wanted != self._asked_for:
                    nodes.close()
                    streams.close()
                    nodes, streams = self._lists()
                if time.monotonic() - license_at > LICENSE_EVERY_S:
                    license, license_at = self._license(), time.monotonic()
                fault = next((one.fault for one in (overview, nodes, streams) if one.fault), "")
                if fault:
                    lost(fault)
                else:
                    self._give(take, lost, (overview, nodes, streams), license)
                time.sleep(MOMENT_S)
        finally:
            for one in (overview, nodes, streams):
                one.close()

    def _lists(self) -> tuple[Feed, Feed]:
        self._asked_for = self._wanted
        query: dict[str, str | int] = {"size": PAGE, **({"q": self._wanted} if self._wanted else {})}
        return Feed(self._who, "nodes", self._changed, query), Feed(self._who, "streams", self._changed, query)

    def _give(
        self,
        take: Callable[[Picture], None],
        lost: Callable[[str], None],
        feeds: tuple[Feed, Feed, Feed],
        license: LicenseStatus | None,
    ) -> None:
        try:
            (head, _, worst), (_, nodes, _), (_, _, streams) = (one.state() for one in feeds)
        except ClientError as error:
            lost(str(error))
            return
        words, grade = license_in_words(license)
        take(
            Picture(
                version=head.version,
                nodes=tuple(map(node_row, nodes)),
                streams=tuple(map(stream_row, streams)),
                worst=tuple(map(stream_row, worst)),
                node_count=head.nodes,
                troubled=head.troubled,
                stream_count=head.streams,
                viewers=head.viewers,
                suffering=head.suffering,
                license=words,
                license_grade=grade,
            )
        )

    def _license(self) -> LicenseStatus | None:
        try:
            with client_of(self._who) as client:
                return client.license.get_license()
        except ClientError:
            return None

    def events(self, take: Callable[[Text], None], stopped: Callable[[], bool]) -> None:
        """See `screen.Told`."""
        while not stopped():
            with suppress(Empty):
                take(self._events.get(timeout=MOMENT_S))

    def _event(self, happened: LiveEvent) -> None:
        """In the thread of the feed. A feed that begins anew tells the last events anew."""
        if happened.id in self._told:
            return
        self._told.append(happened.id)
        with suppress(Full):
            self._events.put_nowait(line_of(happened.event))

    def drain(self, node: str, *, undo: bool) -> str:
        """See `screen.Told`."""
        try:
            with client_of(self._who) as client:
                drains = client.drains
                if undo:
                    drains.undo_drain(node)
                else:
                    drains.begin_drain(node)
        except ClientError as error:
            return str(in_words(self._who.base, error))
        except CannotGoOn as error:
            return str(error)
        return f"{node} takes new work again" if undo else f"{node} drains"


def node_row(one: LiveNode) -> NodeRow:
    """As the terminal shows it."""
    state = one.why or one.state.replace("_", " ")
    if one.left:
        state = f"{state}, {one.left} left"
    return NodeRow(
        node=one.id,
        kind=one.kind,
        place=" ".join(part for part in (one.region, one.zone) if part),
        state=state,
        grade=_GRADES[one.health],
        load=one.load / 100,
        sessions=one.sessions,
        streams=one.streams,
        viewers=one.viewers,
        suffering=one.suffering,
        up_s=max(0.0, time.time() - one.since_ms / 1_000) if one.since_ms else 0.0,
        version=one.version,
        drains=one.state in _DRAINS,
        alive=one.state not in _SILENT,
    )


_DRAINS = frozenset({"draining", "drained"})
_SILENT = frozenset({"dead", "missing", "frozen", "isolated"})


def stream_row(one: LiveStream) -> StreamRow:
    """As the terminal shows it."""
    why = MEANINGS[one.trouble].sentence.rstrip(".") if one.trouble else one.health.value
    return StreamRow(
        app=one.app,
        stream=one.stream,
        state=why,
        grade=_GRADES[one.health],
        viewers=one.viewers,
        suffering=one.suffering,
        origin=one.owner,
        codecs=one.codecs,
        heights=one.heights,
        kbps=one.kbps,
        started_ms=one.started_ms,
    )


def license_in_words(license: LicenseStatus | None) -> tuple[str, Grade]:
    """Its state with the seats that are used, and how good that is."""
    if license is None:
        return "the license service does not answer", Grade.BAD
    used = sum(license.used_by_kind.values())
    good = license.state is LicenseState.VALID and not license.reason
    said = f"license {license.state.value}, {used} of {license.limit_total} seats"
    return (said if good else f"{said} ({license.reason})" if license.reason else said), (
        Grade.GOOD if good else Grade.WARNING
    )
