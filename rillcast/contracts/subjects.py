"""Every NATS subject and key-value bucket, and nowhere else.

Requests are imperative and answered; events are past tense and not answered. A request to one node ends in its
node id; a request that any instance may answer uses a queue group named like the service.
"""

from __future__ import annotations

from rillcast.contracts.ids import NodeId

PREFIX = "rc.v1"


# --- requests to one node that has a stream's media
def origin_publish(node: NodeId) -> str:
    """`messages.PublishRequest` → `messages.SessionAnswer`."""
    return f"{PREFIX}.origin.publish.{node}"


def origin_hand_over(node: NodeId) -> str:
    """`messages.HandOverRequest` → `messages.Ack`. Asked by other origins only."""
    return f"{PREFIX}.origin.hand_over.{node}"


def media_relay_open(node: NodeId) -> str:
    """`messages.RelayOpen` → `messages.RelayGrant`. Served by origins, transcoders (and edges that are parents)."""
    return f"{PREFIX}.media.relay_open.{node}"


def media_relay_close(node: NodeId) -> str:
    """`messages.RelayClose` → `messages.Ack`."""
    return f"{PREFIX}.media.relay_close.{node}"


# --- requests to one edge
def edge_play(node: NodeId) -> str:
    """`messages.PlayRequest` → `messages.SessionAnswer`."""
    return f"{PREFIX}.edge.play.{node}"


def edge_accept(node: NodeId) -> str:
    """`messages.AnswerRequest` (the client's answer to an offer made by `edge_play`) → `messages.Ack`."""
    return f"{PREFIX}.edge.accept.{node}"


def edge_select(node: NodeId) -> str:
    """`messages.SelectRendition` → `messages.Ack`."""
    return f"{PREFIX}.edge.select.{node}"


# --- requests about a session, to the origin or edge that has it
def session_close(node: NodeId) -> str:
    """`messages.CloseRequest` → `messages.Ack`."""
    return f"{PREFIX}.session.close.{node}"


def session_restart_ice(node: NodeId) -> str:
    """`messages.RestartIceRequest` → `messages.RestartIceAnswer`."""
    return f"{PREFIX}.session.restart_ice.{node}"


def session_mute(node: NodeId) -> str:
    """`messages.MuteRequest` → `messages.Ack`."""
    return f"{PREFIX}.session.mute.{node}"


# --- license
LICENSE_ACQUIRE = f"{PREFIX}.license.acquire"
"""`messages.SeatRequest` → `messages.SeatAnswer`; queue group ``license``."""
LICENSE_RELEASE = f"{PREFIX}.license.release"
"""`messages.SeatRelease` → `messages.Ack`; queue group ``license``."""
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
"""`messages.LicenseStatus`: the license in force, its state or its warning is another one. Every instance says so."""
NODE_REPORTED = f"{PREFIX}.node.reported"
"""`messages.NodeReport`, each second, from every node."""
NODE_LEFT = f"{PREFIX}.node.left"
"""`messages.NodeLeft`, once, on a clean exit."""


def session_changed(signaling_node: NodeId) -> str:
    """`messages.SessionChanged`, from the node with the session to the signaling instance that opened it."""
    return f"{PREFIX}.session.changed.{signaling_node}"


STREAM_STARTED = f"{PREFIX}.stream.started"
"""`messages.StreamEvent`: media of a new epoch is flowing."""
STREAM_ENDED = f"{PREFIX}.stream.ended"
"""`messages.StreamEvent`: the owner gave the stream up."""
STREAM_RESTORED = f"{PREFIX}.stream.restored"
"""`messages.StreamEvent`: the publisher came back within its grace time; viewers stayed attached."""

# --- JetStream key-value buckets
BUCKET_STREAMS = "rillcast_streams"
"""`records.StreamRecord` by `ids.stream_key`; bucket TTL `STREAM_LEASE_S`: the owner rewrites its key every third of
it. The revision of the write that created the key is the epoch."""
BUCKET_RENDITIONS = "rillcast_renditions"
"""`records.RenditionRecord` by ``<stream_key>/<transcoder lease>``: the ladder job of a stream; same TTL rule."""
BUCKET_APPS = "rillcast_apps"
"""`records.AppSettings` by app name; no TTL."""
BUCKET_BROADCASTS = "rillcast_broadcasts"
"""`records.BroadcastRecord` by `ids.stream_key`; no TTL."""
BUCKET_LICENSE = "rillcast_license"
"""`records.SeatRecord` by ``seat/<node id>``; TTL `SEAT_LEASE_S`."""
BUCKET_LICENSE_STATE = "rillcast_license_state"
"""The license service's own: ``ledger`` (who was admitted), ``installed`` (the license document), ``clock`` (the
highest time seen), ``usage/<day>`` (seats used); no TTL."""
BUCKET_SECRETS = "rillcast_secrets"
"""Cluster secrets made by whoever starts first (compare-and-set), e.g. the key that signs WHIP/WHEP resource URLs,
the one that signs usage reports; no TTL."""

STREAM_LEASE_S = 6.0
SEAT_LEASE_S = 30.0
