"""Who may take a seat. No I/O, no clock.

Two records count nodes together. A *seat* (one key per node, with a time to live) says that the node renewed lately.
The *ledger* (one key for the cluster, changed by compare-and-set) says who was admitted. Renewals touch only the seat;
admissions go through the ledger, so two license instances can't both give away the last seat. A ledger entry whose
seat has expired frees its place.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable

import msgspec

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.fields import UnixMs, Word
from rillcast.contracts.ids import NodeId
from rillcast.contracts.messages import SeatRequest
from rillcast.contracts.records import SeatRecord
from rillcast.contracts.words import NodeKind
from rillcast.licensing.document import InForce

REMEMBERED_INCARNATIONS = 8


class Admission(msgspec.Struct, frozen=True, kw_only=True):
    """The entry of one node in the ledger."""

    kind: Word
    incarnation: Word
    admitted_at_ms: UnixMs
    replaced: tuple[Word, ...] = ()
    """Earlier incarnations of this node id; one of them asking again is a second process under the same id."""


class Ledger(msgspec.Struct, frozen=True):
    """Every node that was admitted."""

    nodes: dict[NodeId, Admission] = {}

    @classmethod
    def of_seats(cls, seats: Iterable[SeatRecord]) -> Ledger:
        """Everybody who has a seat, for a ledger that was lost."""
        return cls(
            {
                seat.node: Admission(kind=seat.kind, incarnation=seat.incarnation, admitted_at_ms=seat.acquired_at_ms)
                for seat in seats
            }
        )

    def used_by_kind(self) -> dict[str, int]:
        """How many seats each kind has."""
        return dict(Counter(admission.kind for admission in self.nodes.values()))

    def living(self, seated: Collection[NodeId], now_ms: int, settle_ms: int) -> Ledger:
        """Without nodes whose seat has expired. One admitted less than `settle_ms` ago may not have its seat written
        yet."""
        return Ledger(
            {
                node: admission
                for node, admission in self.nodes.items()
                if node in seated or abs(now_ms - admission.admitted_at_ms) < settle_ms
            }
        )

    def admit(self, request: SeatRequest, license: InForce, now_ms: int) -> Ledger:
        """The ledger with this node in it; a restart under the same node id takes its own place over.

        Raises SEAT_REFUSED naming the limit that is reached, or the second process under one node id.
        """
        before = self.nodes.get(request.node)
        replaced: tuple[str, ...] = ()
        if before is None:
            self._check_room(request, license)
        if before is not None:
            if before.kind != request.kind:
                words = f"the node id {request.node} is that of a node of the kind {before.kind}"
                raise RillcastError(ErrorCode.SEAT_REFUSED, f"{words}; every node needs an id of its own", 30.0)
            replaced = before.replaced
            if request.incarnation in replaced:
                raise RillcastError(
                    ErrorCode.SEAT_REFUSED,
                    f"another process has taken the seat of node id {request.node}; every node needs an id of its own",
                    retry_after_s=30.0,
                )
            if request.incarnation != before.incarnation:
                replaced = (*replaced, before.incarnation)[-REMEMBERED_INCARNATIONS:]
        admission = Admission(
            kind=request.kind, incarnation=request.incarnation, admitted_at_ms=now_ms, replaced=replaced
        )
        return Ledger({**self.nodes, request.node: admission})

    def without(self, node: NodeId, incarnation: str, kind: NodeKind) -> Ledger:
        """The ledger after this incarnation gave its seat back; unchanged if another one has it, or another kind of
        node."""
        admission = self.nodes.get(node)
        if admission is None or admission.incarnation != incarnation or admission.kind != kind:
            return self
        return Ledger({name: kept for name, kept in self.nodes.items() if name != node})

    def _check_room(self, request: SeatRequest, license: InForce) -> None:
        others = Ledger({node: admission for node, admission in self.nodes.items() if node != request.node})
        used = others.used_by_kind()
        total = sum(used.values())
        taken = ", ".join(f"{count} {kind}" for kind, count in sorted(used.items())) or "none"
        of_kind = license.limits_by_kind.get(request.kind)
        if of_kind is not None and used.get(request.kind, 0) >= of_kind:
            what = f"all {of_kind} seats for {request.kind} nodes"
        elif total >= license.limit_total:
            what = f"all {license.limit_total} seats"
        else:
            return
        name = f"license {license.license.license_id} ({license.license.licensee})"
        raise RillcastError(ErrorCode.SEAT_REFUSED, f"{what} of {name} are taken ({taken})", retry_after_s=10.0)
