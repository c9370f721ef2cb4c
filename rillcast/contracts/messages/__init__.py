"""Requests, answers and events on the bus, as JSON. Unknown fields are ignored, so that releases can mix. A change that
others would not understand needs another `version.PROTOCOL_VERSION`.

Every answer is ``{"ok": …}`` or ``{"failure": …}``; the adapter of the bus does that wrapping, and raises
`RillcastError` at the asking side. The trace context, the deadline and the id of the request travel in NATS headers.

Each subject has a module. Whoever uses messages imports them from this package.
"""

from rillcast.contracts.messages.ack import Ack
from rillcast.contracts.messages.admission import AdmitAnswer, AdmitRequest, ReservationOver, ReserveRequest
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
    NodeConfirm,
    NodeConfirmed,
    NodeDoubted,
    NodeInfo,
    NodeLeft,
    NodeLoad,
    NodeReport,
    NodeVouched,
)
from rillcast.contracts.messages.relays import RelayClose, RelayGrant, RelayOpen
from rillcast.contracts.messages.sessions import (
    AnswerRequest,
    CloseAnswer,
    CloseRequest,
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

__all__ = [
    "Ack",
    "AdmitAnswer",
    "AdmitRequest",
    "AnswerRequest",
    "CarriedStream",
    "CloseAnswer",
    "CloseRequest",
    "HandOverRequest",
    "LicenseCheck",
    "LicenseInstall",
    "LicenseStatus",
    "LicenseStatusRequest",
    "LicenseUsage",
    "LicenseUsageRequest",
    "MuteRequest",
    "NodeConfirm",
    "NodeConfirmed",
    "NodeDoubted",
    "NodeInfo",
    "NodeLeft",
    "NodeLoad",
    "NodeReport",
    "NodeVouched",
    "PlayRequest",
    "PlaySubscription",
    "PublishRequest",
    "RelayClose",
    "RelayGrant",
    "RelayOpen",
    "ReofferRequest",
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
    "TurnAwayRequest",
    "UsageDay",
    "UsageReport",
]
