"""Parameters in paths and queries: what handlers call them, and what the OpenAPI document says about them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from rillcast.contracts.ids import AppName, NodeId, StreamId
from services.signaling.rest.domain.paging import MAX_LIST


@dataclass(frozen=True)
class About:
    """Annotates a handler's parameter."""

    text: str
    """One sentence for the document."""
    name: str = ""
    """On the wire, if that is no name for a parameter in Python."""
    format: str = ""
    """Of text, in JSON schema's words: ``date``."""
    bits: int = 64
    """Of a number, with its sign."""
    least: int | None = None
    most: int | None = None
    """Of a number: what is beyond is refused. Only of paths that are ours."""
    example: str | int | bool | None = None
    """Of a value, for the document."""


App = Annotated[AppName, About("The app.", example="live")]
InApp = Annotated[str, About("Only those of this app.", name="app", example="live")]
Stream = Annotated[StreamId, About("The stream's id.", example="stream1")]
Offset = Annotated[int, About("How many to pass over. Less than 0 counts as 0.", bits=32, example=0)]
Size = Annotated[int, About("How many at most. Less than 0 counts as 0, more than 250 as 250.", bits=32, example=50)]
OurOffset = Annotated[int, About("How many to pass over.", name="offset", bits=32, least=0, example=0)]
OurSize = Annotated[int, About("How many at most.", name="size", bits=32, least=1, most=MAX_LIST, example=50)]
AutoStart = Annotated[str, About("Whether to start it at once: true or false.", name="autoStart", example="false")]
OnDuplicate = Annotated[
    str,
    About(
        "What becomes of ids that are taken: skip or overwrite. Without it nothing is created.",
        name="onDuplicate",
        example="skip",
    ),
]
TypeBy = Annotated[str, About("Only broadcasts of this type.", example="liveStream")]
SortBy = Annotated[
    str, About("What the list is sorted by: name, date or status. Without it, the stream's id.", example="name")
]
OrderBy = Annotated[str, About("The direction of the list: asc or desc.", example="asc")]
Search = Annotated[str, About("A part of the id or of the name; capitals do not matter.", example="show")]
SearchQuery = Annotated[
    str, About("A part of the id or of the name; capitals do not matter.", name="search", example="show")
]
Ids = Annotated[str, About("The ids, with commas between them.", example="evening,morning")]
DeleteSubtracks = Annotated[
    str,
    About(
        "Whether the broadcast's subtracks are deleted as well: true or false.", name="deleteSubtracks", example="true"
    ),
]
SubtrackId = Annotated[str, About("The id of the subtrack.", name="id", example="camera2")]
WithRole = Annotated[str, About("Only subtracks with this role.", name="role", example="guest")]
RecordType = Annotated[str, About("The kind of file: mp4 or webm.", name="recordType", example="mp4")]
Switch = Annotated[str, About("true or false.", example="true")]
SeekTime = Annotated[int, About("A place in the source, in milliseconds.", example=30_000)]
ItemIndex = Annotated[
    int, About("Which item is next; less than 0: the one after that which plays.", bits=32, example=1)
]
Address = Annotated[str, About("The address of a file.", name="url", example="https://media.example.com/show.mp4")]
ServiceId = Annotated[
    str, About("What the other server's entry is called.", name="endpointServiceId", example="backup-server")
]
File = Annotated[str, About("The name of a playlist of HLS.", example="stream1.m3u8")]
FirstDay = Annotated[
    str,
    About(
        "The first day, like 2026-09-14. Without it, the first day that was counted.",
        name="from",
        format="date",
        example="2026-09-01",
    ),
]
LastDay = Annotated[
    str, About("The last day, included. Without it, today.", name="to", format="date", example="2026-09-30")
]
Email = Annotated[str, About("The name to sign in with.", example="ann@example.com")]
ExpireDate = Annotated[int, About("Until when it is good, in Unix seconds.", name="expireDate", example=4_102_444_800)]
TokenType = Annotated[str, About("What it is for: publish or play.", name="type", example="play")]
Room = Annotated[str, About("The room that a publisher's token is good for.", name="roomId", example="room1")]
SubscriberName = Annotated[str, About("The subscriber's id.", example="viewer-7")]
SubscriberQuery = Annotated[str, About("Of this subscriber alone.", name="subscriberId", example="viewer-7")]
BlockSeconds = Annotated[int, About("How long, in seconds; 0 ends the block.", example=600)]
BlockType = Annotated[str, About("From what: publish, play or publish_play.", example="play")]
LicenseKey = Annotated[
    str | None,
    About(
        "The id of the license in force, or nothing, or the text of any license document, which is only looked at.",
        example="L1",
    ),
]
DeleteRecords = Annotated[
    bool,
    About(
        "Whether its broadcasts, tokens and subscribers go as well. Otherwise the next app of this name has them.",
        name="deleteDB",
        example=True,
    ),
]
Node = Annotated[NodeId, About("The node's id.", example="edge-1")]
Deadline = Annotated[
    int | None,
    About(
        "How long the drain may take, in seconds from now: 1 to 86400. Without it, what the node's settings say; while "
        "the node drains already, the deadline that it has.",
        example=300,
    ),
]
Now = Annotated[bool, About("Wait no longer: whoever is still there is cut off.", example=False)]
AppNames = Annotated[str, About("The apps, with commas in between.", name="appNames", example="live")]
LogOffset = Annotated[int, About("The first byte of the log to be shown; -1 = the last ones.", example=-1)]
LogChars = Annotated[int, About("How many bytes at most. More than 512000 count as that.", example=2_000)]
LogType = Annotated[
    str, About("`error` for errors alone; `server` or `null` for everything.", name="logType", example="server")
]
NoteText = Annotated[
    str,
    About(
        "The note, of at most 500 characters; empty takes it away.",
        name="note",
        example="Its disk is replaced on Friday.",
    ),
]
Domain = Annotated[str, About("The host name of the certificate.", example="live.example.com")]
SslType = Annotated[
    str, About("CUSTOM_DOMAIN, ANTMEDIA_SUBDOMAIN or CUSTOM_CERTIFICATE.", name="type", example="CUSTOM_DOMAIN")
]
Vod = Annotated[str, About("The id of a recording.", example="556823632509847185670207")]
OfStream = Annotated[str, About("Only recordings of this stream.", name="streamId", example="stream1")]
FileName = Annotated[
    str, About("What the file is called; its ending says of what kind it is.", name="name", example="show.mp4")
]
Folder = Annotated[str, About("A folder of the server.", name="directory", example="/mnt/shows")]
PushService = Annotated[str, About("Which service brings it to phones: fcm or apn.", name="serviceName", example="fcm")]
PushedTo = Annotated[str, About("Whose token it is.", name="subscriberId", example="viewer-7")]
TokenLife = Annotated[int, About("How long the token is good, in seconds.", name="timeoutSeconds", example=600)]
Topic = Annotated[str, About("What phones have subscribed to.", example="news")]

IN_PATHS: dict[str, Any] = {
    "app": App,
    "stream": Stream,
    "email": Email,
    "subscriber": SubscriberName,
    "offset": Offset,
    "size": Size,
    "node": Node,
    "log_offset": LogOffset,
    "chars": LogChars,
    "search": Search,
    "switch": Switch,
    "milliseconds": SeekTime,
    "file": File,
    "vod": Vod,
    "topic": Topic,
    "segment": Annotated[str, About("The name of a playlist or of a segment.", example="stream1.m3u8")],
    "flow": Annotated[str, About("The id of a stream.", example="stream1")],
    "binary": Annotated[str, About("Whether the message is binary: true or false.", example="false")],
}
"""Parameters of paths, also where a handler does without them."""
