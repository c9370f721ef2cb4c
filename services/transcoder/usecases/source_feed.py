"""The child side of one relay: a source track on its way from the origin into this node's plane."""

from __future__ import annotations

import secrets
from contextlib import suppress

from rillcast.cluster.backoff import Backoff
from rillcast.cluster.stream_directory import LiveStream, TrackSupply
from rillcast.contracts.errors import RillcastError
from rillcast.contracts.ids import NodeId, RelayId
from rillcast.contracts.messages import Ack, RelayClose, RelayGrant, RelayOpen
from rillcast.contracts.subjects import media_relay_close, media_relay_open
from rillcast.media.protocol import AddRelaySource, RemoveSource, RequestKeyframe, Tap
from rillcast.node.addresses import MediaAddresses
from services.transcoder import metrics
from services.transcoder.ports import Bus, Plane

REQUEST_S = 3.0


class SourceFeed:
    """One source id, fed or not. After `open` failed or the parent was lost, `due` says when to try again."""

    def __init__(
        self, *, bus: Bus, plane: Plane, addresses: MediaAddresses, node: NodeId, source: int, worker: int
    ) -> None:
        self._bus = bus
        self._plane = plane
        self._addresses = addresses
        self._node = node
        self._worker = worker
        self._backoff = Backoff(first_s=0.2, most_s=3.0)
        self._from: tuple[NodeId, RelayId] | None = None
        self._added = False
        self._tapped = False
        self._clock_guessed = False
        self.source = source
        self.due = 0.0

    @property
    def fed(self) -> bool:
        """Whether a parent was asked and agreed, and hasn't fallen silent since."""
        return self._from is not None

    async def open(self, live: LiveStream, supply: TrackSupply, now: float) -> bool:
        """Ask the origin. False when it refused or did not answer."""
        relay = RelayId(secrets.token_hex(16))
        request = RelayOpen(
            app=live.app,
            stream=live.stream,
            track=supply.track.track,
            epoch=supply.epoch,
            child=self._node,
            relay=relay,
            child_address=self._addresses.relay(self._worker),
        )
        try:
            grant = await self._bus.request(media_relay_open(supply.node), request, RelayGrant, timeout_s=REQUEST_S)
        except RillcastError:
            metrics.FEEDS.labels("refused").inc()
            self.due = now + self._backoff.next_delay_s()
            return False
        self._plane.execute(
            AddRelaySource(
                source=self.source,
                worker=self._worker,
                kind=supply.track.kind,
                codec=supply.track.codec,
                clock_rate=supply.track.clock_rate,
                parent=grant.parent_address,
                ssrc=grant.ssrc,
                srtp_key=grant.srtp_key,
                srtcp_key=grant.srtcp_key,
            )
        )
        self._from = (supply.node, relay)
        self._added = True
        metrics.FEEDS.labels("ok").inc()
        return True

    def tap(self, enabled: bool) -> None:
        """Have the packets delivered, beginning with a keyframe; or no longer."""
        if enabled != self._tapped and self._added:
            self._tapped = enabled
            self._plane.execute(Tap(source=self.source, enabled=enabled))
            if enabled:
                self._clock_guessed = True
                self.want_keyframe()

    def believes_clock(self) -> bool:
        """Whether the clock that the plane reports now is the publisher's. It answers a tap with what it has, which may
        be a guess made when a cached keyframe arrived, and seconds wrong; viewers' lip sync would remember that for
        twenty reports. Call once per report."""
        guessed, self._clock_guessed = self._clock_guessed, False
        return not guessed

    def want_keyframe(self) -> None:
        """Ask upstream."""
        if self._added:
            self._plane.execute(RequestKeyframe(source=self.source))

    def flowing(self) -> None:
        """Media arrives."""
        self._backoff.reset()

    def lost(self, now: float) -> None:
        """The parent fell silent."""
        metrics.FEEDS.labels("lost").inc()
        self._from = None
        self.due = now + self._backoff.next_delay_s()

    async def close(self) -> None:
        """Give the source up; tells the parent, as far as it listens."""
        if self._added:
            self._plane.execute(RemoveSource(source=self.source))
            self._added = self._tapped = False
        if self._from is not None:
            parent, relay = self._from
            self._from = None
            with suppress(RillcastError):
                await self._bus.request(
                    media_relay_close(parent), RelayClose(relay=relay, child=self._node), Ack, timeout_s=1.0
                )
