"""What a client is told when something happens to one of its sessions."""

from __future__ import annotations

from functools import partial

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.messages import SessionChanged
from rillcast.contracts.words import EndReason, Role, SessionState
from services.signaling.websocket.domain import replies
from services.signaling.websocket.domain.phases import Phase
from services.signaling.websocket.domain.slots import Slot

ONLY_SUBSCRIPTION = 0
"""The place of a viewer's stream in its `PlayRequest`."""
_STARTS = {Role.PUBLISH: (SessionState.MEDIA,), Role.PLAY: (SessionState.CONNECTED, SessionState.MEDIA)}
"""A publisher has started when its media flows; a viewer when it can receive."""

_FAULTS = {
    EndReason.NO_MEDIA: partial(RillcastError, ErrorCode.PUBLISH_TIMEOUT, "the session was closed by its node"),
    EndReason.PLANE_ERROR: partial(RillcastError, ErrorCode.SERVER_ERROR, "the session was closed by its node"),
    EndReason.IN_USE: partial(RillcastError, ErrorCode.STREAM_ID_IN_USE, "another publisher has this stream id"),
    EndReason.USER_BLOCKED: partial(RillcastError, ErrorCode.USER_BLOCKED, "the subscriber was blocked"),
    EndReason.CODEC_CHANGED: partial(
        RillcastError,
        ErrorCode.NO_COMMON_CODEC,
        "the stream goes on in another codec: play it again to be offered that one",
    ),
}
"""Ends that the client is told as an error, whenever they come."""
_BEYOND_LIMIT = {
    Role.PUBLISH: partial(RillcastError, ErrorCode.HIGH_RESOURCE_USAGE, "the app's limit of streams is reached"),
    Role.PLAY: partial(RillcastError, ErrorCode.VIEWER_LIMIT_REACHED, "the limit of viewers is reached"),
}
_LATE = partial(RillcastError, ErrorCode.PUBLISH_TIMEOUT, "no connection came about in time")
_CLOSED_BEFORE_START = {
    EndReason.ICE_TIMEOUT: _LATE,
    EndReason.HANDSHAKE_TIMEOUT: _LATE,
    EndReason.TOO_MANY_HALF_OPEN: partial(
        RillcastError, ErrorCode.HIGH_RESOURCE_USAGE, "too many connections begin at once"
    ),
    EndReason.FINGERPRINT_MISMATCH: partial(
        RillcastError, ErrorCode.BAD_REMOTE_DESCRIPTION, "the certificate is not the one that the description names"
    ),
    EndReason.DTLS_FAILED: partial(RillcastError, ErrorCode.BAD_REMOTE_DESCRIPTION, "the DTLS handshake failed"),
}
"""Ends that are an error only if the session had not started; otherwise it has finished."""


def starts(role: Role, state: SessionState | None) -> bool:
    """Whether a session of that role starts with this state."""
    return state in _STARTS[role]


def ended(slot: Slot) -> str:
    """The notification that a session is over."""
    definition = "publish_finished" if slot.role is Role.PUBLISH else "play_finished"
    return replies.notification(definition, slot.stream, subscriberId=slot.credentials.subscriber_id)


def starting(slot: Slot) -> list[str]:
    """The session starts, and the client does not take it for running yet."""
    definition = "publish_started" if slot.role is Role.PUBLISH else "play_started"
    frames = [replies.notification(definition, slot.stream, subscriberId=slot.credentials.subscriber_id)]
    if slot.restored:
        frames.append(replies.notification("session_restored", slot.stream))
    return frames


def closing(slot: Slot, reason: EndReason) -> list[str]:
    """Its node ended the session. `slot` is still in the phase it was in."""
    beyond = _BEYOND_LIMIT[slot.role] if reason is EndReason.LIMIT_REACHED else None
    error = beyond or _FAULTS.get(reason) or (None if slot.phase is Phase.RUNNING else _CLOSED_BEFORE_START.get(reason))
    frames = [replies.error(error(), slot.stream)] if error is not None else []
    if slot.phase is Phase.RUNNING or slot.moving or error is None:
        frames.append(ended(slot))
    return frames


def measured(slot: Slot, event: SessionChanged) -> list[str]:
    """The periodic figures of a viewer. A changed rendition pauses some players for two seconds, so only a true change
    is told. Sessions are asked for with one subscription here, so the height of another one is nothing to this slot."""
    frames: list[str] = []
    height = event.stream_height if event.subscription in (None, ONLY_SUBSCRIPTION) else None
    if height is not None and height != slot.height:
        if slot.height is not None:
            frames.append(replies.notification("resolutionChangeInfo", slot.stream, streamHeight=height))
        slot.height = height
    if event.target_bitrate_bps is not None:
        frames.append(
            replies.notification(
                "bitrateMeasurement",
                slot.stream,
                targetBitrate=event.target_bitrate_bps,
                videoBitrate=event.video_bitrate_bps,
                audioBitrate=event.audio_bitrate_bps,
            )
        )
    return frames
