"""Requests, answers and events on the bus, as JSON. Unknown fields are ignored, so that releases can mix. A change that
others would not understand needs another `version.PROTOCOL_VERSION`.

Every answer is ``{"ok": …}`` or ``{"failure": …}``; the adapter of the bus does that wrapping, and raises
`RillcastError` at the asking side. The trace context, the deadline and the id of the request travel in NATS headers.

Each subject has a module. Whoever uses messages imports them from this package.
"""

from rillcast.contracts.messages.ack import Ack
from rillcast.contracts.messages.admission import (
    AdmitAnswer,
    AdmitRequest,
    ReservationArrived,
    ReservationOver,
    ReserveRequest,
)
from rillcast.contracts.messages.associations import AssociationAnswer, AssociationRequest, FormerSession
from rillcast.contracts.messages.drains import DrainCount, DrainProgress, DrainRequest
from rillcast.contracts.messages.guesses import CodeWrong, PasswordTried
from rillcast.contracts.messages.license import (
    LicenseCheck,
    LicenseInstall,
    LicenseStatus,
    LicenseStatusRequest,
    LicenseUsage,
    LicenseUsageRequest,
    SeatAnswer,
    SeatRelease,
    SeatRequest,
    UsageDay,
    UsageReport,
)
from rillcast.contracts.messages.nodes import (
    CarriedStream,
    MachineMemory,
    NodeConfirm,
    NodeConfirmed,
    NodeDoubted,
    NodeInfo,
    NodeLeft,
    NodeLoad,
    NodeReport,
    NodeSilent,
    NodeVouched,
    TreePlace,
)
from rillcast.contracts.messages.relays import (
    RelayAnswer,
    RelayClose,
    RelayGrant,
    RelayLeaving,
    RelayOpen,
    RelayReferral,
)
from rillcast.contracts.messages.sessions import (
    AnswerRequest,
    CloseAnswer,
    CloseRequest,
    DescribeRequest,
    HandOverRequest,
    MuteRequest,
    PlayRequest,
    PlaySubscription,
    PublishRequest,
    ReofferRequest,
    RestartIceAnswer,
    RestartIceRequest,
    SelectRendition,
    SessionAnswer,
    SessionChanged,
    TurnAwayRequest,
)
from rillcast.contracts.messages.streams import StreamEvent
from rillcast.contracts.messages.traces import FinishedSpan, TracesAnswer, TracesKept, TracesRequest

__all__ = [
    "Ack",
    "AdmitAnswer",
    "AdmitRequest",
    "AnswerRequest",
    "AssociationAnswer",
    "AssociationRequest",
    "CarriedStream",
    "CloseAnswer",
    "CloseRequest",
    "CodeWrong",
    "DescribeRequest",
    "DrainCount",
    "DrainProgress",
    "DrainRequest",
    "FinishedSpan",
    "FormerSession",
    "HandOverRequest",
    "LicenseCheck",
    "LicenseInstall",
    "LicenseStatus",
    "LicenseStatusRequest",
    "LicenseUsage",
    "LicenseUsageRequest",
    "MachineMemory",
    "MuteRequest",
    "NodeConfirm",
    "NodeConfirmed",
    "NodeDoubted",
    "NodeInfo",
    "NodeLeft",
    "NodeLoad",
    "NodeReport",
    "NodeSilent",
    "NodeVouched",
    "PasswordTried",
    "PlayRequest",
    "PlaySubscription",
    "PublishRequest",
    "RelayAnswer",
    "RelayClose",
    "RelayGrant",
    "RelayLeaving",
    "RelayOpen",
    "RelayReferral",
    "ReofferRequest",
    "ReservationArrived",
    "ReservationOver",
    "ReserveRequest",
    "RestartIceAnswer",
    "RestartIceRequest",
    "SeatAnswer",
    "SeatRelease",
    "SeatRequest",
    "SelectRendition",
    "SessionAnswer",
    "SessionChanged",
    "StreamEvent",
    "TracesAnswer",
    "TracesKept",
    "TracesRequest",
    "TreePlace",
    "TurnAwayRequest",
    "UsageDay",
    "UsageReport",
]
