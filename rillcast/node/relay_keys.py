"""How the SRTP keys of a relay get from the parent to the child, over a bus on which others may listen.

The child makes a key pair for this one request (X25519) and signs the request with its identity. The parent looks the
child up among the nodes that it knows, makes the SRTP keys, encrypts them to that key pair (HPKE base mode, RFC 9180)
and signs the answer. So only this child can read them, only while it waits, and it knows from whom they are. What both
have said of the relay is part of what is signed and encrypted: nothing of it can be used for another relay.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

import msgspec

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import NodeId
from rillcast.contracts.messages import NodeReport, RelayGrant, RelayOpen, RelayReferral
from rillcast.contracts.words import NodeKind
from rillcast.node.sealing import SealedQuestion, reader, seal
from rillcast.runtime.process.identity import NodeIdentity, is_signed_by

CHILD_KINDS = frozenset({NodeKind.EDGE, NodeKind.TRANSCODER})
MEET_S = 1.5
"""How long one end waits for the first heartbeat of the other, which comes each second."""
RETRY_S = 0.5
"""When to ask again if it has not come even then."""
_OPEN, _GRANT, _REFER = b"rillcast relay open\0", b"rillcast relay grant\0", b"rillcast relay referral\0"


class KeyExchange(Protocol):
    """One request on its way, at the child."""

    @property
    def request(self) -> RelayOpen:
        """The request with a fresh key and with our signature, as it goes to the parent."""
        ...

    def open(self, grant: RelayGrant) -> RelayGrant:
        """The answer with its keys readable. Raises ValueError when it is not from the node that was asked."""
        ...

    def referred(self, referral: RelayReferral) -> RelayReferral:
        """The same, if it is from the node that was asked. Raises ValueError otherwise."""
        ...


class RelayKeys(Protocol):
    """Both ends of the exchange, for one node."""

    async def meet(self, parent: NodeId) -> None:
        """At the child, before it asks: wait a moment for a parent that is not known yet."""
        ...

    async def expect(self, request: RelayOpen) -> None:
        """At the parent, before it checks: wait a moment for a child that is not known yet, or started anew."""
        ...

    def ask(self, request: RelayOpen, parent: NodeId) -> KeyExchange:
        """Begin to ask, at the child. Raises NO_NODE_AVAILABLE when the parent is not known."""
        ...

    def check(self, request: RelayOpen) -> None:
        """At the parent, before anything is done. Raises NO_NODE_AVAILABLE when the child is not known, UNAUTHORIZED
        when the request is not from it."""
        ...

    def seal(self, request: RelayOpen, grant: RelayGrant) -> RelayGrant:
        """At the parent: the answer, whose keys only the asker can read."""
        ...

    def refer(self, request: RelayOpen, nodes: tuple[NodeId, ...]) -> RelayReferral:
        """At the parent: the answer that names others."""
        ...


Until = Callable[[NodeId, Callable[[NodeReport], bool], float], Awaitable[None]]


async def _at_once(_node: NodeId, _wanted: Callable[[NodeReport], bool], _timeout_s: float) -> None:
    """Where nodes are known or never will be."""


class _Keys(msgspec.Struct, frozen=True):
    srtp: str
    srtcp: str


class SealedRelayKeys:
    """`RelayKeys` between the nodes of a cluster."""

    def __init__(
        self,
        node: NodeId,
        identity: NodeIdentity,
        known: Callable[[NodeId], NodeReport | None],
        until: Until = _at_once,
    ) -> None:
        """`known`: the last report of a node that lives; None for any other. `until`: see `NodeDirectory.until`."""
        self._node = node
        self._identity = identity
        self._known = known
        self._until = until

    async def meet(self, parent: NodeId) -> None:
        """See `RelayKeys.meet`."""
        await self._until(parent, lambda _: True, MEET_S)

    async def expect(self, request: RelayOpen) -> None:
        """See `RelayKeys.expect`."""
        await self._until(request.child, lambda report: self._is_from(report, request), MEET_S)

    def ask(self, request: RelayOpen, parent: NodeId) -> KeyExchange:
        """See `RelayKeys.ask`."""
        known = self._known(parent)
        if known is None:
            raise RillcastError(ErrorCode.NO_NODE_AVAILABLE, f"the node {parent} is not known here", RETRY_S)
        return _SealedKeyExchange(request, parent, known.info.identity, self._identity)

    def check(self, request: RelayOpen) -> None:
        """See `RelayKeys.check`."""
        known = self._known(request.child)
        if known is None:
            raise RillcastError(ErrorCode.NO_NODE_AVAILABLE, f"the node {request.child} is not known here", RETRY_S)
        if known.info.kind not in CHILD_KINDS:
            raise RillcastError(ErrorCode.UNAUTHORIZED, f"{request.child} is of the kind {known.info.kind}: no child")
        if not self._is_from(known, request):
            raise RillcastError(ErrorCode.UNAUTHORIZED, f"the request is not signed by {request.child}")
        reader(request.key)

    def _is_from(self, child: NodeReport, request: RelayOpen) -> bool:
        return is_signed_by(child.info.identity, request.proof, _said_by_child(request, self._node))

    def seal(self, request: RelayOpen, grant: RelayGrant) -> RelayGrant:
        """See `RelayKeys.seal`."""
        keys = msgspec.json.encode(_Keys(grant.srtp_key, grant.srtcp_key))
        plain = msgspec.structs.replace(grant, srtp_key="", srtcp_key="")
        sealed = seal(keys, request.key, _said_by_parent(request, plain, self._node))
        signed = msgspec.structs.replace(plain, sealed_keys=sealed)
        return msgspec.structs.replace(signed, proof=self._identity.sign(_said_by_parent(request, signed, self._node)))

    def refer(self, request: RelayOpen, nodes: tuple[NodeId, ...]) -> RelayReferral:
        """See `RelayKeys.refer`."""
        said = _said_of_others(request, nodes, self._node)
        return RelayReferral(nodes=nodes, proof=self._identity.sign(said))


class _SealedKeyExchange:
    def __init__(self, request: RelayOpen, parent: NodeId, parent_key: str, identity: NodeIdentity) -> None:
        self._question = SealedQuestion()
        self._parent = parent
        self._parent_key = parent_key
        request = msgspec.structs.replace(request, key=self._question.public)
        self.request = msgspec.structs.replace(request, proof=identity.sign(_said_by_child(request, parent)))

    def open(self, grant: RelayGrant) -> RelayGrant:
        signed = msgspec.structs.replace(grant, proof="", srtp_key="", srtcp_key="")
        if not is_signed_by(self._parent_key, grant.proof, _said_by_parent(self.request, signed, self._parent)):
            raise ValueError(f"it is not signed by {self._parent}")
        said = _said_by_parent(self.request, msgspec.structs.replace(signed, sealed_keys=""), self._parent)
        try:
            keys = msgspec.json.decode(self._question.open(grant.sealed_keys, said), type=_Keys)
        except msgspec.DecodeError as error:
            raise ValueError("its keys can't be read") from error
        return msgspec.structs.replace(signed, srtp_key=keys.srtp, srtcp_key=keys.srtcp)

    def referred(self, referral: RelayReferral) -> RelayReferral:
        said = _said_of_others(self.request, referral.nodes, self._parent)
        if not is_signed_by(self._parent_key, referral.proof, said):
            raise ValueError(f"it is not signed by {self._parent}")
        return referral


def _said_by_child(request: RelayOpen, parent: NodeId) -> bytes:
    fields = (parent, request.app, request.stream, request.track, request.claim, request.child, request.relay)
    more = (request.child_address, request.most_level, request.gives, request.unreachable, request.key)
    return _OPEN + msgspec.json.encode((*fields, *more))


def _said_of_others(request: RelayOpen, nodes: tuple[NodeId, ...], parent: NodeId) -> bytes:
    return _REFER + _said_by_child(request, parent) + msgspec.json.encode(nodes)


def _said_by_parent(request: RelayOpen, grant: RelayGrant, parent: NodeId) -> bytes:
    """`grant` without its keys and its proof: every other field counts, with those of the request."""
    return _GRANT + _said_by_child(request, parent) + msgspec.json.encode(grant)
