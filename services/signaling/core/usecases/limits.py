"""The limits of streams and viewers, as far as one instance counts. `LimitReservations` says which one decides."""

from __future__ import annotations

from collections.abc import Callable

from rillcast.contracts.ids import AppName, SessionId, StreamId
from rillcast.contracts.records import AppSettings
from rillcast.contracts.words import Role
from services.signaling.core.domain.admission_rules import Applicant, check_stream_limit, check_viewer_limit
from services.signaling.core.domain.recent_joins import RecentJoins
from services.signaling.core.domain.recent_streams import RecentStreams
from services.signaling.core.ports import Audience, Broadcasts, Streams


class Limits:
    """Who was let in a moment ago counts until it shows in what nodes report, or a crowd that comes at once would get
    in as a whole. One per signaling instance."""

    def __init__(
        self, streams: Streams, audience: Audience, broadcasts: Broadcasts, clock: Callable[[], float]
    ) -> None:
        """`clock`: monotonic seconds."""
        self._streams = streams
        self._audience = audience
        self._broadcasts = broadcasts
        self._clock = clock
        self._recent = RecentJoins()
        self._coming = RecentStreams()

    def check(self, applicant: Applicant, settings: AppSettings) -> None:
        """Refuses when the app has as many streams, or the app or stream as many viewers, as was set. Whoever comes in
        counts from now on."""
        if self._limited(applicant.role, applicant.app, applicant.stream, settings):
            session = applicant.session if self._comes_in(applicant) else None
            self._count(applicant.role, applicant.app, applicant.stream, session, settings)

    def counts(self, applicant: Applicant, settings: AppSettings) -> bool:
        """Whether the applicant, once let in, counts against a limit. Asked about every one."""
        limited = self._limited(applicant.role, applicant.app, applicant.stream, settings)
        return limited and self._comes_in(applicant)

    def reserve(self, role: Role, app: AppName, stream: StreamId, session: SessionId, settings: AppSettings) -> None:
        """As `check`, for a session that another instance is about to open."""
        if self._limited(role, app, stream, settings):
            self._count(role, app, stream, session, settings)

    def over(self, session: SessionId) -> None:
        """The session is over, or was not let in after all. Called for any session."""
        self._coming.drop(session)
        self._recent.drop(session)

    def _limited(self, role: Role, app: AppName, stream: StreamId, settings: AppSettings) -> bool:
        if role is Role.PUBLISH:
            return settings.ingesting_stream_limit >= 0
        return settings.web_rtc_viewer_limit >= 0 or self._of_stream(app, stream) >= 0

    def _comes_in(self, applicant: Applicant) -> bool:
        """A mere question opens no session, nor does a viewer's request for a stream that is not live."""
        if applicant.session is None:
            return False
        return applicant.role is Role.PUBLISH or self._streams.live(applicant.app, applicant.stream) is not None

    def _count(
        self, role: Role, app: AppName, stream: StreamId, session: SessionId | None, settings: AppSettings
    ) -> None:
        if role is Role.PUBLISH:
            self._count_stream(app, stream, session, settings)
        else:
            self._count_viewer(app, stream, session, settings)

    def _count_stream(self, app: AppName, stream: StreamId, session: SessionId | None, settings: AppSettings) -> None:
        """A stream is there when its media comes. Until then its publisher counts."""
        now = self._clock()
        coming = self._coming.count(app, stream, lambda *one: self._streams.live(*one) is not None, now)
        check_stream_limit(settings, self._streams.count(app, stream) + coming)
        if session is not None:
            self._coming.add(app, stream, session, now + settings.web_rtc_client_start_timeout_ms / 1_000)

    def _count_viewer(self, app: AppName, stream: StreamId, session: SessionId | None, settings: AppSettings) -> None:
        now = self._clock()
        in_app = self._audience.viewers_of_app(app) + self._recent.of_app(app, now)
        check_viewer_limit(settings.web_rtc_viewer_limit, in_app, "app")
        viewers = self._audience.viewers(app, stream) + self._recent.of_stream(app, stream, now)
        check_viewer_limit(self._of_stream(app, stream), viewers, "stream")
        if session is not None:
            self._recent.add(app, stream, session, now)

    def _of_stream(self, app: AppName, stream: StreamId) -> int:
        broadcast = self._broadcasts.get(app, stream)
        return broadcast.web_rtc_viewer_limit if broadcast is not None else -1
