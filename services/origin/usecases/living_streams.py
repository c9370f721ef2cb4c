"""What happens to the streams of an origin: they begin, go on with another session, lose theirs, and end. Carried out
at once, in the plane and at the relays, and then told to everybody. Who gets a stream is `StreamOwner`'s to say.

Entered from `StreamOwner`, from `Leaving`, from the plane (`on_event`), from the change feed (`on_stream_changed`) and
from a timer (`tick`). Media never waits for the bus or the store.
"""

from __future__ import annotations

import asyncio

from rillcast.cluster.stream_directory import LiveStream
from rillcast.contracts import subjects
from rillcast.contracts.errors import RillcastError
from rillcast.contracts.ids import NodeId
from rillcast.contracts.messages import CarriedStream, StreamEvent
from rillcast.contracts.words import EndReason
from rillcast.media.protocol import AdoptedFeed, AdoptFeeds, Event, RemoveSource, SourceStats
from rillcast.node.load import MediaLoad
from rillcast.node.outbox import Outbox
from rillcast.relay.parent import RelayParent
from services.origin import metrics
from services.origin.domain.newcomer import Newcomer
from services.origin.domain.owned_stream import Due, OwnedStream, StreamEnd
from services.origin.domain.takeover import Living
from services.origin.domain.track_layout import same_layout
from services.origin.ports import Clock, Ingest, Plane
from services.origin.usecases.claims import Claims, Hold
from services.origin.usecases.owned_streams import Owned, OwnedStreams


class LivingStreams:
    """Carries out what happens to streams. One per node."""

    def __init__(
        self,
        *,
        node: NodeId,
        plane: Plane,
        load: MediaLoad,
        claims: Claims,
        streams: OwnedStreams,
        relays: RelayParent,
        outbox: Outbox,
        clock: Clock,
    ) -> None:
        self._node = node
        self._plane = plane
        self._load = load
        self._claims = claims
        self._streams = streams
        self._relays = relays
        self._outbox = outbox
        self._clock = clock
        self.nobody_sends = asyncio.Event()
        """Set while no publisher that has a stream here is connected."""
        self.nobody_sends.set()

    # ------------------------------------------------------------ what is asked

    def judged(self, owned: Owned) -> Living:
        """How the publisher looks at this moment to somebody who wants the stream."""
        return owned.stream.living(self._clock(), connected=owned.connected)

    def carried(self) -> tuple[CarriedStream, ...]:
        """What the heartbeat says about streams here; children count as viewers."""
        return tuple(
            CarriedStream(
                app=owned.stream.publisher.app,
                stream=owned.stream.publisher.stream,
                viewers=self._relays.children(owned.stream.key),
            )
            for owned in self._streams
        )

    # ------------------------------------------------------------ what happens by itself

    def on_event(self, event: Event) -> None:
        """Take in an event of the plane. Of a source's figures, once a second each, follow the tracks' sizes and bit
        rates, and that the publisher is alive."""
        if isinstance(event, SourceStats) and (found := self._streams.source(event.source)) is not None:
            owned, track = found
            before = owned.stream.tracks[track]
            lost, recovered = owned.stream.heard(track, event, self._clock())
            if not before.height and event.height:
                owned.hold.write()  # players ask for it as soon as they play
            metrics.PACKETS_LOST.inc(lost)
            metrics.PACKETS_RECOVERED.inc(recovered)

    def on_stream_changed(self, key: str, live: LiveStream | None) -> None:
        """The change feed shows this for a stream; another owner's higher epoch ends ours."""
        owned = self._streams.key(key)
        if owned is not None and live is not None:
            owned.hold.observed(live.record.owner, live.epoch)

    def tick(self) -> None:
        """Let time pass. Call several times a second."""
        now = self._clock()
        for owned in self._streams:
            if owned.stream.notice_silence(now):
                owned.hold.write()
            if owned.stream.due(now) is Due.GRACE_OVER:
                grace = owned.stream.grace
                self.end(owned, grace.reason if grace else EndReason.OTHER, how=StreamEnd.NOT_RETURNED)

    # ------------------------------------------------------------ beginning

    def begin(self, stream: OwnedStream, hold: Hold, newcomer: Newcomer, ingest: Ingest) -> None:
        """The key is held for a stream whose newcomer's media has come. The load counts its session already, here as
        in `succeed`."""
        metrics.EPOCH_CHANGES.inc()
        if stream.restored:
            metrics.RESTORED.labels("elsewhere").inc()
        owned = Owned(stream, hold, ingest)
        self._streams.add(owned)
        hold.keep(lambda: self._lost_to_another(owned))
        stream.begin(newcomer.publisher, self._clock())
        self._lay_out(owned, newcomer)
        self._connect(owned, ingest)

    def succeed(self, owned: Owned, newcomer: Newcomer, ingest: Ingest) -> bool:
        """A newcomer's session feeds the living stream. False while the plane is behind: nothing has changed then."""
        stream = owned.stream
        keeps_sources = stream.worker == newcomer.worker and same_layout(stream.tracks.values(), newcomer.tracks)
        if keeps_sources and not self._adopted(stream, newcomer):
            return False
        self._end_session(owned, EndReason.REPLACED)
        if keeps_sources:
            stream.renegotiated(newcomer.tracks)
        else:
            self._end_sources(owned)
            self._lay_out(owned, newcomer)
            owned.hold.renew()
            metrics.EPOCH_CHANGES.inc()
        metrics.RESTORED.labels("here").inc()
        stream.succeed(newcomer.publisher, self._clock())
        self._connect(owned, ingest)
        owned.hold.write()
        return True

    def _adopted(self, stream: OwnedStream, newcomer: Newcomer) -> bool:
        """The stream's sources go on with what the newcomer's have had and will have."""
        feeds = tuple(
            AdoptedFeed(source=source, from_source=newcomer.sources[track]) for track, source in stream.sources.items()
        )
        try:
            self._plane.execute(AdoptFeeds(feeds=feeds))
        except RillcastError:
            return False
        return True

    def _lay_out(self, owned: Owned, newcomer: Newcomer) -> None:
        owned.stream.lay_out(newcomer.tracks, newcomer.sources, newcomer.worker)
        self._streams.sources_begin(owned)

    def _connect(self, owned: Owned, ingest: Ingest) -> None:
        owned.ingest = ingest
        self._streams.session_begins(owned)
        owned.connected = True
        self.nobody_sends.clear()
        ingest.went_live(owned.stream.sources)
        self._announce(owned, subjects.STREAM_RESTORED if owned.stream.restored else subjects.STREAM_STARTED)

    # ------------------------------------------------------------ ending

    def lost(self, owned: Owned, reason: EndReason) -> None:
        """The session no longer feeds the stream, which waits for its publisher's return."""
        self._disconnected(owned)
        owned.stream.gone(owned.stream.publisher.start_timeout_s, reason, self._clock())

    def keep(self, owned: Owned, seconds: float, reason: EndReason) -> None:
        """The publisher wants its stream to wait so long for its return."""
        owned.stream.gone(seconds, reason, self._clock())

    def remove(self, owned: Owned, reason: EndReason, *, how: StreamEnd) -> None:
        """Take the stream out of this node, at once. What becomes of the key is the caller's to say."""
        owned.stream.over()
        metrics.ENDED.labels(how).inc()
        self._end_session(owned, reason)
        self._end_sources(owned)
        self._streams.remove(owned)

    def end(self, owned: Owned, reason: EndReason, *, how: StreamEnd) -> asyncio.Task[None]:
        """The stream is over. The task frees its id, then tells everybody."""
        self.remove(owned, reason, how=how)
        return self._claims.give_back(owned.hold, lambda: self._announce(owned, subjects.STREAM_ENDED, reason))

    async def give_up(self) -> None:
        """End every session, and leave the records to the next origin: it claims the streams under their viewers."""
        self._streams.keep_for_their_publishers()
        for owned in self._streams:
            self.remove(owned, EndReason.DRAINING, how=StreamEnd.DRAINED)
            await owned.hold.leave()

    def _disconnected(self, owned: Owned) -> None:
        if owned.connected:
            owned.connected = False
            self._load.left(owned.stream.worker, owned.stream.publisher.client)
            if not any(other.connected for other in self._streams):
                self.nobody_sends.set()

    def _end_session(self, owned: Owned, reason: EndReason) -> None:
        self._disconnected(owned)
        self._streams.session_ends(owned)
        owned.ingest.end(reason)

    def _end_sources(self, owned: Owned) -> None:
        self._relays.end(owned.stream.key)
        self._streams.sources_end(owned)
        for source in owned.stream.sources.values():
            self._plane.execute(RemoveSource(source=source))

    def _lost_to_another(self, owned: Owned) -> None:
        """Another node has the key: stand down without a word about the stream's end."""
        if owned in self._streams:
            metrics.STAND_DOWNS.inc()
            self.remove(owned, EndReason.REPLACED, how=StreamEnd.STOOD_DOWN)

    def _announce(self, owned: Owned, subject: str, reason: EndReason | None = None) -> None:
        publisher = owned.stream.publisher
        event = StreamEvent(
            app=publisher.app,
            stream=publisher.stream,
            epoch=owned.hold.epoch.number,
            claim=owned.hold.epoch.claim,
            owner=self._node,
            reason=reason,
        )
        self._outbox.put(subject, event)
