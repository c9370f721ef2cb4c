"""Serves `subjects.SIGNALING_ADMIT`: origins ask here before they let a publisher in who does not come by signaling."""

from __future__ import annotations

from rillcast.contracts import subjects
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import NodeId, StreamId
from rillcast.contracts.messages import AdmitAnswer, AdmitRequest
from rillcast.runtime.http.addresses import counted_as
from rillcast.runtime.ports import Bus
from services.signaling.core.domain.admission_rules import Admitted, Applicant
from services.signaling.core.domain.identity import Client, Credentials, verified_digest
from services.signaling.core.domain.stream_name import valid_stream_id
from services.signaling.core.ports import WatchedStreams
from services.signaling.core.usecases.admission import Admission
from services.signaling.core.usecases.admitted_sessions import AdmittedSessions
from services.signaling.core.usecases.not_live import not_live

QUEUE = "signaling"


class BusAdmission:
    """One per signaling instance; any of them answers."""

    def __init__(self, own: NodeId, admission: Admission, sessions: AdmittedSessions, streams: WatchedStreams) -> None:
        """`own`: this instance, which hears what becomes of the sessions that it lets in."""
        self._own = own
        self._admission = admission
        self._sessions = sessions
        self._streams = streams

    async def start(self, bus: Bus) -> None:
        """Answer requests for admission from now on."""
        await bus.serve(subjects.SIGNALING_ADMIT, AdmitRequest, self._admit, queue=QUEUE)

    async def _admit(self, request: AdmitRequest) -> AdmitAnswer:
        stream = valid_stream_id(request.stream)
        if (request.session is None) is not (request.node is None):
            raise RillcastError(ErrorCode.BAD_REQUEST, "a session is named together with the node that is to have it")
        applicant = _applicant(request, stream)
        if applicant.session is None:
            return self._answer(applicant, await self._admission.admit(applicant))
        self._sessions.room()
        try:
            admitted = await self._admission.admit(applicant)
            if admitted.waits:
                raise not_live(self._streams, request.app, stream)
        except BaseException:
            self._sessions.forget(applicant.session)
            raise
        assert request.node is not None
        within_s = admitted.settings.web_rtc_client_start_timeout_ms / 1_000
        self._sessions.follow(applicant.session, request.node, within_s)
        return self._answer(applicant, admitted)

    def _answer(self, applicant: Applicant, admitted: Admitted) -> AdmitAnswer:
        settings = admitted.settings
        return AdmitAnswer(
            credential_digest=verified_digest(applicant.app, applicant.stream, admitted.identity),
            has_credentials=bool(admitted.identity),
            max_bitrate_bps=settings.max_ingest_bitrate_bps,
            keyframe_interval_ms=settings.web_rtc_keyframe_time,
            start_timeout_ms=settings.web_rtc_client_start_timeout_ms,
            signaling=None if applicant.session is None else self._own,
        )


def _applicant(request: AdmitRequest, stream: StreamId) -> Applicant:
    credentials = Credentials(
        token=request.token, subscriber_id=request.subscriber_id, subscriber_code=request.subscriber_code
    )
    return Applicant(
        role=request.role,
        app=request.app,
        stream=stream,
        credentials=credentials,
        client=Client(
            address=request.client_address,
            counted_as=counted_as(request.client_address),
            user_agent=request.user_agent,
        ),
        session=request.session,
    )
