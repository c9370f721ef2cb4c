"""What one socket asks of the edges that serve it: a forced height, and kinds of media that are not to be sent.

An edge can do this only for a session that runs. So every wish is kept by its stream, whether the socket plays the
stream already or not, and told to the edge when a session starts there. That may be after `play`, after a wait for the
stream, after a try that was refused, or after a move to another edge.

A wish ends with the first session to which it applied. A `stop` before that leaves it, because Ant Media's SDK sends
`stop` and `play` every few seconds by itself while it waits for a stream or for a connection.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import SessionId, StreamId
from rillcast.contracts.words import MediaKind, Role
from services.signaling.core.ports import Tally
from services.signaling.websocket.domain import replies
from services.signaling.websocket.domain.effects import Effect, Mute, Select, Send
from services.signaling.websocket.domain.frames import ClientFrame, flag, height, text
from services.signaling.websocket.domain.not_served import check_track
from services.signaling.websocket.domain.phases import Phase
from services.signaling.websocket.domain.slots import Slot, Slots

UNKNOWN_HEIGHT = -1
"""Makes the next height that an edge reports a change, of which the client is told."""
_MOVES = frozenset({ErrorCode.UNKNOWN_SESSION, ErrorCode.NO_NODE_AVAILABLE})


class Wishes(msgspec.Struct):
    """What is asked for one stream."""

    height: int = 0
    """The height of the forced rendition, in lines; 0 = the edge chooses."""
    muted: set[MediaKind] = msgspec.field(default_factory=set)
    """Kinds that are not to be sent."""

    @property
    def none(self) -> bool:
        """Whether all is as without any wish."""
        return not self.height and not self.muted


class ViewerWishes:
    """Keeps the wishes of one socket, and says when an edge is to be told of them."""

    def __init__(self, slots: Slots, most: int, tally: Tally) -> None:
        """`most`: streams that the socket does not play and for which wishes are kept. Beyond them the oldest wishes
        are given up and counted. Those of streams that it plays are bounded by the sessions it may have."""
        self._slots = slots
        self._most = most
        self._tally = tally
        self._wishes: dict[StreamId, Wishes] = {}

    def __len__(self) -> int:
        """Streams for which there is a wish."""
        return len(self._wishes)

    # ---- from the client

    def force_quality(self, frame: ClientFrame, stream: StreamId) -> list[Effect]:
        """`forceStreamQuality`: a height in lines, or 0 for the edge's choice. Raises MISSING_PARAMETER, and
        NO_SUCH_TRACK."""
        check_track(text(frame.track_id) or stream, stream)
        wanted = height(frame.stream_height)
        if wanted is None:
            self._tally.refused_input("bad_stream_height")
            message = "streamHeight is a number of lines, or 0 for the height that suits the viewer's network"
            raise RillcastError(ErrorCode.MISSING_PARAMETER, message)
        self._of(stream).height = wanted
        self._tidy(stream)
        slot = self._running(stream)
        if slot is None:
            return []
        _expect_change(slot)
        return [Select(session=slot.session, node=slot.node, height=wanted)] if slot.node else []

    def toggle(self, frame: ClientFrame, stream: StreamId, kind: MediaKind) -> list[Effect]:
        """`toggleVideo` or `toggleAudio`: whether one kind of media is to be sent. Raises MISSING_PARAMETER, and
        NO_SUCH_TRACK."""
        check_track(text(frame.track_id) or stream, stream)
        return self._enable(stream, (kind,), self._enabled(frame))

    def enable_track(self, frame: ClientFrame, stream: StreamId) -> list[Effect]:
        """`enableTrack`: whether anything of the stream's only track is to be sent. Raises as `toggle`."""
        track = text(frame.track_id)
        if not track:
            raise RillcastError(ErrorCode.MISSING_PARAMETER, "trackId is missing")
        check_track(track, stream)
        return self._enable(stream, tuple(MediaKind), self._enabled(frame))

    def nothing_yet(self, stream: StreamId) -> None:
        """`play` with ``disableTracksByDefault``: nothing is to be sent before it is asked for."""
        self._of(stream).muted.update(MediaKind)
        self._tidy(stream)

    # ---- from the sessions

    def at_start(self, slot: Slot) -> list[Effect]:
        """A session starts: what its edge is to be told. Nothing for a publisher."""
        wishes = self._wishes.get(slot.stream)
        if wishes is None or slot.node is None or slot.role is not Role.PLAY:
            return []
        effects: list[Effect] = [
            Mute(session=slot.session, node=slot.node, kind=kind, enabled=False) for kind in sorted(wishes.muted)
        ]
        if wishes.height:
            _expect_change(slot)
            effects.append(Select(session=slot.session, node=slot.node, height=wishes.height))
        return effects

    def at_end(self, slot: Slot) -> None:
        """A session ends for good. `slot` is still in the phase it was in: what never applied is kept."""
        if slot.role is Role.PLAY and slot.has_run:
            self._wishes.pop(slot.stream, None)

    def refused(self, session: SessionId, error: RillcastError) -> list[Effect]:
        """An edge was not told of a wish, or did not take it. The client hears of it, but for a session that has ended
        or moves: then the next edge is told."""
        slot = self._slots.session(session)
        if slot is None or error.code in _MOVES:
            return []
        return [Send(replies.error(error, slot.stream))]

    # ---- inside

    def _enabled(self, frame: ClientFrame) -> bool:
        enabled = flag(frame.enabled)
        if enabled is None:
            self._tally.refused_input("bad_toggle")
            raise RillcastError(ErrorCode.MISSING_PARAMETER, "enabled is true or false")
        return enabled

    def _enable(self, stream: StreamId, kinds: Sequence[MediaKind], enabled: bool) -> list[Effect]:
        muted = self._of(stream).muted
        (muted.difference_update if enabled else muted.update)(kinds)
        self._tidy(stream)
        slot = self._running(stream)
        if slot is None or slot.node is None:
            return []
        return [Mute(session=slot.session, node=slot.node, kind=kind, enabled=enabled) for kind in kinds]

    def _running(self, stream: StreamId) -> Slot | None:
        slot = self._slots.of(Role.PLAY, stream)
        return slot if slot is not None and slot.phase is Phase.RUNNING else None

    def _of(self, stream: StreamId) -> Wishes:
        return self._wishes.setdefault(stream, Wishes())

    def _tidy(self, stream: StreamId) -> None:
        """Keep the bound after a wish for `stream` has changed. Wishes that ask for nothing any more are dropped."""
        if self._wishes[stream].none:
            del self._wishes[stream]
            return
        unplayed = [kept for kept in self._wishes if self._slots.of(Role.PLAY, kept) is None]
        if len(unplayed) > self._most:
            del self._wishes[unplayed[0]]
            self._tally.refused_input("too_many_wishes")


def _expect_change(slot: Slot) -> None:
    if slot.height is None:
        slot.height = UNKNOWN_HEIGHT
