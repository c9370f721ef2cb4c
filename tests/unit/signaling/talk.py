"""One socket's conversation without any I/O, for the tests of what it decides."""

from __future__ import annotations

from typing import Any

import msgspec

from rillcast.cluster.stream_directory import LiveStream, StreamDirectory
from rillcast.contracts.access_records import SubscriberRecord
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import AppName, NodeId, SessionId, StreamId, stream_key
from rillcast.contracts.messages import SessionAnswer, SessionChanged
from rillcast.contracts.records import AppSettings, StreamRecord, TrackRecord
from rillcast.contracts.words import EndReason, SessionState
from rillcast.runtime.ports import Entry
from services.signaling.core.domain.admission_rules import Admitted
from services.signaling.core.domain.app_catalog import AppCatalog
from services.signaling.core.domain.broadcast_catalog import BroadcastCatalog
from services.signaling.core.domain.join_stage import JoinStage
from services.signaling.websocket.domain.conversation import Conversation
from services.signaling.websocket.domain.effects import Admit, Effect, OpenPublisher, OpenViewer, Send
from services.signaling.websocket.domain.questions import Questions
from services.signaling.websocket.domain.subscriber_pages import SubscriberPages

FULL = RillcastError(ErrorCode.HIGH_RESOURCE_USAGE, "full")
LIVE, STREAM, EDGE = AppName("live"), StreamId("s1"), NodeId("edge-1")


class Known:
    """Streams, audience, subscribers and license in one."""

    suspended = False

    def __init__(self) -> None:
        self.directory = StreamDirectory()
        self._revision = 0
        self.subscribers = 0
        self.rungs_come = False
        for stream in (STREAM, StreamId("s2")):
            self.has(stream, live=True)

    def has_tracks(self, stream: StreamId, *tracks: TrackRecord) -> None:
        """From now on the stream has these."""
        self.has(stream, live=True, tracks=tracks)

    def has(self, stream: StreamId, *, live: bool, tracks: tuple[TrackRecord, ...] = ()) -> None:
        """From now on the stream is live, or is there no more."""
        record = StreamRecord(
            app=LIVE,
            stream=stream,
            owner=NodeId("o"),
            publisher_session=SessionId("p"),
            tracks=tracks,
            media_flowing=True,
        )
        self._revision += 1
        value = msgspec.json.encode(record) if live else None
        self.directory.apply_stream(Entry(stream_key(LIVE, stream), value, self._revision), 0.0)

    def live(self, app: AppName, stream: StreamId) -> LiveStream | None:
        return self.directory.get(app, stream)

    def all(self) -> list[LiveStream]:
        return list(self.directory.all())

    def count(self, app: AppName, besides: StreamId) -> int:
        return 0

    def viewers(self, app: AppName, stream: StreamId) -> int:
        return 1

    def viewers_of_app(self, app: AppName) -> int:
        return 1

    def rungs_to_come(self, app: AppName, stream: StreamId) -> bool:
        return self.rungs_come

    def of_stream(self, app: AppName, stream: StreamId) -> list[SubscriberRecord]:
        return [
            SubscriberRecord(app=app, stream=stream, subscriber_id=f"sub-{number}", b32_secret="A" * 16)
            for number in range(self.subscribers)
        ]


def questions_about(known: Known) -> Questions:
    return Questions(known, BroadcastCatalog(), known, SubscriberPages(known, lambda: 0.0), known)


class Tallied:
    """Remembers what was counted."""

    def __init__(self) -> None:
        self.joins: list[tuple[str, str, float | None]] = []
        self.refused: list[str] = []
        self.moves: list[str] = []
        self.stages: list[JoinStage] = []
        self.gaps: list[float] = []

    def command(self, command: str, outcome: str) -> None:
        pass

    def refused_input(self, reason: str) -> None:
        self.refused.append(reason)

    def joined(self, role: str, outcome: str, stage: JoinStage, seconds: float | None = None) -> None:
        self.joins.append((role, outcome, seconds))
        self.stages.append(stage)

    def failed_over(self, seconds: float) -> None:
        self.gaps.append(seconds)

    def publisher_moved(self, outcome: str, seconds: float | None = None) -> None:
        self.moves.append(outcome)


class Talk:
    """A conversation with helpers."""

    def __init__(self, max_streams: int = 8) -> None:
        self.known, self.tally = Known(), Tallied()
        known = self.known
        self.apps = AppCatalog(["live"], {})
        self.asks = False
        """Whether somebody has to be asked before the client is let in; else it is let in at once."""
        self.conversation = Conversation(
            LIVE,
            apps=self.apps,
            streams=known,
            questions=questions_about(known),
            tally=self.tally,
            max_streams=max_streams,
            wall_clock=lambda: 1_000.0,
        )

    def send(self, command: str, now: float = 0.0, **fields: Any) -> list[Effect]:
        effects = self.conversation.receive(msgspec.json.encode({"command": command, **fields}).decode(), now)
        if effects and isinstance(effects[0], Admit) and not self.asks:
            return self.admitted(effects[0].session)
        return effects

    def not_live(self, stream: StreamId) -> None:
        self.known.has(stream, live=False)

    def goes_live(self, stream: StreamId) -> None:
        self.known.has(stream, live=True)
        self.conversation.stream_live(stream)

    def admitted(self, session: SessionId, *, held: bool = False) -> list[Effect]:
        settings = AppSettings(app_name=AppName("live"))
        return self.conversation.entrance.admitted(session, Admitted(settings=settings, held=held))

    def opening(self, now: float = 0.0, stream: str = STREAM) -> SessionId:
        return next(e.session for e in self.send("play", now, streamId=stream) if isinstance(e, OpenViewer))

    def offering(self, sdp: str = "v=0") -> SessionId:
        """A publisher that has sent its offer."""
        self.send("publish", streamId="s1")
        offered = self.send("takeConfiguration", streamId="s1", type="offer", sdp=sdp)
        return next(effect.session for effect in offered if isinstance(effect, OpenPublisher))

    def opened(self, session: SessionId) -> list[Effect]:
        return self.conversation.sessions.opened(SessionAnswer(session=session, node=EDGE, sdp="v=0"))

    def changed(
        self, session: SessionId, state: SessionState, now: float = 0.0, reason: EndReason | None = None
    ) -> list[Effect]:
        event = SessionChanged(session=session, node=EDGE, state=state, reason=reason)
        return self.conversation.sessions.changed(event, now)

    def connects(self, session: SessionId, stream: str = STREAM) -> list[Effect]:
        """A viewer that is being opened gets its offer, answers and connects: what the last of it brings."""
        self.opened(session)
        self.send("takeConfiguration", streamId=stream, type="answer", sdp="v=0")
        return self.changed(session, SessionState.CONNECTED)

    def running(self) -> SessionId:
        """A viewer that was told that it plays."""
        session = self.opening()
        self.connects(session)
        return session


def definitions(effects: list[Effect]) -> list[str]:
    frames = [msgspec.json.decode(effect.frame) for effect in effects if isinstance(effect, Send)]
    return [frame.get("definition", frame["command"]) for frame in frames]
