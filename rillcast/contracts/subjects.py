"""Every NATS subject and key-value bucket, and nowhere else.

A request has an imperative name and is answered. An event has a name in the past tense and is not answered. A request
to one node ends in the id of that node. A request that any instance may answer has a queue group with the service's
name. Where several kinds of node say the same, the kind stands in the subject, so that NATS can refuse a node that
speaks for another kind. Who may say and hear what: `rillcast.contracts.permissions`.
"""

from __future__ import annotations

from rillcast.contracts.ids import NodeId
from rillcast.contracts.words import NodeKind

PREFIX = "rc.v1"


# --- requests to one node that has a stream's media
def origin_publish(node: NodeId) -> str:
    """`messages.PublishRequest` → `messages.SessionAnswer`."""
    return f"{PREFIX}.origin.publish.{node}"


def origin_reoffer(node: NodeId) -> str:
    """`messages.ReofferRequest` → `messages.SessionAnswer`."""
    return f"{PREFIX}.origin.reoffer.{node}"


def origin_move_in(node: NodeId) -> str:
    """`messages.PublishRequest` → `messages.SessionAnswer`. A publisher is to go on here in its living peer connection:
    its ``sdp_offer`` is the one that another origin has answered, and the answer carries an offer of this one."""
    return f"{PREFIX}.origin.move_in.{node}"


def origin_accept(node: NodeId) -> str:
    """`messages.AnswerRequest` → `messages.Ack`. It carries the client's answer to an offer that `origin_move_in`
    made."""
    return f"{PREFIX}.origin.accept.{node}"


def origin_describe(node: NodeId) -> str:
    """`messages.DescribeRequest` → `messages.Ack`."""
    return f"{PREFIX}.origin.describe.{node}"


def origin_turn_away(node: NodeId) -> str:
    """`messages.TurnAwayRequest` → `messages.CloseAnswer`. Whether the node had such a session."""
    return f"{PREFIX}.origin.turn_away.{node}"


def origin_hand_over(node: NodeId) -> str:
    """`messages.HandOverRequest` → `messages.Ack`. Asked by other origins only."""
    return f"{PREFIX}.origin.hand_over.{node}"


def media_relay_open(node: NodeId) -> str:
    """`messages.RelayOpen` → `messages.RelayAnswer`: a relay from this node, or whom to ask instead."""
    return f"{PREFIX}.media.relay_open.{node}"


def media_relay_close(node: NodeId) -> str:
    """`messages.RelayClose` → `messages.Ack`."""
    return f"{PREFIX}.media.relay_close.{node}"


def media_relay_leaving(child: NodeId) -> str:
    """`messages.RelayLeaving`, an event from the parent of a relay to its child."""
    return f"{PREFIX}.media.relay_leaving.{child}"


def media_association(kind: NodeKind, node: NodeId) -> str:
    """`messages.AssociationRequest` → `messages.AssociationAnswer`. Asked by nodes of the same kind, which the subject
    names: origin or edge."""
    return f"{PREFIX}.media.association.{kind}.{node}"


# --- requests to one edge
def edge_play(node: NodeId) -> str:
    """`messages.PlayRequest` → `messages.SessionAnswer`."""
    return f"{PREFIX}.edge.play.{node}"


def edge_accept(node: NodeId) -> str:
    """`messages.AnswerRequest` → `messages.Ack`. It carries the client's answer to an offer that `edge_play` made."""
    return f"{PREFIX}.edge.accept.{node}"


def edge_select(node: NodeId) -> str:
    """`messages.SelectRendition` → `messages.Ack`."""
    return f"{PREFIX}.edge.select.{node}"


def edge_look(node: NodeId) -> str:
    """`messages.LookRequest` → `messages.LookAnswer`. Asked while an operator looks at a stream."""
    return f"{PREFIX}.edge.look.{node}"


# --- requests to one transcoder
def transcoder_preview(node: NodeId) -> str:
    """`messages.PreviewRequest` → `messages.PreviewAnswer`. Asked while somebody looks at a picture of the stream."""
    return f"{PREFIX}.transcoder.preview.{node}"


# --- requests about a session, to the origin or edge that has it
def session_close(kind: NodeKind, node: NodeId) -> str:
    """`messages.CloseRequest` → `messages.CloseAnswer`. The kind is that of the node."""
    return f"{PREFIX}.session.close.{kind}.{node}"


def session_restart_ice(kind: NodeKind, node: NodeId) -> str:
    """`messages.RestartIceRequest` → `messages.RestartIceAnswer`. The kind is that of the node."""
    return f"{PREFIX}.session.restart_ice.{kind}.{node}"


def session_mute(node: NodeId) -> str:
    """`messages.MuteRequest` → `messages.Ack`. To edges only."""
    return f"{PREFIX}.session.mute.{node}"


# --- requests to one node of any kind
def node_confirm(kind: NodeKind, node: NodeId) -> str:
    """`messages.NodeConfirm` → `messages.NodeConfirmed`. Asked by signaling when it doubts that the node lives, and
    by a process that starts under this id. The kind is that of the node."""
    return f"{PREFIX}.node.confirm.{kind}.{node}"


def node_drain(kind: NodeKind, node: NodeId) -> str:
    """`messages.DrainRequest` → `messages.DrainProgress`. The kind is that of the node: origin, edge or transcoder."""
    return f"{PREFIX}.node.drain.{kind}.{node}"


def node_traces(kind: NodeKind, node: NodeId) -> str:
    """`messages.TracesRequest` → `messages.TracesAnswer`. The kind is that of the node."""
    return f"{PREFIX}.node.traces.{kind}.{node}"


# --- requests to any signaling instance
SIGNALING_ADMIT = f"{PREFIX}.signaling.admit"
"""`messages.AdmitRequest` → `messages.AdmitAnswer`; queue group ``signaling``. A refusal is the answer's failure.
For origins, before they let a publisher in who does not come by signaling. Nobody asks yet."""


# --- from one signaling instance to another
def signaling_reserve(node: NodeId) -> str:
    """`messages.ReserveRequest` → `messages.Ack`. To the instance that counts."""
    return f"{PREFIX}.signaling.reserve.{node}"


def signaling_reservation_arrived(node: NodeId) -> str:
    """`messages.ReservationArrived` → `messages.Ack`, when a client that this instance gave a place is there."""
    return f"{PREFIX}.signaling.reservation_arrived.{node}"


def signaling_reservation_over(node: NodeId) -> str:
    """`messages.ReservationOver`, when a client that was counted by this instance is gone at once."""
    return f"{PREFIX}.signaling.reservation_over.{node}"


SIGNALING_PASSWORD_TRIED = f"{PREFIX}.signaling.password_tried"
"""`messages.PasswordTried`, an event from one instance to all others, so that tries at all of them count together."""
SIGNALING_CODE_WRONG = f"{PREFIX}.signaling.code_wrong"
"""`messages.CodeWrong`, likewise."""


# --- license
def license_acquire(kind: NodeKind) -> str:
    """`messages.SeatRequest` → `messages.SeatAnswer`; queue group ``license``. The kind is that of the node that
    asks."""
    return f"{PREFIX}.license.acquire.{kind}"


def license_release(kind: NodeKind) -> str:
    """`messages.SeatRelease` → `messages.Ack`; queue group ``license``. The kind is that of the node that asks."""
    return f"{PREFIX}.license.release.{kind}"


LICENSE_STATUS = f"{PREFIX}.license.status"
"""`messages.LicenseStatusRequest` → `messages.LicenseStatus`; queue group ``license``."""
LICENSE_INSTALL = f"{PREFIX}.license.install"
"""`messages.LicenseInstall` → `messages.LicenseStatus`; queue group ``license``."""
LICENSE_CHECK = f"{PREFIX}.license.check"
"""`messages.LicenseCheck` → `messages.LicenseStatus`; queue group ``license``."""
LICENSE_USAGE = f"{PREFIX}.license.usage"
"""`messages.LicenseUsageRequest` → `messages.LicenseUsage`; queue group ``license``."""

# --- events
LICENSE_CHANGED = f"{PREFIX}.license.changed"
"""`messages.LicenseStatus`, when the license in force, its state or its warning has changed. Every instance says so."""


def node_reported(kind: NodeKind, node: NodeId) -> str:
    """`messages.NodeReport`, once a second, from the node that the subject names."""
    return f"{PREFIX}.node.reported.{kind}.{node}"


def node_left(kind: NodeKind, node: NodeId) -> str:
    """`messages.NodeLeft`, once, when the node that the subject names ends in order."""
    return f"{PREFIX}.node.left.{kind}.{node}"


NODES_REPORTED = f"{PREFIX}.node.reported.>"
"""What every node says with `node_reported`."""
NODES_LEFT = f"{PREFIX}.node.left.>"
"""What every node says with `node_left`."""


NODE_SILENT = f"{PREFIX}.node.silent"
"""`messages.NodeSilent`, from a node that feeds another one or is fed by it, when all that it hears of that node's
media plane ends."""
NODE_DOUBTED = f"{PREFIX}.node.doubted"
"""`messages.NodeDoubted`, from a signaling instance, at each look at a doubtful node."""


def node_vouched(signaling_node: NodeId) -> str:
    """`messages.NodeVouched`, from a node that hears the media plane of the doubted one, or heard it, to the signaling
    instance that doubts."""
    return f"{PREFIX}.node.vouched.{signaling_node}"


def session_changed(signaling_node: NodeId) -> str:
    """`messages.SessionChanged`, from the node that has the session to the signaling instance that opened it."""
    return f"{PREFIX}.session.changed.{signaling_node}"


TRACES_KEPT = f"{PREFIX}.traces.kept"
"""`messages.TracesKept`, at most once a second, from a process in which something of a trace that was not sampled has
failed, or was slow."""
STREAM_STARTED = f"{PREFIX}.stream.started"
"""`messages.StreamEvent`, when the media of a new epoch begins to flow."""
STREAM_ENDED = f"{PREFIX}.stream.ended"
"""`messages.StreamEvent`, when the owner has given the stream up."""
STREAM_RESTORED = f"{PREFIX}.stream.restored"
"""`messages.StreamEvent`, when the publisher has come back within its grace time. The viewers have stayed."""

# --- JetStream key-value buckets
BUCKET_STREAMS = "rillcast_streams"
"""`records.StreamRecord`, one for each live stream, under `ids.stream_key`. A key lives for `STREAM_LEASE_S`, and the
owner rewrites it after each third of that time. The write that claims the key says the epoch."""
BUCKET_RENDITIONS = "rillcast_renditions"
"""`records.RenditionRecord`, one for each job that makes renditions of a stream, under the key of the stream and the
kind of the job (``…/ladder``). A key lives as long as in `BUCKET_STREAMS`."""
BUCKET_APPS = "rillcast_apps"
"""`records.AppSettings`, one for each app, under its name. They hold secrets, so signaling alone reads and writes
them. They stay until they are changed."""
BUCKET_LADDERS = "rillcast_ladders"
"""`records.LadderSettings`, one for each app, under its name: what transcoders and origins need of `BUCKET_APPS`.
Signaling writes them anew whenever they differ."""
BUCKET_BROADCASTS = "rillcast_broadcasts"
"""`records.BroadcastRecord`, one for each stream that something was set for, under `ids.stream_key`. They stay."""
BUCKET_TOKENS = "rillcast_tokens"
"""`access_records.TokenRecord`, one for each one-time token, under its app and a digest of the token. They stay until
they are used up or expired."""
BUCKET_SUBSCRIBERS = "rillcast_subscribers"
"""`access_records.SubscriberRecord`, one for each subscriber of a stream, under `ids.stream_key` and a digest of its
id. They stay until they are deleted; those that nobody registered, as long as they have connections or are blocked."""
BUCKET_CONNECTIONS = "rillcast_connections"
"""`access_records.ConnectionsRecord`, one for each subscriber of a stream whose connections are kept, under the same
key as in `BUCKET_SUBSCRIBERS`. A key lives for `CONNECTIONS_KEPT_S` after its last change."""
BUCKET_LICENSE = "rillcast_license"
"""`records.SeatRecord`, one for each seat that is taken, under ``seat/<node id>``. A key lives for `SEAT_LEASE_S`."""
BUCKET_LICENSE_STATE = "rillcast_license_state"
"""What the license services share: ``ledger`` (who was admitted), ``installed`` (the license document), ``clock`` (the
highest time that was seen), ``usage/<day>`` (the hours of that day) and the key that signs usage reports. They stay."""
BUCKET_SECRETS = "rillcast_secrets"
"""The key that signs the addresses of WHIP and WHEP resources. The first signaling instance makes it (by
compare-and-set), and it stays. Nobody but signaling reads it."""
BUCKET_ACCOUNTS = "rillcast_accounts"
"""The accounts of operators with their hashes and sessions, under the SHA-256 of the e-mail. Signaling alone reads and
writes them. They stay."""
BUCKET_SERVER = "rillcast_server"
"""`server_records.ServerRecord` under ``settings``, and `NodeNote` under ``note/<node id>``. Signaling writes them,
and every node reads them: they hold no secret. They stay."""

BUCKET_TOLD_STREAMS = "rillcast_told_streams"
"""`hook_records.ToldStream`, one for each live stream, under `ids.stream_key`: that webhooks are told that it started.
It stays until they are told that it ended."""
BUCKET_TOLD_PLAYS = "rillcast_told_plays"
"""`hook_records.ToldPlay`, one for each viewer that webhooks are told of, under its app and mark. It stays until they
are told that the viewer is gone."""

# --- queues of work in JetStream
QUEUES_UNDER = "rc.queue"
"""What the subjects of all queues begin with. The name of the queue and that of the line follow."""
QUEUE_HOOKS = "rillcast_hooks"
"""`hook_records.DueHook`, one for each event that a webhook is to be told. Each receiver has lines of its own."""
HOOKS_KEPT_S = 3_600.0
"""How long an event waits for its receiver at most, in seconds."""

# --- journals in JetStream
JOURNALS_UNDER = "rc.journal"
"""What the subjects of all journals begin with. The name of the journal follows."""
JOURNAL_EVENTS = "rillcast_events"
"""`event_records.ClusterEvent`, a list of them in each entry: what happens to streams, sessions and nodes."""
EVENTS_KEPT_S = 604_800.0
"""How long an event is kept at most, in seconds."""

STREAM_LEASE_S = 6.0
"""How long a stream outlives the last write of its owner, in seconds."""
CONNECTIONS_KEPT_S = 604_800.0
"""How long it is kept when a subscriber connected and disconnected, in seconds."""
SEAT_LEASE_S = 30.0
"""How long a seat outlives the last renewal by its node, in seconds; the default of the license service."""
