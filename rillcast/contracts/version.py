"""Which version of the protocol between the nodes this is. `docs/protocol.md` says what the version promises."""

from __future__ import annotations

PROTOCOL_VERSION = 5
"""It is raised by one when a message or a record changes so that a node with the former version would not understand
it, or would take it for something else. `tests/unit/contracts/test_versions.py` notices what is not understood.

1: A viewer's session had one stream, reasons were free text, and a stream was handed over by closing its session.
2: A viewer's session has subscriptions, reasons are closed words, and a hand-over is a request of its own.
3: Subjects say the kind of the node, and the keys of a relay are encrypted.
4: Epochs have claims, which relays name, and their numbers are no longer revisions of the store.
5: Edges feed edges: a parent answers with a relay or with a referral, and relays have levels. Heartbeats and
goodbyes are signed."""
UNSAID_VERSION = 1
"""What a node speaks that does not say so."""
