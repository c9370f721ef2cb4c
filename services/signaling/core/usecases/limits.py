"""The limits of streams and viewers, as far as one instance counts. `LimitReservations` says which one decides.

Whoever was let in and has not arrived (a viewer that is to connect, a publisher that is to bring its media) has a place
under the limit, or a crowd that comes at once would get in as a whole. But it is no more than a place: when all are
taken, those give way who have most of them (`HalfOpen`). Who gave way and arrives all the same is let in if those who
have arrived leave room, and is sent away if not.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from rillcast.contracts.ids import AppName, SessionId, StreamId
from rillcast.contracts.records import AppSettings
from rillcast.contracts.words import Role
from services.signaling import metrics
from services.signaling.core.domain.admission_rules import Applicant, check_stream_limit, check_viewer_limit
from services.signaling.core.domain.recent_joins import RecentJoins
from services.signaling.core.domain.recent_streams import RecentStreams
from services.signaling.core.ports import Audience, Broadcasts, Streams


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody wants who counts against a limit."""

    role: Role
    app: AppName
    stream: StreamId
    session: SessionId
    client: str = ""
    """Whose share of the places it takes while it has not arrived; empty = nobody's."""


class Limits:
    """One per signaling instance."""

    def __init__(
        self, streams: Streams, audience: Audience, broadcasts: Broadcasts, clock: Callable[[], float]
    ) -> None:
        """`clock`: monotonic seconds."""
        self._streams = streams
        self._audience = audience
        self._broadcasts = broadcasts
        self._clock = clock
        self.heard: Callable[[Wanted, AppSettings], None] = lambda wanted, settings: None
        """Called with everybody whom `check` has given a place."""
        self._viewers = RecentJoins()
        self._coming = RecentStreams()

    def __len__(self) -> int:
        """Who has a place, or has arrived a moment ago."""
        return len(self._viewers) + len(self._coming)

    # ---- letting in

    def check(self, applicant: Applicant, settings: AppSettings) -> None:
        """Refuses when the app has as many streams, or the app or stream as many viewers, as was set. Whoever comes in
        counts from now on; for a mere question nobody gives way."""
        if not self._limited(applicant.role, applicant.app, applicant.stream, settings):
            return
        wanted = self.wanted(applicant, settings)
        if wanted is None:
            self._check_there(applicant.role, applicant.app, applicant.stream, settings)
            return
        self._make_room(wanted, settings)
        self._add(wanted, settings)
        self.heard(wanted, settings)

    def wanted(self, applicant: Applicant, settings: AppSettings) -> Wanted | None:
        """What the applicant, once let in, counts as against a limit; None if it does not count. Asked about every one.
        A mere question opens no session, nor does a viewer's request for a stream that is not live."""
        role, app, stream = applicant.role, applicant.app, applicant.stream
        if applicant.session is None or not self._limited(role, app, stream, settings):
            return None
        if role is Role.PLAY and self._streams.live(app, stream) is None:
            return None
        client = applicant.client.counted_as
        return Wanted(role=role, app=app, stream=stream, session=applicant.session, client=client)

    def reserve(self, wanted: Wanted, settings: AppSettings) -> None:
        """As `check`, for a session that another instance is about to open."""
        if self._limited(wanted.role, wanted.app, wanted.stream, settings):
            self._make_room(wanted, settings)
            self._add(wanted, settings)

    # ---- what becomes of it

    def arrived(self, wanted: Wanted, settings: AppSettings) -> None:
        """A viewer has connected, or a publisher's media has come. Raises the refusal if its place was given to
        somebody else, and those who have arrived leave none."""
        if not self._limited(wanted.role, wanted.app, wanted.stream, settings):
            self.over(wanted.session)
        elif wanted.role is Role.PUBLISH:
            if not self._coming.came(wanted.session, self._clock()):
                self._check_there(wanted.role, wanted.app, wanted.stream, settings)
                self._coming.add_live(wanted.app, wanted.stream, self._clock())
        elif not self._viewers.came(wanted.session, self._clock()):
            self._check_there(wanted.role, wanted.app, wanted.stream, settings)
            self._viewers.add_connected(wanted.app, wanted.stream, wanted.session, self._clock())

    def over(self, session: SessionId) -> None:
        """The session is over, or was not let in after all. Called for any session."""
        self._coming.drop(session)
        self._viewers.drop(session)

    # ---- parts

    def _limited(self, role: Role, app: AppName, stream: StreamId, settings: AppSettings) -> bool:
        if role is Role.PUBLISH:
            return settings.ingesting_stream_limit >= 0
        return settings.web_rtc_viewer_limit >= 0 or self._of_stream(app, stream) >= 0

    def _check_there(self, role: Role, app: AppName, stream: StreamId, settings: AppSettings) -> None:
        """Raises when those who have arrived leave no room."""
        now = self._clock()
        if role is Role.PUBLISH:
            check_stream_limit(settings, self._streams_there(app, stream, now))
            return
        for limit, there, whose, _ in self._viewer_limits(app, stream, settings, now):
            check_viewer_limit(limit, there, whose)

    def _make_room(self, wanted: Wanted, settings: AppSettings) -> None:
        """Have others give way, as far as they must. Raises when there is no room."""
        room = self._room_for_stream if wanted.role is Role.PUBLISH else self._room_for_viewer
        displaced = room(wanted.app, wanted.stream, wanted.client, settings)
        if displaced:
            metrics.RESERVATIONS_DISPLACED.labels(wanted.role.value).inc(displaced)

    def _add(self, wanted: Wanted, settings: AppSettings) -> None:
        kept = self._coming if wanted.role is Role.PUBLISH else self._viewers
        now, life_s = self._clock(), settings.web_rtc_client_start_timeout_ms / 1_000
        kept.add(wanted.app, wanted.stream, wanted.session, wanted.client, now_s=now, until_s=now + life_s)

    def _room_for_stream(self, app: AppName, stream: StreamId, client: str, settings: AppSettings) -> int:
        now, limit = self._clock(), settings.ingesting_stream_limit
        there = self._streams_there(app, stream, now)
        check_stream_limit(settings, there)
        displaced = self._coming.make_room(app, stream, client, limit - there, now)
        if displaced is None:
            check_stream_limit(settings, limit)
        return displaced or 0

    def _room_for_viewer(self, app: AppName, stream: StreamId, client: str, settings: AppSettings) -> int:
        now, total = self._clock(), 0
        for limit, there, whose, only in self._viewer_limits(app, stream, settings, now):
            check_viewer_limit(limit, there, whose)
            displaced = self._viewers.make_room(app, only, client, limit - there, now) if limit >= 0 else 0
            if displaced is None:
                check_viewer_limit(limit, limit, whose)
            total += displaced or 0
        return total

    def _streams_there(self, app: AppName, besides: StreamId, now: float) -> int:
        """Streams that are live, or about to be since their media has come."""
        self._coming.forget(app, lambda *one: self._streams.live(*one) is not None, now)
        return self._streams.count(app, besides) + self._coming.arrived(app, besides)

    def _viewer_limits(
        self, app: AppName, stream: StreamId, settings: AppSettings, now: float
    ) -> tuple[tuple[int, int, str, StreamId | None], ...]:
        """Of the app and of the stream: the limit, who is connected, whose it is, and the stream that it is about."""
        in_app = self._audience.viewers_of_app(app) + self._viewers.of_app(app, now)
        in_stream = self._audience.viewers(app, stream) + self._viewers.of_stream(app, stream, now)
        return (
            (settings.web_rtc_viewer_limit, in_app, "app", None),
            (self._of_stream(app, stream), in_stream, "stream", stream),
        )

    def _of_stream(self, app: AppName, stream: StreamId) -> int:
        broadcast = self._broadcasts.get(app, stream)
        return broadcast.web_rtc_viewer_limit if broadcast is not None else -1
