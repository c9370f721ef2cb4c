"""A node as a relay parent (origin, transcoder, edge): which children have which tracks, under a limit. Decides only;
the caller commands the plane.

A child node has at most one relay per track. Asking again, with the same or another relay id, replaces it.
"""

from __future__ import annotations

import base64
import os
import secrets

import msgspec

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import NodeId, RelayId, TrackId
from rillcast.contracts.messages import RelayGrant
from rillcast.contracts.records import TrackRecord
from rillcast.media.protocol import AddRelay

RELAY_PAYLOAD_TYPE = 96
"""One relay carries one track, so one number does for all."""
_KEY_BYTES = 28
"""AEAD_AES_128_GCM: 16 byte key, 12 byte salt (RFC 7714 §12)."""


class ParentRelay(msgspec.Struct, frozen=True, kw_only=True):
    """One track on its way to one child."""

    plane_relay: int
    relay: RelayId
    child: NodeId
    key: str
    track: TrackId
    source: int
    ssrc: int
    srtp_key: str
    srtcp_key: str

    def command(self) -> AddRelay:
        """What makes the plane feed the child."""
        return AddRelay(
            relay=self.plane_relay,
            source=self.source,
            ssrc=self.ssrc,
            payload_type=RELAY_PAYLOAD_TYPE,
            srtp_key=self.srtp_key,
            srtcp_key=self.srtcp_key,
        )

    def grant(self, parent_address: str, epoch: int, track: TrackRecord) -> RelayGrant:
        """What the child needs to know."""
        return RelayGrant(
            parent_address=parent_address,
            ssrc=self.ssrc,
            payload_type=RELAY_PAYLOAD_TYPE,
            srtp_key=self.srtp_key,
            srtcp_key=self.srtcp_key,
            epoch=epoch,
            track=track,
        )


class ParentRelays:
    """All relays this node feeds."""

    def __init__(self, child_limit: int) -> None:
        """`child_limit`: nodes fed per stream; beyond it children are sent away."""
        self._child_limit = child_limit
        self._by_plane: dict[int, ParentRelay] = {}
        self._by_stream: dict[str, dict[tuple[TrackId, NodeId], ParentRelay]] = {}
        self._by_name: dict[tuple[RelayId, NodeId], ParentRelay] = {}
        self._ssrcs: set[int] = set()
        self._last = 0

    def __len__(self) -> int:
        return len(self._by_plane)

    def open(
        self, *, key: str, track: TrackId, source: int, child: NodeId, relay: RelayId
    ) -> tuple[ParentRelay, ParentRelay | None]:
        """A new relay, and the one it replaces. Raises HIGH_RESOURCE_USAGE at the child limit."""
        children = self.children(key)
        if child not in children and len(children) >= self._child_limit:
            raise RillcastError(
                ErrorCode.HIGH_RESOURCE_USAGE, f"this stream already feeds {self._child_limit} nodes from here", 1.0
            )
        before = self._by_stream.get(key, {}).get((track, child))
        if before is not None:
            self.forget(before.plane_relay)
        self._last += 1
        opened = ParentRelay(
            plane_relay=self._last,
            relay=relay,
            child=child,
            key=key,
            track=track,
            source=source,
            ssrc=self._new_ssrc(),
            srtp_key=_new_key(),
            srtcp_key=_new_key(),
        )
        self._by_plane[opened.plane_relay] = opened
        self._by_stream.setdefault(key, {})[track, child] = opened
        self._by_name[relay, child] = opened
        return opened, before

    def named(self, relay: RelayId, child: NodeId) -> ParentRelay | None:
        """The relay with this id, if this child opened it."""
        return self._by_name.get((relay, child))

    def of(self, key: str) -> list[ParentRelay]:
        """The relays of a stream."""
        return list(self._by_stream.get(key, {}).values())

    def children(self, key: str) -> set[NodeId]:
        """The nodes this stream goes to."""
        return {relay.child for relay in self.of(key)}

    def forget(self, plane_relay: int) -> ParentRelay | None:
        """The relay is closed; which it was."""
        relay = self._by_plane.pop(plane_relay, None)
        if relay is None:
            return None
        self._ssrcs.discard(relay.ssrc)
        self._by_name.pop((relay.relay, relay.child), None)
        places = self._by_stream[relay.key]
        del places[relay.track, relay.child]
        if not places:
            del self._by_stream[relay.key]
        return relay

    def _new_ssrc(self) -> int:
        while True:
            ssrc = secrets.randbelow((1 << 32) - 1) + 1
            if ssrc not in self._ssrcs:
                self._ssrcs.add(ssrc)
                return ssrc


def _new_key() -> str:
    return base64.b64encode(os.urandom(_KEY_BYTES)).decode()
