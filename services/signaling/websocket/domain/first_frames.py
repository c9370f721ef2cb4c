"""What a viewer tells of the first picture that it shows. Only the trace of its join hangs on it."""

from __future__ import annotations

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import StreamId
from rillcast.contracts.words import Role
from services.signaling.core.ports import Tally
from services.signaling.websocket.domain.effects import Effect, FirstFrame
from services.signaling.websocket.domain.frames import ClientFrame, duration_ms, flag
from services.signaling.websocket.domain.slots import Slots


def tells_first_frame(frame: ClientFrame) -> bool:
    """Whether a client says, with its answer, that `firstFrame` will follow."""
    return flag(frame.tells_first_frame) is True


def first_frame(slots: Slots, tally: Tally, frame: ClientFrame, stream: StreamId) -> list[Effect]:
    """`firstFrame`. Of a stream that the socket does not play it is passed over: it and a `stop` may cross each other.
    Raises MISSING_PARAMETER."""
    after_ms = duration_ms(frame.first_frame_ms)
    if after_ms is None:
        tally.refused_input("bad_first_frame")
        message = "firstFrameMs is the time from the wish to watch to the first picture, in milliseconds"
        raise RillcastError(ErrorCode.MISSING_PARAMETER, message)
    slot = slots.of(Role.PLAY, stream)
    if slot is None:
        tally.refused_input("unexpected_first_frame")
        return []
    return [FirstFrame(session=slot.session, after_s=after_ms / 1_000)]
