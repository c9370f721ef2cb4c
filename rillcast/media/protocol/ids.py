"""The plane's own numbers for what it has. Python chooses them; each is unique in one plane, for as long as it runs."""

from __future__ import annotations

from typing import NewType

PlaneSession = NewType("PlaneSession", int)
"""A session. The cluster's id of the same session is a `SessionId`."""
SourceId = NewType("SourceId", int)
"""A source: an encoding of a publisher, what a relay brings, or what Python pushes."""
PlaneRelay = NewType("PlaneRelay", int)
"""A relay at its parent. The cluster's id of the same relay is a `RelayId`."""
