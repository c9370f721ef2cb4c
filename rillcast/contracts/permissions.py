"""Who may say and hear what on the bus, and who may read and write which bucket.

This is the one table from which NATS' permissions are made (`permissions_of`). What is not in it is denied. A service
that begins to use a subject or a bucket needs a row here; `tests/unit/contracts/test_permissions.py` misses no subject.

There is one user of NATS for each kind of node and one for the tools of the operator. NATS therefore tells kinds apart,
and not the nodes of one kind.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from rillcast.contracts import subjects
from rillcast.contracts.ids import NodeId
from rillcast.contracts.words import NodeKind

ANY = NodeId("*")
"""Any id, in a pattern of NATS."""
INBOX = "_INBOX"
"""What the subjects of all answers begin with."""


class BusUser(StrEnum):
    """Who connects to NATS: one user for each kind of node, and one for people at a command line."""

    SIGNALING = "signaling"
    ORIGIN = "origin"
    EDGE = "edge"
    TRANSCODER = "transcoder"
    LICENSE = "license"
    TOOLS = "tools"


_SIGNALING, _ORIGIN, _EDGE, _TRANSCODER, _LICENSE, _TOOLS = BusUser
NODES = frozenset(BusUser) - {_TOOLS}


@dataclass(frozen=True)
class Traffic:
    """One subject, or a pattern of them."""

    subject: str
    senders: frozenset[BusUser]
    """Who may publish there: requests or events."""
    takers: frozenset[BusUser]
    """Who may subscribe."""


@dataclass(frozen=True)
class Bucket:
    """One bucket of the key-value store."""

    name: str
    writers: frozenset[BusUser]
    readers: frozenset[BusUser]
    """Writers read as well."""
    lease_s: float | None = None
    """How long a key lives after its last write; None: until it is changed."""


@dataclass(frozen=True)
class Queue:
    """A queue of work in the store. What goes beyond its bounds is not taken in."""

    name: str
    users: frozenset[BusUser]
    """Who puts work in and takes it out."""
    most: int
    """How much may wait."""
    most_in_line: int
    """How much may wait in one line."""
    most_bytes: int
    """How large all of it may be."""
    most_bytes_each: int
    kept_s: float
    """How long something waits at most."""

    @property
    def stream(self) -> str:
        """The name of the js stream that holds it."""
        return f"WQ_{self.name}"

    @property
    def prefix(self) -> str:
        """What comes before the line in a subject."""
        return f"{subjects.QUEUES_UNDER}.{self.name}."


@dataclass(frozen=True)
class Journal:
    """A journal in the store: entries that are read in their order, and never changed. The oldest go first when there
    is no more room."""

    name: str
    users: frozenset[BusUser]
    """Who writes and reads it."""
    most: int
    """How many entries are kept."""
    most_bytes: int
    """How large all of it may be."""
    most_bytes_each: int
    kept_s: float
    """How long an entry is kept at most."""

    @property
    def stream(self) -> str:
        """The name of the js stream that holds it."""
        return f"JN_{self.name}"

    @property
    def subject(self) -> str:
        """Where entries are written."""
        return f"{subjects.JOURNALS_UNDER}.{self.name}"


@dataclass(frozen=True)
class Permissions:
    """All that one user may do. NATS denies everything else."""

    publish: tuple[str, ...]
    subscribe: tuple[str, ...]


def _rows() -> tuple[Traffic, ...]:
    rows: list[tuple[str, Collection[BusUser], Collection[BusUser]]] = [
        (subjects.origin_publish(ANY), {_SIGNALING}, {_ORIGIN}),
        (subjects.origin_reoffer(ANY), {_SIGNALING}, {_ORIGIN}),
        (subjects.origin_move_in(ANY), {_SIGNALING}, {_ORIGIN}),
        (subjects.origin_accept(ANY), {_SIGNALING}, {_ORIGIN}),
        (subjects.origin_describe(ANY), {_SIGNALING}, {_ORIGIN}),
        (subjects.origin_turn_away(ANY), {_SIGNALING}, {_ORIGIN}),
        (subjects.origin_hand_over(ANY), {_ORIGIN}, {_ORIGIN}),
        (subjects.media_relay_open(ANY), {_EDGE, _TRANSCODER}, {_ORIGIN, _EDGE, _TRANSCODER}),
        (subjects.media_relay_close(ANY), {_EDGE, _TRANSCODER}, {_ORIGIN, _EDGE, _TRANSCODER}),
        (subjects.media_relay_leaving(ANY), {_EDGE}, {_EDGE}),
        (subjects.edge_play(ANY), {_SIGNALING}, {_EDGE}),
        (subjects.edge_accept(ANY), {_SIGNALING}, {_EDGE}),
        (subjects.edge_select(ANY), {_SIGNALING}, {_EDGE}),
        (subjects.edge_look(ANY), {_SIGNALING}, {_EDGE}),
        (subjects.transcoder_preview(ANY), {_SIGNALING}, {_TRANSCODER}),
        (subjects.session_mute(ANY), {_SIGNALING}, {_EDGE}),
        (subjects.session_changed(ANY), {_ORIGIN, _EDGE}, {_SIGNALING}),
        (subjects.SIGNALING_ADMIT, {_ORIGIN}, {_SIGNALING}),
        (subjects.signaling_reserve(ANY), {_SIGNALING}, {_SIGNALING}),
        (subjects.signaling_reservation_arrived(ANY), {_SIGNALING}, {_SIGNALING}),
        (subjects.signaling_reservation_over(ANY), {_SIGNALING}, {_SIGNALING}),
        (subjects.SIGNALING_PASSWORD_TRIED, {_SIGNALING}, {_SIGNALING}),
        (subjects.SIGNALING_CODE_WRONG, {_SIGNALING}, {_SIGNALING}),
        (subjects.LICENSE_STATUS, {_SIGNALING, _TOOLS}, {_LICENSE}),
        (subjects.LICENSE_CHECK, {_SIGNALING, _TOOLS}, {_LICENSE}),
        (subjects.LICENSE_USAGE, {_SIGNALING, _TOOLS}, {_LICENSE}),
        (subjects.LICENSE_INSTALL, {_TOOLS}, {_LICENSE}),
        (subjects.LICENSE_CHANGED, {_LICENSE}, {_SIGNALING}),
        (subjects.NODES_REPORTED, (), NODES),
        (subjects.NODES_LEFT, (), NODES),
        (subjects.NODE_SILENT, {_ORIGIN, _EDGE, _TRANSCODER}, {_SIGNALING}),
        (subjects.NODE_DOUBTED, {_SIGNALING}, {_ORIGIN, _EDGE, _TRANSCODER}),
        (subjects.node_vouched(ANY), {_ORIGIN, _EDGE, _TRANSCODER}, {_SIGNALING}),
        (subjects.TRACES_KEPT, NODES, NODES),
        (subjects.STREAM_STARTED, {_ORIGIN}, ()),
        (subjects.STREAM_ENDED, {_ORIGIN}, {_EDGE}),
        (subjects.STREAM_RESTORED, {_ORIGIN}, ()),
    ]
    for kind in (NodeKind.ORIGIN, NodeKind.EDGE):
        rows += [
            (subjects.session_close(kind, ANY), {_SIGNALING}, {BusUser(kind)}),
            (subjects.session_restart_ice(kind, ANY), {_SIGNALING}, {BusUser(kind)}),
            (subjects.media_association(kind, ANY), {BusUser(kind)}, {BusUser(kind)}),
        ]
    for kind in (NodeKind.ORIGIN, NodeKind.EDGE, NodeKind.TRANSCODER):
        rows.append((subjects.node_drain(kind, ANY), {_SIGNALING}, {BusUser(kind)}))
    for kind in NodeKind:
        rows += [
            (subjects.node_reported(kind, ANY), {BusUser(kind)}, ()),
            (subjects.node_left(kind, ANY), {BusUser(kind)}, ()),
            (subjects.node_confirm(kind, ANY), NODES, {BusUser(kind)}),
            (subjects.node_traces(kind, ANY), {_SIGNALING}, {BusUser(kind)}),
        ]
        if kind is not NodeKind.LICENSE:
            rows += [
                (subjects.license_acquire(kind), {BusUser(kind)}, {_LICENSE}),
                (subjects.license_release(kind), {BusUser(kind)}, {_LICENSE}),
            ]
    return tuple(Traffic(subject, frozenset(senders), frozenset(takers)) for subject, senders, takers in rows)


TRAFFIC = _rows()
BUCKETS = (
    Bucket(
        subjects.BUCKET_STREAMS,
        frozenset({_ORIGIN}),
        frozenset({_SIGNALING, _ORIGIN, _EDGE, _TRANSCODER}),
        subjects.STREAM_LEASE_S,
    ),
    Bucket(
        subjects.BUCKET_RENDITIONS,
        frozenset({_TRANSCODER}),
        frozenset({_SIGNALING, _ORIGIN, _EDGE, _TRANSCODER}),
        subjects.STREAM_LEASE_S,
    ),
    Bucket(subjects.BUCKET_APPS, frozenset({_SIGNALING}), frozenset({_SIGNALING})),
    Bucket(subjects.BUCKET_LADDERS, frozenset({_SIGNALING}), frozenset({_SIGNALING, _ORIGIN, _TRANSCODER})),
    Bucket(subjects.BUCKET_BROADCASTS, frozenset({_SIGNALING}), frozenset({_SIGNALING, _ORIGIN, _TRANSCODER})),
    Bucket(subjects.BUCKET_TOKENS, frozenset({_SIGNALING}), frozenset({_SIGNALING})),
    Bucket(subjects.BUCKET_SUBSCRIBERS, frozenset({_SIGNALING}), frozenset({_SIGNALING})),
    Bucket(subjects.BUCKET_CONNECTIONS, frozenset({_SIGNALING}), frozenset({_SIGNALING}), subjects.CONNECTIONS_KEPT_S),
    Bucket(subjects.BUCKET_TOLD_PLAYS, frozenset({_SIGNALING}), frozenset({_SIGNALING})),
    Bucket(subjects.BUCKET_TOLD_STREAMS, frozenset({_SIGNALING}), frozenset({_SIGNALING})),
    Bucket(subjects.BUCKET_LICENSE, frozenset({_LICENSE}), frozenset({_LICENSE}), subjects.SEAT_LEASE_S),
    Bucket(subjects.BUCKET_LICENSE_STATE, frozenset({_LICENSE}), frozenset({_LICENSE})),
    Bucket(subjects.BUCKET_SECRETS, frozenset({_SIGNALING}), frozenset({_SIGNALING})),
    Bucket(subjects.BUCKET_ACCOUNTS, frozenset({_SIGNALING}), frozenset({_SIGNALING})),
    Bucket(subjects.BUCKET_SERVER, frozenset({_SIGNALING}), NODES),
)
"""One row for each bucket of `subjects`; the license service makes them all."""
QUEUES = (
    Queue(
        subjects.QUEUE_HOOKS,
        frozenset({_SIGNALING}),
        most=50_000,
        most_in_line=1_000,
        most_bytes=67_108_864,
        most_bytes_each=524_288,  # more than `hook_records.DueHook` can have: three texts, each escaped
        kept_s=subjects.HOOKS_KEPT_S,
    ),
)
"""One row for each queue of `subjects`, made like the buckets."""
JOURNALS = (
    Journal(
        subjects.JOURNAL_EVENTS,
        frozenset({_SIGNALING}),
        most=20_000,
        most_bytes=33_554_432,
        most_bytes_each=262_144,
        kept_s=subjects.EVENTS_KEPT_S,
    ),
)
"""One row for each journal of `subjects`, made like the buckets."""
MAY_MISS = (
    f"{subjects.PREFIX}.node.traces.",
    subjects.TRACES_KEPT,
    f"{subjects.PREFIX}.transcoder.preview.",
)
"""Where subjects begin without whose permission a node runs all the same, so that nodes can be upgraded before the
users of NATS are made anew: only what shows traces, or pictures of streams, is missing then."""
MAKER = BusUser.LICENSE
"""Who makes the buckets, the queues and the journals, and changes what they are. A user who may do that can have all
that goes over the bus stored, and read it. So it is one user, of the service that no client ever talks to."""


def inbox_of(user: BusUser, name: str) -> str:
    """What the subjects of the answers to one connection of this user begin with."""
    return f"{INBOX}.{user}.{name}"


def permissions_of(user: BusUser) -> Permissions:
    """What this user may publish and subscribe. Whoever takes requests may answer each of them once besides."""
    publish = [row.subject for row in TRAFFIC if user in row.senders]
    for bucket in BUCKETS:
        publish += _store_subjects(bucket, user)
    for queue in QUEUES:
        publish += _queue_subjects(queue, user)
    for journal in JOURNALS:
        publish += _journal_subjects(journal, user)
    subscribe = [row.subject for row in TRAFFIC if user in row.takers]
    return Permissions(tuple(publish), (*subscribe, f"{inbox_of(user, '*')}.>"))


def _store_subjects(bucket: Bucket, user: BusUser) -> list[str]:
    """Of JetStream's API, what reading, writing and making a bucket need."""
    stream, allowed = f"KV_{bucket.name}", []
    if user in bucket.readers | bucket.writers | {MAKER}:
        allowed.append(f"$JS.API.STREAM.INFO.{stream}")
    if user in bucket.readers | bucket.writers:
        allowed += [
            f"$JS.API.STREAM.MSG.GET.{stream}",
            f"$JS.API.CONSUMER.CREATE.{stream}",
            f"$JS.API.CONSUMER.DELETE.{stream}.*",
        ]
    if user in bucket.writers:
        allowed.append(f"$KV.{bucket.name}.>")
    if user is MAKER:
        allowed += [f"$JS.API.STREAM.CREATE.{stream}", f"$JS.API.STREAM.UPDATE.{stream}"]
    return allowed


def _queue_subjects(queue: Queue, user: BusUser) -> list[str]:
    """Of JetStream's API, what using and making a queue need."""
    stream, allowed = queue.stream, []
    if user in queue.users | {MAKER}:
        allowed.append(f"$JS.API.STREAM.INFO.{stream}")
    if user in queue.users:
        allowed += [
            f"$JS.API.STREAM.MSG.GET.{stream}",
            f"$JS.API.STREAM.MSG.DELETE.{stream}",
            f"{queue.prefix}>",
        ]
    if user is MAKER:
        allowed += [f"$JS.API.STREAM.CREATE.{stream}", f"$JS.API.STREAM.UPDATE.{stream}"]
    return allowed


def _journal_subjects(journal: Journal, user: BusUser) -> list[str]:
    """Of JetStream's API, what using and making a journal need."""
    stream, allowed = journal.stream, []
    if user in journal.users | {MAKER}:
        allowed.append(f"$JS.API.STREAM.INFO.{stream}")
    if user in journal.users:
        allowed += [f"$JS.API.CONSUMER.CREATE.{stream}", f"$JS.API.CONSUMER.DELETE.{stream}.*", journal.subject]
    if user is MAKER:
        allowed += [f"$JS.API.STREAM.CREATE.{stream}", f"$JS.API.STREAM.UPDATE.{stream}"]
    return allowed
