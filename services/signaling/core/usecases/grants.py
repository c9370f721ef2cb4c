"""What is held for sessions until they are over: one-time tokens, connections of subscribers, and who may be blocked.

Sessions of clients that showed neither a one-time token nor a subscriber id are not known here and cost nothing.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import NoReturn, Protocol

import msgspec

from rillcast.contracts.access_records import Hold, SubscriberRecord
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import AppName, NodeId, SessionId, StreamId
from rillcast.contracts.messages import NodeReport
from rillcast.contracts.words import EndReason, NodeKind, Role
from rillcast.node.background import BackgroundTasks
from rillcast.runtime.telemetry.logs import get_logger
from services.signaling import metrics
from services.signaling.core.domain.admission_rules import Applicant
from services.signaling.core.domain.holds import Alive, Taken, client_mark

log = get_logger(__name__)

RETRY_S = 5.0
"""How often the store is told again what it did not take in."""
SWEEP_S = 10.0
MAX_LATE = 20_000
RETURN_S = 10.0
"""How long a stream, and its viewers, wait for the publisher that has come back with what its former session held."""
MOVE_S = 5.0
"""In this time the sessions of a node that died are opened elsewhere, or they are over."""


class Ledger(Protocol):
    """Where holds are written down: `TokenStore`, `SubscriberStore`. Every method raises `RillcastError`."""

    async def placed(self, key: str, session: SessionId, hold: Hold) -> None: ...

    async def release(self, key: str, session: SessionId, *, started: bool, now_ms: int) -> None: ...

    async def sweep(self, alive: Alive, now_ms: int) -> None: ...


class Nodes(Protocol):
    """The nodes that are heard of (`rillcast.runtime.discovery.directory.NodeDirectory`)."""

    def get(self, node: NodeId) -> NodeReport | None: ...

    def nodes(self, kind: NodeKind) -> dict[NodeId, NodeReport]: ...


class Closes(Protocol):
    """The part of `MediaNodes` that ends sessions."""

    async def close(self, session: SessionId, node: NodeId, reason: EndReason, keep_stream_s: float = 0.0) -> bool: ...


class Held(msgspec.Struct):
    """What a session has."""

    hold: Hold
    app: AppName
    stream: StreamId
    role: Role
    subscriber_id: str = ""
    """As the client said; only a time-based code proves it."""
    entries: list[tuple[Ledger, str]] = msgspec.field(default_factory=list)
    """The keys under which the hold stands."""
    started: bool = False
    end: EndReason | None = None
    """The session is to end for this as soon as it is at a node."""
    mark: str = msgspec.field(default_factory=partial(secrets.token_hex, 12))
    """Random, and the same wherever the session goes on."""


class Grants:
    """One per signaling instance. The methods that do not wait may be called for any session."""

    def __init__(
        self,
        node: NodeId,
        incarnation: str,
        *,
        nodes: Nodes,
        sessions: Closes,
        tasks: BackgroundTasks,
        ledgers: Iterable[Ledger],
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._node = node
        self._incarnation = incarnation
        self._nodes = nodes
        self._sessions = sessions
        self._tasks = tasks
        self._ledgers = tuple(ledgers)
        self._wall_clock = wall_clock
        self._held: dict[SessionId, Held] = {}
        self._hear_over: list[Callable[[SessionId], None]] = []
        self._hear_connected: list[Callable[[Held, int], None]] = []
        self._hear_ended: list[Callable[[Held, int], None]] = []
        self._late: dict[tuple[Ledger, str, SessionId], bool] = {}

    def __len__(self) -> int:
        """Sessions for which something is held."""
        return len(self._held)

    def alive(self, node: NodeId, incarnation: str) -> bool:
        """See `holds.Alive`. This process lives."""
        if node == self._node:
            return incarnation == self._incarnation
        report = self._nodes.get(node)
        return report is not None and report.info.incarnation == incarnation

    def now_ms(self) -> int:
        """Unix milliseconds."""
        return int(self._wall_clock() * 1_000)

    def __contains__(self, session: object) -> bool:
        return session in self._held

    def known(self) -> list[Held]:
        """What is held at this moment."""
        return list(self._held.values())

    def get(self, session: SessionId) -> Held | None:
        """What is known of a session; None when nothing is."""
        return self._held.get(session)

    def subscriber_of(self, session: SessionId) -> str:
        """The subscriber id that a client showed; empty when it showed none."""
        held = self._held.get(session)
        return held.subscriber_id if held is not None else ""

    # ---- the life of a session

    def note(self, applicant: Applicant, session: SessionId) -> Held:
        """Know the session from now on. `over` must be called for it in the end, and may be called at any time."""
        held = self._held.get(session)
        if held is None:
            hold = Hold(
                session=session,
                instance=self._node,
                incarnation=self._incarnation,
                role=applicant.role,
                client=client_mark(applicant.client),
                since_ms=self.now_ms(),
            )
            subscriber = applicant.credentials.subscriber_id
            held = Held(
                hold=hold, app=applicant.app, stream=applicant.stream, role=applicant.role, subscriber_id=subscriber
            )
            self._held[session] = held
        return held

    async def hold(
        self,
        applicant: Applicant,
        session: SessionId,
        entry: tuple[Ledger, str],
        take: Callable[[Hold, Alive], Awaitable[Taken]],
    ) -> None:
        """Take something for the session, which is released when it is over, and end the sessions that had it. `entry`:
        where it is written down. Raises as `take`."""
        held = self.note(applicant, session)
        held.entries.append(entry)
        try:
            taken = await take(held.hold, self.alive)
        except RillcastError as error:
            if error.code is not ErrorCode.STORE_UNAVAILABLE:  # otherwise it may have been written
                held.entries.remove(entry)
            raise
        self.end_all(taken.displaced, EndReason.REPLACED, keep_stream_s=RETURN_S)

    def placed(self, session: SessionId, node: NodeId) -> None:
        """A node has opened the session."""
        held = self._held.get(session)
        if held is None:
            return
        held.hold = msgspec.structs.replace(held.hold, media_node=node)
        if held.end is not None:
            self._tasks.queue(self._end(session, node, held.end), "end session")
        self._write(held, session)

    def connected(self, session: SessionId) -> None:
        """The session runs."""
        held = self._held.get(session)
        if held is not None and not held.started:
            held.started = True
            for hears in self._hear_connected:
                hears(held, self.now_ms())

    def on_connected(self, hears: Callable[[Held, int], None]) -> None:
        """Call this with every session that is known here as soon as it runs, and the time in Unix milliseconds. It
        may add to the session's `Held.entries`, and must not block."""
        self._hear_connected.append(hears)

    def on_ended(self, hears: Callable[[Held, int], None]) -> None:
        """Call this with every session that is known here as soon as it is over."""
        self._hear_ended.append(hears)

    def add_ledger(self, ledger: Ledger) -> None:
        """Sweep this one as well."""
        self._ledgers += (ledger,)

    def moved(self, old: SessionId, new: SessionId) -> None:
        """The client goes on in another session, which is being opened."""
        held = self._held.pop(old, None)
        if held is not None:
            held.hold = msgspec.structs.replace(held.hold, session=new, media_node=None)
            self._held[new] = held
            self._write(held, old)

    def on_over(self, hears: Callable[[SessionId], None]) -> None:
        """Call this for every session that is over, whether something was held for it or not."""
        self._hear_over.append(hears)

    def over(self, session: SessionId) -> None:
        """The session has ended, or came to nothing. Called as often as one likes."""
        for hears in self._hear_over:
            hears(session)
        held = self._held.pop(session, None)
        if held is not None:
            for ended in self._hear_ended:
                ended(held, self.now_ms())
            for ledger, key in held.entries:
                self._tasks.queue(self._release(ledger, key, session, held.started), "release hold")

    def closed(self, session: SessionId, node: NodeId) -> None:
        """A node says that it has ended a session of which nobody else here wants to hear."""
        held = self._held.get(session)
        if held is not None and held.hold.media_node == node:
            self.over(session)

    def node_gone(self, report: NodeReport) -> None:
        """A node died or left. Whose session was there has a moment to go on elsewhere."""
        node = report.info.node
        left = [session for session, held in self._held.items() if held.hold.media_node == node]
        if left:
            asyncio.get_running_loop().call_later(MOVE_S, self._not_moved, left, node)

    def subscriber_changed(self, record: SubscriberRecord) -> None:
        """End the sessions of a subscriber who is blocked now, here. Called for each change by anybody."""
        if record.blocked_type is None or record.blocked_until_ms <= self.now_ms():
            return
        name = (record.app, record.stream, record.subscriber_id)
        for session, held in list(self._held.items()):
            if (held.app, held.stream, held.subscriber_id) == name and record.blocked_type.covers(held.role):
                held.end = EndReason.USER_BLOCKED
                if held.hold.media_node is not None:
                    self._tasks.queue(self._end(session, held.hold.media_node, held.end), "end session")

    def end_all(self, holds: Iterable[Hold], reason: EndReason, *, keep_stream_s: float = 0.0) -> None:
        """End sessions wherever they are, also those that processes opened which are gone. `keep_stream_s`: how long
        the stream of a publisher waits for its return."""
        for hold in holds:
            if hold.media_node is not None:
                keep_s = keep_stream_s if hold.role is Role.PUBLISH else 0.0
                self._tasks.queue(self._end(hold.session, hold.media_node, reason, keep_s), "end session")

    # ---- beside

    async def run(self) -> NoReturn:
        """Tell the store again what it did not take in, and clear up after processes that are gone; until cancelled."""
        swept_at = 0.0
        clock = asyncio.get_running_loop().time
        while True:
            await asyncio.sleep(RETRY_S)
            for (ledger, key, session), started in list(self._late.items()):
                await self._release(ledger, key, session, started)
            if clock() - swept_at >= SWEEP_S and self._sweeps():
                swept_at = clock()
                await self._sweep()

    def _sweeps(self) -> bool:
        """One instance is enough: the first by name. When several think that they are it, they do the same twice."""
        return self._node <= min(self._nodes.nodes(NodeKind.SIGNALING), default=self._node)

    async def _sweep(self) -> None:
        for ledger in self._ledgers:
            try:
                await ledger.sweep(self.alive, self.now_ms())
            except RillcastError as error:
                log.info("The store cannot be cleared up right now", reason=error.loggable)

    def _not_moved(self, sessions: list[SessionId], node: NodeId) -> None:
        for session in sessions:
            self.closed(session, node)

    def _write(self, held: Held, former: SessionId) -> None:
        for ledger, key in held.entries:
            self._tasks.queue(self._placed(ledger, key, former, held.hold), "place hold")

    async def _placed(self, ledger: Ledger, key: str, former: SessionId, hold: Hold) -> None:
        try:
            await ledger.placed(key, former, hold)
        except RillcastError as error:
            log.info("The store does not know where a session is", session=hold.session, reason=error.loggable)

    async def _release(self, ledger: Ledger, key: str, session: SessionId, started: bool) -> None:
        late = (ledger, key, session)
        try:
            await ledger.release(key, session, started=started, now_ms=self.now_ms())
        except RillcastError:
            if late in self._late or len(self._late) < MAX_LATE:
                self._late[late] = started
            else:
                metrics.HOLDS_DROPPED.inc()
        else:
            self._late.pop(late, None)
        metrics.HOLDS_LATE.set(len(self._late))

    async def _end(self, session: SessionId, node: NodeId, reason: EndReason, keep_stream_s: float = 0.0) -> None:
        try:
            await self._sessions.close(session, node, reason, keep_stream_s)
        except RillcastError as error:
            log.info("A session could not be ended at its node", target=node, session=session, reason=error.loggable)
