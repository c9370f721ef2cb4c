"""Nothing that is held for a session, and streams that are live, or not."""

from __future__ import annotations

from rillcast.contracts.ids import AppName, NodeId, SessionId, StreamId
from services.signaling.core.domain.admission_rules import Applicant


class Nothing:
    """`Grants` of sessions that have none."""

    def __init__(self) -> None:
        self.noted: list[SessionId] = []
        self.given_up: list[SessionId] = []

    def __contains__(self, session: object) -> bool:
        return session in self.noted

    def note(self, applicant: Applicant, session: SessionId) -> None:
        self.noted.append(session)

    def subscriber_of(self, session: SessionId) -> str:
        return ""

    def placed(self, session: SessionId, node: NodeId) -> None:
        pass

    def connected(self, session: SessionId) -> None:
        pass

    def moved(self, old: SessionId, new: SessionId) -> None:
        pass

    def over(self, session: SessionId) -> None:
        self.given_up.append(session)


class LiveStreams:
    """Every stream is live, or none."""

    def __init__(self, live: bool = True) -> None:
        self.is_live = live

    def live(self, app: AppName, stream: StreamId) -> object | None:
        return self if self.is_live else None

    def count(self, app: AppName, besides: StreamId) -> int:
        return 0
