"""Who may publish or play: id, app, license, limits, token — in that order, from what is known locally."""

from __future__ import annotations

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import AppName, StreamId
from rillcast.contracts.records import AppSettings
from services.signaling.core.domain.identity import Credentials
from services.signaling.core.domain.tokens import check_stream_token
from services.signaling.core.ports import Apps, Audience, LicenseState, Streams

RETRY_AFTER_S = 10.0


class Admission:
    """Lets in or raises `RillcastError`. Asks nobody over the network: a refusal must be cheap."""

    def __init__(self, apps: Apps, streams: Streams, audience: Audience, license: LicenseState) -> None:
        self._apps = apps
        self._streams = streams
        self._audience = audience
        self._license = license

    def app(self, app: AppName) -> AppSettings:
        """The app's settings, if there is such an app."""
        settings = self._apps.settings(app)
        if settings is None:
            raise RillcastError(ErrorCode.UNKNOWN_APP, f"there is no app {app!r} here")
        return settings

    def publish(self, app: AppName, stream: StreamId, credentials: Credentials, now_s: float) -> AppSettings:
        """May this client publish? `now_s`: Unix time."""
        settings = self._licensed(app)
        limit = settings.ingesting_stream_limit
        if limit >= 0 and self._streams.count(app, stream) >= limit:
            message = f"the app's limit of {limit} streams is reached"
            raise RillcastError(ErrorCode.HIGH_RESOURCE_USAGE, message, RETRY_AFTER_S)
        if settings.publish_token_secret:
            check_stream_token(credentials.token, settings.publish_token_secret, stream, "publish", now_s)
        return settings

    def play(self, app: AppName, stream: StreamId, credentials: Credentials, now_s: float) -> AppSettings:
        """May this client watch? `now_s`: Unix time."""
        settings = self._licensed(app)
        limit = settings.web_rtc_viewer_limit
        if limit >= 0 and self._audience.viewers_of_app(app) >= limit:
            message = f"the app's limit of {limit} viewers is reached"
            raise RillcastError(ErrorCode.VIEWER_LIMIT_REACHED, message, RETRY_AFTER_S)
        if settings.play_token_secret:
            check_stream_token(credentials.token, settings.play_token_secret, stream, "play", now_s)
        return settings

    def _licensed(self, app: AppName) -> AppSettings:
        settings = self.app(app)
        if self._license.suspended:
            raise RillcastError(ErrorCode.LICENSE_SUSPENDED, "the cluster's license has expired; please renew it")
        return settings
