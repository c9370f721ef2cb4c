"""What is asked before somebody may publish or play, and the rules that need nobody's answer."""

from __future__ import annotations

import msgspec

from rillcast.cluster.shares import NoPlace
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import AppName, SessionId, StreamId
from rillcast.contracts.records import AppSettings, BroadcastRecord
from rillcast.contracts.words import Role
from services.signaling.core.domain.identity import Client, Credentials
from services.signaling.core.domain.region import is_listed, parse_address
from services.signaling.core.domain.verified_identity import NOBODY, VerifiedIdentity

RETRY_AFTER_S = 10.0


class Applicant(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who wants to publish or play, whatever protocol they speak."""

    role: Role
    app: AppName
    stream: StreamId
    credentials: Credentials
    client: Client
    session: SessionId | None = None
    """The session that is to be opened. None for a mere question, for which nothing is used up and nothing is held."""
    room: str = ""
    """The main track to which a publisher says that its stream belongs."""
    meta_data: str = ""
    """What the client attached, for webhooks."""
    query: str = ""
    """The parameters of the client's address as `java_map` writes them, for webhooks."""


class Admitted(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who was let in."""

    settings: AppSettings
    """What holds in the app at this moment; the session keeps it."""
    identity: VerifiedIdentity = NOBODY
    """What was verified. Nobody, where the app asks for nothing."""
    waits: bool = False
    """Whether it may play, and there was nothing to play: then nothing was used up, and it must ask again."""
    held: bool = False
    """Whether something is held for the session until it is over, such as a one-time token."""


class NotFromThere(RillcastError):
    """UNAUTHORIZED because of where the client is: by HTTP 403 whatever it shows, since nothing would let it in."""

    def __init__(self, message: str) -> None:
        super().__init__(ErrorCode.UNAUTHORIZED, message)


def unknown_app(app: str) -> RillcastError:
    """The refusal where there is no such app."""
    return RillcastError(ErrorCode.UNKNOWN_APP, f"there is no app {app!r} here")


def no_place(why: str, refused: NoPlace) -> RillcastError:
    """The refusal of whoever finds no place that clients share. `why`: what there are too many of."""
    whose = "; most of them are of your address" if refused is NoPlace.ADDRESS_FULL else ""
    return RillcastError(ErrorCode.HIGH_RESOURCE_USAGE, f"{why}{whose}", 1.0)


def check_stream_limit(settings: AppSettings, others: int) -> None:
    """`others`: the app's streams besides the one that is to be published. Raises HIGH_RESOURCE_USAGE."""
    limit = settings.ingesting_stream_limit
    if 0 <= limit <= others:
        message = f"the app's limit of {limit} streams is reached"
        raise RillcastError(ErrorCode.HIGH_RESOURCE_USAGE, message, RETRY_AFTER_S)


def check_viewer_limit(limit: int, viewers: int, whose: str) -> None:
    """`viewers`: those that there are already. `whose`: "app" or "stream". Raises VIEWER_LIMIT_REACHED."""
    if 0 <= limit <= viewers:
        message = f"the {whose}'s limit of {limit} viewers is reached"
        raise RillcastError(ErrorCode.VIEWER_LIMIT_REACHED, message, RETRY_AFTER_S)


def check_publisher_address(settings: AppSettings, client: Client) -> None:
    """Whether somebody may publish from where the client is. Raises `NotFromThere`, also where that isn't known."""
    allowed = settings.allowed_publisher_cidr
    if not allowed.strip():
        return
    if client.forwarded:
        raise NotFromThere("this app takes publishers from some addresses only, and a proxy hides yours")
    if not is_listed(parse_address(client.address), allowed):
        raise NotFromThere(f"this app takes no publisher from your address, {client.address or 'which is unknown'}")


def check_registered(settings: AppSettings, broadcast: BroadcastRecord | None) -> None:
    """`broadcast`: what was set for the stream. Raises NOT_ALLOWED_UNREGISTERED."""
    if broadcast is None and settings.accept_only_streams_in_data_store:
        message = "this app takes only streams that were created before"
        raise RillcastError(ErrorCode.NOT_ALLOWED_UNREGISTERED, message)


def check_window(broadcast: BroadcastRecord, now_s: float) -> None:
    """Whether somebody may begin to publish the stream now. `now_s`: Unix time. Raises STREAM_NOT_ACTIVE."""
    if now_s < broadcast.planned_start_date:
        raise RillcastError(ErrorCode.STREAM_NOT_ACTIVE, "the time of this stream has not begun")
    if broadcast.planned_end_date and now_s > broadcast.planned_end_date:
        raise RillcastError(ErrorCode.STREAM_NOT_ACTIVE, "the time of this stream is over")
    if broadcast.expire_duration_ms and now_s * 1_000 > broadcast.date + broadcast.expire_duration_ms:
        raise RillcastError(ErrorCode.STREAM_NOT_ACTIVE, "this stream has expired")
