"""Commands to and events from the native media plane, as they cross the border (JSON both ways).

Python chooses every id. Commands are executed by the worker thread that has the object, in the order given. A command
that names an impossible value raises `ValueError` at once, and one that a worker is too far behind for raises
`PlaneBusy`. A command that fails later comes back as an `Error` event and leaves nothing behind. One for a session or
relay that the plane has ended by itself meanwhile does nothing: the end is told by an event of its own.

`native/crates/plane/schema.json` says the same of the other side; a test compares the two.
"""

from __future__ import annotations

from rillcast.media.protocol.commands import (
    ALL_LAYERS,
    AddPushSource,
    AddRelay,
    AddRelaySource,
    AddSession,
    AdoptedFeed,
    AdoptFeeds,
    Command,
    LimitLayers,
    LookAtRelay,
    Probe,
    RemoveRelay,
    RemoveSession,
    RemoveSource,
    RequestKeyframe,
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
    RelayConnected,
    RelayHeard,
    RelayParentLost,
    SessionClosed,
    SessionConnected,
    SessionMedia,
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
    "DtlsParameters",
    "DtlsRole",
    "Encoding",
    "Error",
    "Event",
    "HeaderExtensions",
    "IceParameters",
    "KeyframeWanted",
    "LimitLayers",
    "LookAtRelay",
    "PlaneConfig",
    "PlaneRelay",
    "PlaneSession",
    "Probe",
    "RecvTrack",
    "RelayChildLost",
    "RelayConnected",
    "RelayHeard",
    "RelayParentLost",
    "RemoveRelay",
    "RemoveSession",
    "RemoveSource",
    "RequestKeyframe",
    "RestartIce",
    "SendTrack",
    "SessionClosed",
    "SessionConnected",
    "SessionMedia",
    "SessionStats",
    "SetClock",
    "SourceId",
    "SourceStarted",
    "SourceStats",
    "SourceSwitched",
    "SwitchSource",
    "Tap",
    "WorkerFailed",
    "WorkerStats",
]
