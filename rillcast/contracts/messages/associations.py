"""Handing the SRTP association of a session over: from the node that drains to the next one."""

from __future__ import annotations

import msgspec

from rillcast.contracts.fields import Text, Word
from rillcast.contracts.ids import NodeId, SessionId


class FormerSession(msgspec.Struct, frozen=True, kw_only=True):
    """The session that a client has at a node that drains, and with whose association it may go on at the next one."""

    node: NodeId
    session: SessionId
    association: Word
    """The right to the association: 128 random bits, which the node has told signaling alone
    (`SessionChanged.association`)."""

    def __repr__(self) -> str:
        return f"FormerSession(node={self.node!r}, session={self.session!r})"


class AssociationRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The next node asks the one that drains for the association of a session."""

    session: SessionId
    """As the node that is asked knows it."""
    asker: NodeId
    association: Word
    """See `FormerSession`. Whoever does not know it is refused."""
    stop: bool = False
    """The client has chosen the asker: the node that is asked sends nothing more under these keys, for ever, and
    answers with the final counters. One asker gets them, once."""
    key: Word = ""
    """A public key that the asker made for this request (X25519, 32 bytes in base64). The answer is encrypted to it."""
    proof: Word = ""
    """The signature of the asker over all of this, with the `NodeInfo.identity` under which it is known."""

    def __repr__(self) -> str:
        return f"AssociationRequest(session={self.session!r}, asker={self.asker!r}, stop={self.stop})"


class AssociationAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The keys and counters of an association. A refusal is the answer's failure."""

    sealed: Text
    """The `SrtpState` of the media plane, encrypted to `AssociationRequest.key` (HPKE, RFC 9180, in base64)."""
    proof: Word = ""
    """The signature of the node that answers over all of this and over the request."""
