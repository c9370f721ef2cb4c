"""The books of a relay parent: which children have which tracks. It decides only;
`rillcast.relay.parent` carries it out."""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Callable

import msgspec

from rillcast.contracts.ids import ClaimId, NodeId, RelayId, TrackId
from rillcast.contracts.messages import RelayGrant
from rillcast.contracts.records import TrackRecord
from rillcast.media.protocol import AddRelay, PlaneRelay, SourceId

RELAY_PAYLOAD_TYPE = 96
"""One relay carries one track, so one number does for all."""
_KEY_BYTES = 28
"""AEAD_AES_128_GCM: 16 byte key, 12 byte salt (RFC 7714 §12)."""


def nothing() -> None:
    """For relays whose end nobody wants to hear of."""


class ParentRelay(msgspec.Struct, frozen=True, kw_only=True):
    """One track on its way to one child, and the keys that only these two nodes know."""

    plane_relay: PlaneRelay
    relay: RelayId
    child: NodeId
    key: str
    track: TrackId
    source: SourceId
    ssrc: int
    srtp_key: str
    srtcp_key: str
    level: int = 1
    """That of the child."""
    gives: bool = True
    """Whether the child would feed others."""
    incarnation: str = ""
    """Of the process of the child; empty when it is not known."""
    on_end: Callable[[], None] = nothing
    """Called once, when the relay is forgotten."""

    def command(self) -> AddRelay:
        """The command that makes the plane feed the child."""
        return AddRelay(
            relay=self.plane_relay,
            source=self.source,
            ssrc=self.ssrc,
            payload_type=RELAY_PAYLOAD_TYPE,
            srtp_key=self.srtp_key,
            srtcp_key=self.srtcp_key,
        )

    def grant(
        self, parent_address: str, claim: ClaimId, track: TrackRecord, standbys: tuple[NodeId, ...] = ()
    ) -> RelayGrant:
        """What the child has to know to receive the track."""
        return RelayGrant(
            parent_address=parent_address,
            ssrc=self.ssrc,
            payload_type=RELAY_PAYLOAD_TYPE,
            srtp_key=self.srtp_key,
            srtcp_key=self.srtcp_key,
            claim=claim,
            track=track,
            level=self.level,
            standbys=standbys,
        )


class ParentRelays:
    """The books: all relays that this node feeds, found by number, by stream and by the name that the child gave."""

    def __init__(self) -> None:
        self._by_plane: dict[PlaneRelay, ParentRelay] = {}
        self._by_stream: dict[str, dict[tuple[TrackId, NodeId], ParentRelay]] = {}
        self._by_name: dict[tuple[RelayId, NodeId], ParentRelay] = {}
        self._ssrcs: set[int] = set()
        self._last = 0

    def __len__(self) -> int:
        return len(self._by_plane)

    def open(
        self,
        *,
        key: str,
        track: TrackId,
        source: SourceId,
        child: NodeId,
        relay: RelayId,
        level: int = 1,
        gives: bool = True,
        incarnation: str = "",
        on_end: Callable[[], None] = nothing,
    ) -> tuple[ParentRelay, ParentRelay | None]:
        """A new relay, and the one it replaces."""
        before = self._by_stream.get(key, {}).get((track, child))
        if before is not None:
            self.forget(before.plane_relay)
        self._last += 1
        opened = ParentRelay(
            plane_relay=PlaneRelay(self._last),
            relay=relay,
            child=child,
            key=key,
            track=track,
            source=source,
            ssrc=self._new_ssrc(),
            srtp_key=_new_key(),
            srtcp_key=_new_key(),
            level=level,
            gives=gives,
            incarnation=incarnation,
            on_end=on_end,
        )
        self._by_plane[opened.plane_relay] = opened
        self._by_stream.setdefault(key, {})[track, child] = opened
        self._by_name[relay, child] = opened
        return opened, before

    def named(self, relay: RelayId, child: NodeId) -> ParentRelay | None:
        """The relay with this id, if this child opened it."""
        return self._by_name.get((relay, child))

    def of(self, key: str) -> list[ParentRelay]:
        """The relays that carry tracks of a stream."""
        return list(self._by_stream.get(key, {}).values())

    def children(self, key: str) -> set[NodeId]:
        """The nodes to which this stream goes."""
        return {relay.child for relay in self.of(key)}

    def all_children(self) -> set[NodeId]:
        """The nodes to which anything goes."""
        return {relay.child for relay in self._by_plane.values()}

    def to(self, child: NodeId) -> list[PlaneRelay]:
        """The relays that feed this node, whatever they carry."""
        return [number for number, relay in self._by_plane.items() if relay.child == child]

    def child_of(self, plane_relay: PlaneRelay) -> NodeId | None:
        """The node that a relay feeds; None for one that is closed."""
        relay = self._by_plane.get(plane_relay)
        return None if relay is None else relay.child

    def level_of(self, plane_relay: PlaneRelay) -> int | None:
        """The level of the child that a relay feeds; None for one that is closed."""
        relay = self._by_plane.get(plane_relay)
        return None if relay is None else relay.level

    def forget(self, plane_relay: PlaneRelay) -> ParentRelay | None:
        """Forget a relay that is closed. Returns the relay that it was."""
        relay = self._by_plane.pop(plane_relay, None)
        if relay is None:
            return None
        self._ssrcs.discard(relay.ssrc)
        if self._by_name.get((relay.relay, relay.child)) is relay:
            del self._by_name[relay.relay, relay.child]
        places = self._by_stream[relay.key]
        del places[relay.track, relay.child]
        if not places:
            del self._by_stream[relay.key]
        relay.on_end()
        return relay

    def _new_ssrc(self) -> int:
        while True:
            ssrc = secrets.randbelow((1 << 32) - 1) + 1
            if ssrc not in self._ssrcs:
                self._ssrcs.add(ssrc)
                return ssrc


def _new_key() -> str:
    return base64.b64encode(os.urandom(_KEY_BYTES)).decode()
