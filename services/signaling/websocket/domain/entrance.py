"""How a client's `publish` and `play` begin: whether it may is asked first, and what follows depends on the answer."""

from __future__ import annotations

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import AppName, SessionId, StreamId, new_session_id
from rillcast.contracts.words import Role
from services.signaling.core.domain.admission_rules import Admitted
from services.signaling.core.domain.codec_switches import codec_rule
from services.signaling.core.domain.identity import Credentials
from services.signaling.core.domain.join_requests import MAX_META_DATA, MAX_NAME
from services.signaling.core.domain.join_stage import JoinStage
from services.signaling.core.ports import Streams, Tally
from services.signaling.websocket.domain import replies
from services.signaling.websocket.domain.descriptions import catch_up, noted
from services.signaling.websocket.domain.effects import (
    Admit,
    Effect,
    ExpireLater,
    Forget,
    OpenPublisher,
    OpenViewer,
    Reoffer,
    Send,
)
from services.signaling.websocket.domain.frames import ClientFrame, flag, free_text, text
from services.signaling.websocket.domain.ice_config import IceConfig
from services.signaling.websocket.domain.not_served import check_play, check_publish
from services.signaling.websocket.domain.peers import peer_of
from services.signaling.websocket.domain.phases import Phase, Step
from services.signaling.websocket.domain.slots import Slot, Slots
from services.signaling.websocket.domain.starting_anew import StartingAnew
from services.signaling.websocket.domain.stream_waits import StreamWaits
from services.signaling.websocket.domain.viewer_wishes import ViewerWishes


class Entrance:
    """Of one socket. `publish` and `play` raise `RillcastError` for what is refused without asking."""

    def __init__(
        self,
        app: AppName,
        slots: Slots,
        waits: StreamWaits,
        streams: Streams,
        tally: Tally,
        *,
        ice: IceConfig,
        anew: StartingAnew,
        wishes: ViewerWishes,
    ) -> None:
        self._app = app
        self._slots = slots
        self._waits = waits
        self._streams = streams
        self._tally = tally
        self._ice = ice
        self._anew = anew
        self._wishes = wishes

    # ---- from the client

    def publish(self, frame: ClientFrame, stream: StreamId, now: float) -> list[Effect]:
        """Raises ALREADY_PUBLISHING for what was asked twice, HIGH_RESOURCE_USAGE when the socket has as many sessions
        as it may, PARAMETER_TOO_LONG, and as `check_publish`. `now`: monotonic seconds."""
        check_publish(frame)
        slot = self._slots.of(Role.PUBLISH, stream)
        if slot is None:
            self._room()
        name = self._described("streamName", frame.stream_name, MAX_NAME)
        meta_data = self._described("metaData", frame.meta_data, MAX_META_DATA)
        if slot is not None and slot.credentials == credentials_of(frame):
            again = self._anew.publish(slot, now)
            slot.name, slot.meta_data = name, meta_data
            return [*again, *catch_up(slot)]
        return self._ask(Role.PUBLISH, frame, stream, now, name=name, meta_data=meta_data)

    def update_meta_data(self, frame: ClientFrame, stream: StreamId) -> list[Effect]:
        """`updateStreamMetaData`. Raises UNAUTHORIZED for whoever does not publish the stream on this socket,
        MISSING_PARAMETER and PARAMETER_TOO_LONG."""
        slot = self._slots.of(Role.PUBLISH, stream)
        if slot is None:
            message = "the meta data of a stream is changed on the socket that publishes it"
            raise RillcastError(ErrorCode.UNAUTHORIZED, message)
        if frame.meta_data is None:
            raise RillcastError(ErrorCode.MISSING_PARAMETER, "metaData is missing")
        slot.meta_data = self._described("metaData", frame.meta_data, MAX_META_DATA)
        return catch_up(slot)

    def play(self, frame: ClientFrame, stream: StreamId, now: float) -> list[Effect]:
        """Raises ALREADY_PLAYING for what was asked twice, or HIGH_RESOURCE_USAGE when too many of the socket's
        sessions wait to be let in, PARAMETER_TOO_LONG, and as `check_play`. Whether there is room for one more session
        is asked when it is let in. `now`: monotonic seconds."""
        check_play(frame, stream)
        viewer_info = self._described("viewerInfo", frame.viewer_info, MAX_META_DATA)
        slot = self._slots.of(Role.PLAY, stream)
        if slot is not None and slot.credentials == credentials_of(frame):
            effects = self._anew.play(slot, now)
        else:
            effects = self._ask(Role.PLAY, frame, stream, now, meta_data=viewer_info)
        if flag(frame.disable_tracks_by_default):
            self._wishes.nothing_yet(stream)
        return effects

    def offer(self, slot: Slot, sdp: str, now: float) -> list[Effect]:
        """A publisher's offer. One that comes before the client is let in is kept until then; a later one takes its
        place. One that comes after the answer restarts ICE, and one of another peer connection begins the session anew.
        Raises BAD_REMOTE_DESCRIPTION while the answer to the first is awaited, and while another origin's offer is
        about to come or awaits its answer. `now`: monotonic seconds."""
        if slot.phase is Phase.ADMITTING:
            slot.early_offer = sdp
            return []
        if self._anew.is_another(slot, sdp):
            return self._anew.offered(slot, sdp, now)
        if slot.successor is not None:
            message = "this session moves to another node; answer the offer that you are sent"
            raise RillcastError(ErrorCode.BAD_REMOTE_DESCRIPTION, message)
        if slot.phase in (Phase.CONNECTING, Phase.RUNNING) and slot.node is not None:
            slot.next_offer = sdp
            return [Reoffer(session=slot.session, node=slot.node, sdp_offer=sdp)]
        if not self._slots.advance(slot, Step.OFFERED):
            message = "this session's first offer is not answered yet; wait for the answer"
            raise RillcastError(ErrorCode.BAD_REMOTE_DESCRIPTION, message)
        slot.peer = peer_of(sdp)
        noted(slot)
        self._slots.keep(slot.session, sdp)
        return [
            OpenPublisher(
                session=slot.session,
                stream=slot.stream,
                sdp_offer=sdp,
                credentials=slot.credentials,
                identity=slot.identity,
                name=slot.name,
                meta_data=slot.meta_data,
                codecs=slot.codecs,
            )
        ]

    def _ask(
        self, role: Role, frame: ClientFrame, stream: StreamId, now: float, *, name: str = "", meta_data: str = ""
    ) -> list[Effect]:
        former = self._slots.of(role, stream)
        if self._slots.too_many_ask and (former is None or former.phase is not Phase.ADMITTING):
            raise _no_room()
        left = [] if former is None else self._anew.leave(former)
        slot = Slot(
            role=role,
            stream=stream,
            session=new_session_id(),
            asked_at=now,
            phase=Phase.ADMITTING,
            credentials=credentials_of(frame),
            name=name,
            meta_data=meta_data if role is Role.PUBLISH else "",
        )
        self._slots.add(slot)
        admit = Admit(session=slot.session, role=role, stream=stream, credentials=slot.credentials, meta_data=meta_data)
        return [*left, admit]

    # ---- the answer

    def admitted(self, session: SessionId, admitted: Admitted) -> list[Effect]:
        """The client may. Nothing happens when it has left meanwhile."""
        slot = self._slots.session(session)
        if slot is None or slot.phase is not Phase.ADMITTING:
            return [Forget(session)] if admitted.held else []
        slot.identity, slot.held = admitted.identity, admitted.held
        slot.codecs = codec_rule(admitted.settings)
        slot.start_timeout_s = admitted.settings.web_rtc_client_start_timeout_ms / 1_000
        if slot.role is Role.PLAY and (admitted.waits or self._streams.live(self._app, slot.stream) is None):
            self._slots.advance(slot, Step.DENIED)
            self._tally.command(slot.role.value, "ok")
            return [*self._let_go(slot), *self._waits.not_live(slot.stream)]
        if self._slots.full:
            return self.denied(session, _no_room())
        self._slots.advance(slot, Step.ADMITTED)
        self._tally.command(slot.role.value, "ok")
        return [*self._ice.admitted(), *self._begin(slot), ExpireLater(session, slot.start_timeout_s)]

    def denied(self, session: SessionId, error: RillcastError) -> list[Effect]:
        """The client may not. Nothing happens when it has left meanwhile."""
        slot = self._slots.session(session)
        if slot is None or not self._slots.advance(slot, Step.DENIED):
            return []
        self._tally.command(slot.role.value, error.code.value)
        self._tally.joined(slot.role.value, error.code.value, JoinStage.ADMISSION)
        return [*self._let_go(slot), Send(replies.error(error, slot.stream))]

    def _let_go(self, slot: Slot) -> list[Effect]:
        return [Forget(slot.session)] if slot.held else []

    def _begin(self, slot: Slot) -> list[Effect]:
        if slot.role is Role.PUBLISH:
            start = Send(replies.start(slot.stream, slot.credentials.subscriber_id))
            offer, slot.early_offer = slot.early_offer, None
            return [start] if offer is None else [start, *self.offer(slot, offer, slot.asked_at)]
        return [
            *self._waits.stop(slot.stream),
            OpenViewer(session=slot.session, stream=slot.stream, codecs=slot.codecs),
        ]

    # ---- parts

    def _described(self, field: str, value: object, most: int) -> str:
        """What a client says of its stream or of itself, up to `most` characters."""
        shown = free_text(value, most)
        if shown is None:
            self._tally.refused_input("description_too_long")
            raise RillcastError(ErrorCode.PARAMETER_TOO_LONG, f"{field} may have {most} characters")
        return shown

    def _room(self) -> None:
        if self._slots.full:
            raise _no_room()


def _no_room() -> RillcastError:
    return RillcastError(ErrorCode.HIGH_RESOURCE_USAGE, "this socket has as many streams as it may")


def credentials_of(frame: ClientFrame) -> Credentials:
    """What a client shows with a command."""
    return Credentials(
        token=text(frame.token),
        subscriber_id=text(frame.subscriber_id),
        subscriber_code=text(frame.subscriber_code),
    )
