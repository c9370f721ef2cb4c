"""Commands to and events from the native media plane, as they cross the border (JSON both ways).

Python chooses every id. Commands are executed by the worker thread that has the object, in the order given. A command
that names an impossible value raises `ValueError` at once, and one that a worker is too far behind for raises
`PlaneBusy`. A command that fails later comes back as an `Error` event and leaves nothing behind. One for a session or
relay that the plane has ended by itself meanwhile does nothing: the end is told by an event of its own.

`native/crates/plane/schema.json` says the same of the other side; a test compares the two.
"""

from __future__ import annotations

from rillcast.media.protocol.association import ReceivedStream, SentStream, ShownPacket, SrtpState
from rillcast.media.protocol.commands import (
    ALL_LAYERS,
    AddPushSource,
    AddRelay,
    AddRelaySource,
    AddSession,
    AdoptedFeed,
    AdoptFeeds,
    Command,
    ContinueSession,
    ExportSession,
    LimitLayers,
    LookAtRelay,
    Probe,
    RemoveRelay,
    RemoveSession,
    RemoveSource,
    RequestKeyframe,
    RestartDtls,
    RestartIce,
    SetClock,
    SwitchSource,
    Tap,
)
from rillcast.media.protocol.config import PlaneConfig
from rillcast.media.protocol.events import (
    ClockSeen,
    CloseReason,
    Error,
    Event,
    KeyframeWanted,
    RelayChildLost,
    RelayChildSilent,
    RelayHeard,
    RelayParentLost,
    SessionClosed,
    SessionConnected,
    SessionExported,
    SessionMedia,
    SessionNominated,
    SourceSilent,
    SourceStarted,
    SourceSwitched,
    WorkerFailed,
)
from rillcast.media.protocol.figures import (
    SessionStats,
    SourceStats,
    WorkerStats,
)
from rillcast.media.protocol.ids import PlaneRelay, PlaneSession, SourceId
from rillcast.media.protocol.negotiated import (
    DtlsParameters,
    DtlsRole,
    Encoding,
    HeaderExtensions,
    IceParameters,
    RecvTrack,
    SendTrack,
)

__all__ = [
    "ALL_LAYERS",
    "AddPushSource",
    "AddRelay",
    "AddRelaySource",
    "AddSession",
    "AdoptFeeds",
    "AdoptedFeed",
    "ClockSeen",
    "CloseReason",
    "Command",
    "ContinueSession",
    "DtlsParameters",
    "DtlsRole",
    "Encoding",
    "Error",
    "Event",
    "ExportSession",
    "HeaderExtensions",
    "IceParameters",
    "KeyframeWanted",
    "LimitLayers",
    "LookAtRelay",
    "PlaneConfig",
    "PlaneRelay",
    "PlaneSession",
    "Probe",
    "ReceivedStream",
    "RecvTrack",
    "RelayChildLost",
    "RelayChildSilent",
    "RelayHeard",
    "RelayParentLost",
    "RemoveRelay",
    "RemoveSession",
    "RemoveSource",
    "RequestKeyframe",
    "RestartDtls",
    "RestartIce",
    "SendTrack",
    "SentStream",
    "SessionClosed",
    "SessionConnected",
    "SessionExported",
    "SessionMedia",
    "SessionNominated",
    "SessionStats",
    "SetClock",
    "ShownPacket",
    "SourceId",
    "SourceSilent",
    "SourceStarted",
    "SourceStats",
    "SourceSwitched",
    "SrtpState",
    "SwitchSource",
    "Tap",
    "WorkerFailed",
    "WorkerStats",
]
