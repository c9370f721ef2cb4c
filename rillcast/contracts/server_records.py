"""What lies in JetStream KV about the servers themselves, for every node to read."""

from __future__ import annotations

import msgspec

from rillcast.contracts.fields import HostName, Note
from rillcast.contracts.ids import NodeId
from rillcast.contracts.words import LogLevel

SETTINGS_KEY = "settings"
"""Of the one `ServerRecord`."""
NOTE_PREFIX = "note/"


class ServerRecord(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What operators have set for all nodes of the cluster. Every node reads it, so it holds no secret."""

    server_name: HostName = ""
    """The name under which people reach the servers; empty: nobody has said it."""
    log_level: LogLevel | None = None
    """What all nodes write into their logs; None: what each one's own settings say."""


class NodeNote(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator has written about a node."""

    text: Note


def note_key(node: NodeId) -> str:
    """The key of the note about a node."""
    return f"{NOTE_PREFIX}{node}"
