"""Tells webhooks of viewers that come and go, and of publishers that sent nothing."""

from __future__ import annotations

from collections.abc import Callable

from rillcast.contracts.hook_records import DueHook
from rillcast.contracts.ids import SessionId
from rillcast.contracts.messages import SessionChanged
from rillcast.contracts.words import EndReason, Role, SessionState
from services.signaling.core.domain.admission_rules import Applicant
from services.signaling.core.usecases.grants import Held
from services.signaling.hooks.domain.hook_body import Action, hook_fields
from services.signaling.hooks.usecases.outbox import Outbox
from services.signaling.hooks.usecases.told_plays import ToldPlays

_SENT_NOTHING = (EndReason.NO_MEDIA, EndReason.HANDSHAKE_TIMEOUT, EndReason.START_TIMEOUT)


class SessionTeller:
    """One per signaling instance, for the sessions that were opened here."""

    def __init__(
        self,
        outbox: Outbox,
        plays: ToldPlays,
        held: Callable[[SessionId], Held | None],
        now_ms: Callable[[], int],
    ) -> None:
        """`held`: what is known of a session. `now_ms`: Unix milliseconds."""
        self._outbox = outbox
        self._plays = plays
        self._held = held
        self._now_ms = now_ms

    def wants(self, applicant: Applicant) -> bool:
        """Whether somebody is told of such a session, so that it must be known until it is over."""
        return bool(self._outbox.url_of(applicant.app, applicant.stream))

    def connected(self, held: Held, now_ms: int) -> None:
        """Tell of a viewer that is there now. Publishers show in their streams."""
        if held.role is Role.PLAY and self._outbox.url_of(held.app, held.stream):
            self._tell(held, Action.PLAY_STARTED, now_ms)
            self._plays.keep(held)

    def over(self, held: Held, now_ms: int) -> None:
        """Tell of a viewer that is gone, unless that is told by what is kept of it."""
        if held.role is Role.PLAY and held.started and not self._plays.keeps(held):
            self._tell(held, Action.PLAY_STOPPED, now_ms)

    def changed(self, event: SessionChanged) -> None:
        """What a node says of a session, before anybody acts upon it."""
        if event.state is not SessionState.CLOSED or event.reason not in _SENT_NOTHING:
            return
        held = self._held(event.session)
        if held is not None and held.role is Role.PUBLISH and held.hold.media_node == event.node:
            self._tell(held, Action.PUBLISH_TIMEOUT, self._now_ms())

    def _tell(self, held: Held, action: Action, now_ms: int) -> None:
        fields = hook_fields(action, held.stream, held.app, now_ms, subscriber=held.subscriber_id)
        self._outbox.put_soon(
            DueHook(
                id=f"{held.mark}.{action.value}",
                app=held.app,
                url=self._outbox.url_of(held.app, held.stream),
                at_ms=now_ms,
                fields=fields,
            ),
            about=held.mark,
        )
