"""How the association of a session gets from the node that drains to the next one, over a bus on which others may
listen: by the mechanism of relay keys (`relay_keys`). The asker signs its question, the answer is encrypted to a key
pair made for that question, and is signed as well. The right to ask is a secret that signaling passes on
(`FormerSession`); a signature alone gets nobody anything."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import NodeId
from rillcast.contracts.messages import AssociationAnswer, AssociationRequest, FormerSession, NodeReport
from rillcast.contracts.words import NodeKind
from rillcast.media.protocol import SrtpState
from rillcast.node.sealing import SealedQuestion, reader, seal
from rillcast.runtime.process.identity import NodeIdentity, is_signed_by

_ASK, _GIVE = b"rillcast association ask\0", b"rillcast association give\0"
RETRY_S = 0.5


class AssociationQuestion:
    """One question on its way, at the asker."""

    def __init__(self, request: AssociationRequest, former: NodeId, former_key: str, identity: NodeIdentity) -> None:
        self._question = SealedQuestion()
        self._former = former
        self._former_key = former_key
        request = msgspec.structs.replace(request, key=self._question.public)
        self.request = msgspec.structs.replace(request, proof=identity.sign(_said_by_asker(request, former)))

    def open(self, answer: AssociationAnswer) -> SrtpState:
        """What the answer holds. Raises ValueError when it is not from the node that was asked, or not for us."""
        signed = _said_by_former(self.request, answer, self._former)
        if not is_signed_by(self._former_key, answer.proof, signed):
            raise ValueError(f"it is not signed by {self._former}")
        secret = self._question.open(answer.sealed, _said_by_former(self.request, None, self._former))
        try:
            return msgspec.json.decode(secret, type=SrtpState)
        except msgspec.DecodeError:
            pass  # not chained: the error would show a part of the keys
        raise ValueError("it makes no sense")


class AssociationKeys:
    """Both ends of the exchange, for one node."""

    def __init__(
        self, node: NodeId, kind: NodeKind, identity: NodeIdentity, known: Callable[[NodeId], NodeReport | None]
    ) -> None:
        """`kind`: of this node, and of all that it exchanges associations with. `known`: the last report of a node that
        lives; None for any other."""
        self._node = node
        self._kind = kind
        self._identity = identity
        self._known = known

    def ask(self, former: FormerSession, *, stop: bool) -> AssociationQuestion:
        """Begin to ask, at the next node. Raises NO_NODE_AVAILABLE when the former one is not known."""
        request = AssociationRequest(
            session=former.session, asker=self._node, association=former.association, stop=stop
        )
        identity = self._report(former.node).info.identity
        return AssociationQuestion(request, former.node, identity, self._identity)

    def check(self, request: AssociationRequest) -> None:
        """At the node that is asked, before anything is done. Raises NO_NODE_AVAILABLE when the asker is not known,
        UNAUTHORIZED when it is of another kind or has not signed, and BAD_REQUEST without a key."""
        asker = self._report(request.asker)
        if asker.info.kind is not self._kind:
            raise RillcastError(ErrorCode.UNAUTHORIZED, f"{request.asker} is of the kind {asker.info.kind}")
        if not is_signed_by(asker.info.identity, request.proof, _said_by_asker(request, self._node)):
            raise RillcastError(ErrorCode.UNAUTHORIZED, f"the request is not signed by {request.asker}")
        reader(request.key)

    def seal(self, request: AssociationRequest, srtp: SrtpState) -> AssociationAnswer:
        """At the node that is asked: the answer, which only the asker can read."""
        sealed = seal(msgspec.json.encode(srtp), request.key, _said_by_former(request, None, self._node))
        answer = AssociationAnswer(sealed=sealed)
        return msgspec.structs.replace(answer, proof=self._identity.sign(_said_by_former(request, answer, self._node)))

    def _report(self, node: NodeId) -> NodeReport:
        report = self._known(node)
        if report is None:
            raise RillcastError(ErrorCode.NO_NODE_AVAILABLE, f"the node {node} is not known here", RETRY_S)
        return report


def _said_by_asker(request: AssociationRequest, former: NodeId) -> bytes:
    fields = (former, request.session, request.asker, request.association, request.stop, request.key)
    return _ASK + msgspec.json.encode(fields)


def _said_by_former(request: AssociationRequest, answer: AssociationAnswer | None, former: NodeId) -> bytes:
    """`answer`: None while it is being encrypted."""
    return _GIVE + _said_by_asker(request, former) + (b"" if answer is None else answer.sealed.encode())
