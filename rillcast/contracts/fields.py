"""What the fields of messages and records may hold. Decoding refuses anything else, and the refusal names the field.

Every text and every number of `messages` and `records` has one of these types, the type of an id (`ids`), or is a
closed word (`words`). So no handler ever sees a text that is too long, a negative count, or a number that does not fit
into 64 bits. The limits are wide: they keep out what cannot be, and what makes sense is for the handler to say. They
are part of the protocol: a limit that becomes narrower refuses what older versions send.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from rillcast.contracts.grammars import grammar
from rillcast.contracts.ids import NodeId

MAX_INTEGER = 2**63 - 1
"""The largest number of 64 bits with a sign. The media plane, too, takes no larger one."""

Word = Annotated[str, msgspec.Meta(max_length=256)]
"""A short text, such as a name, a version, a digest or an address."""
MAX_TEXT = 16_384
Text = Annotated[str, msgspec.Meta(max_length=MAX_TEXT)]
"""A sentence for people, or something that a client attached."""
Sdp = Annotated[str, msgspec.Meta(max_length=262_144)]
"""A session description."""
Document = Annotated[str, msgspec.Meta(max_length=1_048_576)]
"""A signed document. It is as large as a message may be: whoever reads it has a limit of its own."""
HostName = Annotated[str, grammar(r"(?:[A-Za-z0-9](?:[A-Za-z0-9_.:-]{0,251}[A-Za-z0-9])?)?", "a host name, or nothing")]
"""The name or the address of a host, without scheme and port."""
Note = Annotated[str, msgspec.Meta(max_length=500)]
"""A few words of an operator."""
HeaderValue = Annotated[str, grammar(r"[\x20-\x7e]{0,4096}", "at most 4096 printable characters of ASCII")]
"""What may stand in a header of HTTP."""
Codec = Annotated[str, grammar("[A-Za-z0-9.-]{1,32}", "the name of a codec")]
"""The encoding name that stands in SDP, or a candidate for one."""
Mid = Annotated[str, grammar("[A-Za-z0-9._-]{1,32}", "1 to 32 letters, digits, dots, underscores and hyphens")]
"""What the renditions of one track have in common."""
SocketAddress = Annotated[str, grammar(r"(?:[0-9.]{7,15}|\[[0-9A-Fa-f:.]{2,45}\]):[0-9]{1,5}", "ip:port")]
"""An IP address and a port, as ``ip:port`` or ``[ip]:port``."""

Count = Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)]
"""How many there are, or a number in an order, such as an epoch."""
FileDuration = Annotated[int, msgspec.Meta(ge=-2, le=MAX_INTEGER)]
"""The length of a file in milliseconds; −1 while it is unknown, −2 when the file cannot be read."""
BitsPerSecond = Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000_000)]
Lines = Annotated[int, msgspec.Meta(ge=0, le=65_535)]
"""Rows or columns of a picture."""
DurationMs = Annotated[int, msgspec.Meta(ge=0, le=31_622_400_000)]
"""A time span of at most a year."""
DurationS = Annotated[float, msgspec.Meta(ge=0, le=3_162_240_000)]
"""A time span of at most a century."""
UnixMs = Annotated[int, msgspec.Meta(ge=0, le=253_402_300_799_999)]
"""A time by the wall clock, up to the year 9999."""
UnixS = Annotated[int, msgspec.Meta(ge=0, le=253_402_300_799)]
"""A time by the wall clock, up to the year 9999."""
Share = Annotated[float, msgspec.Meta(ge=0, le=1_000_000)]
"""A part of a limit; 1.0 is all of it, and more is possible."""
Hours = Annotated[float, msgspec.Meta(ge=0, le=1_000_000_000_000)]
ClockRate = Annotated[int, msgspec.Meta(ge=1, le=0xFFFF_FFFF)]
"""Ticks per second of RTP timestamps."""
Channels = Annotated[int, msgspec.Meta(ge=0, le=255)]
Ssrc = Annotated[int, msgspec.Meta(ge=0, le=0xFFFF_FFFF)]
PayloadType = Annotated[int, msgspec.Meta(ge=0, le=127)]

Limit = Annotated[int, msgspec.Meta(ge=-1, le=1_000_000_000)]
"""How many there may be; -1 means any number."""
Secret = Annotated[str, msgspec.Meta(max_length=4_096, extra={"secret": True})]
"""The secret of an HMAC. REST takes it and never gives it back."""
Password = Annotated[str, msgspec.Meta(max_length=512, extra={"secret": True})]
"""The password of something else. REST never gives it back either."""
Percent = Annotated[float, msgspec.Meta(ge=0, le=100)]
Milliseconds = Annotated[float, msgspec.Meta(ge=0, le=10_000)]
"""A measured time, of a round trip for example."""
RelayLevel = Annotated[int, msgspec.Meta(ge=1, le=16)]
"""How many relays lie between a node and the owner of what it is fed."""
Few = Annotated[tuple[NodeId, ...], msgspec.Meta(max_length=8)]
"""Nodes of the relay tree, of which one message names eight at most."""
Url = Annotated[str, msgspec.Meta(max_length=2_048)]
"""An address that somebody else serves."""
BackupAfterMs = Annotated[int, msgspec.Meta(ge=500, le=60_000)]
"""How long a publisher is silent before viewers are shown a backup. Silence is measured once a second."""
BackupLongestS = Annotated[int, msgspec.Meta(ge=1, le=604_800)]
"""How long a stream outlives its publisher on a backup: a week at most."""
