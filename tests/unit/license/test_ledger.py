"""Who may take a seat: never more than the license grants, and one process per node id."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import NodeId
from rillcast.contracts.messages import SeatRequest
from rillcast.contracts.words import LicenseState, NodeKind
from rillcast.licensing.document import InForce, License
from services.license.domain.ledger import REMEMBERED_INCARNATIONS, Ledger


def granting(total: int, **by_kind: int) -> InForce:
    document = License(license_id="L", licensee="Us", limit_total=total, limits_by_kind=by_kind, issued_at_s=1)
    return InForce(license=document, state=LicenseState.VALID)


def request(node: str, incarnation: str = "1", kind: NodeKind = NodeKind.EDGE) -> SeatRequest:
    return SeatRequest(node=NodeId(node), kind=kind, incarnation=incarnation)


asking = st.tuples(st.sampled_from("abcdef"), st.sampled_from("123"), st.sampled_from([NodeKind.EDGE, NodeKind.ORIGIN]))


@given(st.lists(asking, max_size=40))
def test_no_order_of_requests_gives_more_seats_than_there_are(asked: list[tuple[str, str, NodeKind]]) -> None:
    ledger, license = Ledger(), granting(3, edge=2)
    for node, incarnation, kind in asked:
        try:
            ledger = ledger.admit(request(node, incarnation, kind), license, now_ms=0)
        except RillcastError as error:
            assert error.code is ErrorCode.SEAT_REFUSED
        used = ledger.used_by_kind()
        assert sum(used.values()) <= 3
        assert used.get("edge", 0) <= 2


def test_the_refusal_names_the_limit_that_is_reached() -> None:
    license = granting(2, edge=1)
    ledger = Ledger().admit(request("a"), license, 0)
    with pytest.raises(RillcastError, match="all 1 seats for edge nodes of license L"):
        ledger.admit(request("b"), license, 0)

    ledger = ledger.admit(request("o", kind=NodeKind.ORIGIN), license, 0)
    with pytest.raises(RillcastError, match=r"all 2 seats of license L .* \(1 edge, 1 origin\)"):
        ledger.admit(request("p", kind=NodeKind.ORIGIN), license, 0)


def test_a_restart_takes_its_own_place_over_and_the_process_before_it_is_refused() -> None:
    license = granting(1)
    ledger = Ledger().admit(request("a", "1"), license, 0).admit(request("a", "2"), license, 0)

    assert ledger.used_by_kind() == {"edge": 1}
    with pytest.raises(RillcastError, match="another process has taken the seat"):
        ledger.admit(request("a", "1"), license, 0)


def test_only_so_many_processes_before_are_remembered() -> None:
    license, ledger = granting(1), Ledger()
    for incarnation in range(REMEMBERED_INCARNATIONS + 5):
        ledger = ledger.admit(request("a", str(incarnation)), license, 0)

    assert len(ledger.nodes[NodeId("a")].replaced) == REMEMBERED_INCARNATIONS


def test_a_seat_is_given_back_only_by_the_process_that_has_it() -> None:
    ledger = Ledger().admit(request("a", "2"), granting(1), 0)

    assert ledger.without(NodeId("a"), "1", NodeKind.EDGE) is ledger
    assert ledger.without(NodeId("b"), "2", NodeKind.EDGE) is ledger
    assert ledger.without(NodeId("a"), "2", NodeKind.ORIGIN) is ledger
    assert ledger.without(NodeId("a"), "2", NodeKind.EDGE) == Ledger()


@pytest.mark.parametrize("now_ms", [-5_000, 0, 4_999])
def test_a_node_just_admitted_keeps_its_place_until_its_seat_is_written(now_ms: int) -> None:
    ledger = Ledger().admit(request("a"), granting(1), 0)

    assert ledger.living((), now_ms, settle_ms=5_001) == ledger
    assert ledger.living((), 5_001, settle_ms=5_001) == Ledger()
    assert ledger.living((NodeId("a"),), 10**9, settle_ms=5_001) == ledger


def test_a_node_of_another_kind_does_not_take_over_a_seat_by_its_name() -> None:
    ledger = Ledger().admit(request("a", "1", NodeKind.ORIGIN), granting(9), 0)

    with pytest.raises(RillcastError, match="the node id a is that of a node of the kind origin"):
        ledger.admit(request("a", "2", NodeKind.EDGE), granting(9), 0)
