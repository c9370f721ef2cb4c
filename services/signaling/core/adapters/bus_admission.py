"""Serves `subjects.SIGNALING_ADMIT`: origins ask here before they let a publisher in who does not come by signaling."""

from __future__ import annotations

from rillcast.contracts import subjects
from rillcast.contracts.messages import AdmitAnswer, AdmitRequest
from rillcast.runtime.ports import Bus
from services.signaling.core.domain.admission_rules import Applicant
from services.signaling.core.domain.identity import Client, Credentials, verified_digest
from services.signaling.core.domain.stream_name import valid_stream_id
from services.signaling.core.usecases.admission import Admission

QUEUE = "signaling"


class BusAdmission:
    """One per signaling instance; any of them answers."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission

    async def start(self, bus: Bus) -> None:
        """Answer requests for admission from now on."""
        await bus.serve(subjects.SIGNALING_ADMIT, AdmitRequest, self._admit, queue=QUEUE)

    async def _admit(self, request: AdmitRequest) -> AdmitAnswer:
        stream = valid_stream_id(request.stream)
        client = Client(address=request.client_address, user_agent=request.user_agent)
        credentials = Credentials(
            token=request.token, subscriber_id=request.subscriber_id, subscriber_code=request.subscriber_code
        )
        applicant = Applicant(role=request.role, app=request.app, stream=stream, credentials=credentials, client=client)
        admitted = await self._admission.admit(applicant)
        settings = admitted.settings
        return AdmitAnswer(
            credential_digest=verified_digest(request.app, stream, admitted.identity),
            has_credentials=bool(admitted.identity),
            max_bitrate_bps=settings.max_ingest_bitrate_bps,
            keyframe_interval_ms=settings.web_rtc_keyframe_time,
            start_timeout_ms=settings.web_rtc_client_start_timeout_ms,
        )
