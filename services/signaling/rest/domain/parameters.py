"""Parameters in paths and queries: what handlers call them, and what the OpenAPI document says about them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from rillcast.contracts.ids import AppName, NodeId, StreamId


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


App = Annotated[AppName, About("The app.")]
InApp = Annotated[str, About("Only those of this app.", name="app")]
Stream = Annotated[StreamId, About("The stream's id.")]
Offset = Annotated[int, About("How many to pass over. Less than 0 counts as 0.", bits=32)]
Size = Annotated[int, About("How many at most. Less than 0 counts as 0, more than 250 as 250.", bits=32)]
AutoStart = Annotated[str, About("Whether to start it at once: true or false.", name="autoStart")]
OnDuplicate = Annotated[
    str,
    About("What becomes of ids that are taken: skip or overwrite. Without it nothing is created.", name="onDuplicate"),
]
TypeBy = Annotated[str, About("Only broadcasts of this type.")]
SortBy = Annotated[str, About("What the list is sorted by: name, date or status. Without it, the stream's id.")]
OrderBy = Annotated[str, About("The direction of the list: asc or desc.")]
Search = Annotated[str, About("A part of the id or of the name; capitals do not matter.")]
SearchQuery = Annotated[str, About("A part of the id or of the name; capitals do not matter.", name="search")]
Ids = Annotated[str, About("The ids, with commas between them.")]
DeleteSubtracks = Annotated[
    str, About("Whether the broadcast's subtracks are deleted as well: true or false.", name="deleteSubtracks")
]
SubtrackId = Annotated[str, About("The id of the subtrack.", name="id")]
WithRole = Annotated[str, About("Only subtracks with this role.", name="role")]
RecordType = Annotated[str, About("The kind of file: mp4 or webm.", name="recordType")]
Switch = Annotated[str, About("true or false.")]
SeekTime = Annotated[int, About("A place in the source, in milliseconds.")]
ItemIndex = Annotated[int, About("Which item is next; less than 0: the one after that which plays.", bits=32)]
Address = Annotated[str, About("The address of a file.", name="url")]
ServiceId = Annotated[str, About("What the other server's entry is called.", name="endpointServiceId")]
File = Annotated[str, About("The name of a playlist of HLS.")]
FirstDay = Annotated[
    str,
    About("The first day, like 2026-09-14. Without it, the first day that was counted.", name="from", format="date"),
]
LastDay = Annotated[str, About("The last day, included. Without it, today.", name="to", format="date")]
Email = Annotated[str, About("The name to sign in with.")]
ExpireDate = Annotated[int, About("Until when it is good, in Unix seconds.", name="expireDate")]
TokenType = Annotated[str, About("What it is for: publish or play.", name="type")]
Room = Annotated[str, About("The room that a publisher's token is good for.", name="roomId")]
SubscriberName = Annotated[str, About("The subscriber's id.")]
SubscriberQuery = Annotated[str, About("Of this subscriber alone.", name="subscriberId")]
BlockSeconds = Annotated[int, About("How long, in seconds; 0 ends the block.")]
BlockType = Annotated[str, About("From what: publish, play or publish_play.")]
LicenseKey = Annotated[
    str | None,
    About("The id of the license in force, or nothing, or the text of any license document, which is only looked at."),
]
DeleteRecords = Annotated[
    bool,
    About(
        "Whether its broadcasts, tokens and subscribers go as well. Otherwise the next app of this name has them.",
        name="deleteDB",
    ),
]
Node = Annotated[NodeId, About("The node's id.")]
Deadline = Annotated[
    int | None,
    About(
        "How long the drain may take, in seconds from now: 1 to 86400. Without it, what the node's settings say; while "
        "the node drains already, the deadline that it has."
    ),
]
Now = Annotated[bool, About("Wait no longer: whoever is still there is cut off.")]
AppNames = Annotated[str, About("The apps, with commas in between.", name="appNames")]
LogOffset = Annotated[int, About("The first byte of the log to be shown; -1 = the last ones.")]
LogChars = Annotated[int, About("How many bytes at most. More than 512000 count as that.")]
LogType = Annotated[str, About("`error` for errors alone; `server` or `null` for everything.", name="logType")]
NoteText = Annotated[str, About("The note, of at most 500 characters; empty takes it away.", name="note")]
Domain = Annotated[str, About("The host name of the certificate.")]
SslType = Annotated[str, About("CUSTOM_DOMAIN, ANTMEDIA_SUBDOMAIN or CUSTOM_CERTIFICATE.", name="type")]

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
}
"""Parameters of paths, also where a handler does without them."""
