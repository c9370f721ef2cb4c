"""Who takes a child in the relay tree, and to whom it is sent instead."""

from __future__ import annotations

import random

import pytest

from rillcast.cluster.placement.nearness import Place
from rillcast.cluster.relay_tree import (
    MAX_LEVEL,
    Asker,
    Complaints,
    FedChild,
    Here,
    ParentSearch,
    is_full,
    refer,
    standbys,
)
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import NodeId
from tests.bench.hollow import GREAT, OWNER_AT, HollowEdge, HollowTree

OWNER, E1, E2, E3, E4 = (NodeId(name) for name in ("origin-1", "edge-1", "edge-2", "edge-3", "edge-4"))
A, B, FAR = Place("eu", "a"), Place("eu", "b"), Place("us", "c")
NOWHERE = Place()


def asker(place: Place = NOWHERE, node: NodeId = E4, most_level: int = MAX_LEVEL, *unreachable: NodeId) -> Asker:
    return Asker(node=node, place=place, most_level=most_level, unreachable=frozenset(unreachable))


def here(level: int = 0, place: Place = A, *, full: bool = False) -> Here:
    return Here(place=place, level=level, full=full)


def child(node: NodeId, place: Place = NOWHERE, level: int = 1, *, gives: bool = True) -> FedChild:
    return FedChild(node=node, place=place, level=level, gives=gives)


@pytest.mark.parametrize("place", [NOWHERE, A], ids=["no zone", "own zone"])
def test_whoever_is_near_is_taken_while_there_is_room(place: Place) -> None:
    assert refer(asker(place), here(), [child(E1, place), child(E2, place)]) == ()


def test_the_first_of_a_foreign_zone_is_taken_and_the_next_are_sent_to_it() -> None:
    assert refer(asker(B, E1), here(), [child(E2, A)]) == ()
    assert refer(asker(B, E3), here(), [child(E2, A), child(E1, B)]) == (E1,)


def test_the_first_of_a_foreign_region_feeds_the_other_zones_of_it() -> None:
    other_zone_there = Place("us", "d")
    assert refer(asker(other_zone_there), here(), [child(E1, FAR), child(E2, A)]) == (E1,)


def test_two_zones_of_one_region_each_get_a_copy() -> None:
    assert refer(asker(B), here(), [child(E1, A)]) == ()


def test_beyond_the_limit_children_become_parents_the_nearest_first() -> None:
    children = [child(E1, FAR), child(E2, B), child(E3, A)]
    assert refer(asker(A), here(full=True), children) == (E3, E2)


def test_askers_are_spread_over_children_that_are_equally_near() -> None:
    children = [child(E1), child(E2), child(E3)]
    first = {refer(asker(node=NodeId(f"n{number}")), here(full=True), children)[0] for number in range(40)}
    assert first == {E1, E2, E3}


def test_a_child_that_is_too_deep_or_leaves_or_was_tried_is_not_named() -> None:
    children = [child(E1, level=MAX_LEVEL), child(E2, gives=False), child(E3)]
    with pytest.raises(RillcastError, match="none of them can feed one more") as refusal:
        refer(asker(NOWHERE, E4, MAX_LEVEL, E3), here(full=True), children)
    assert refusal.value.code is ErrorCode.HIGH_RESOURCE_USAGE


def test_a_zone_whose_head_is_out_of_reach_gets_another_one() -> None:
    assert refer(asker(B, E4, MAX_LEVEL, E1), here(), [child(E1, B)]) == ()


def test_whom_others_complained_of_is_named_last() -> None:
    children = [child(E1, B, 1), child(E2, B, 2)]
    assert refer(asker(B), here(), children) == (E1, E2)
    assert refer(asker(B), here(), children, lambda node: node == E1) == (E2, E1)


def test_a_node_with_children_gets_no_parent_of_its_own_level() -> None:
    with pytest.raises(RillcastError, match="this node has level 2") as refusal:
        refer(asker(most_level=2), here(level=2), [])
    assert refusal.value.code is ErrorCode.HIGH_RESOURCE_USAGE
    assert refer(asker(B, most_level=1), here(), [child(E1, B)]) == (), "the head of its zone is no deeper than it"


def test_a_child_that_asks_again_is_taken_again() -> None:
    assert refer(asker(B, E1), here(full=False), [child(E1, B), child(E2, B)]) == ()


def test_a_transcoder_is_fed_by_the_node_itself() -> None:
    transcoder = Asker(node=NodeId("transcoder-1"), place=B, is_edge=False)
    assert refer(transcoder, here(), [child(E1, B)]) == ()
    with pytest.raises(RillcastError):
        refer(transcoder, here(full=True), [child(E1, B)])


def test_the_standbys_are_the_grandparent_and_the_best_sibling() -> None:
    siblings = [child(E1, A, 2), child(E2, B, 2), child(E3, B, MAX_LEVEL)]
    assert standbys(asker(B), OWNER, siblings) == (OWNER, E2)
    assert standbys(asker(B), None, []) == ()


# ---------------------------------------------------------------- one attempt


def asked(search: ParentSearch, **referrals: tuple[NodeId, ...]) -> list[NodeId]:
    """Whom a search asks when these refer once and everybody else fails."""
    left, found = {NodeId(name.replace("_", "-")): nodes for name, nodes in referrals.items()}, []
    while (node := search.next()) is not None:
        found.append(node)
        if node not in left or not search.referred(node, left.pop(node), but=E4):
            search.failed(node)
    return found


def test_a_referral_is_followed_and_who_referred_is_asked_again_when_that_fails() -> None:
    search = ParentSearch(OWNER)
    assert asked(search, origin_1=(E1, E2)) == [OWNER, E1, E2, OWNER]
    assert search.unreachable == (E1, E2)


def test_standbys_are_asked_before_the_owner_and_the_lost_parent_is_not() -> None:
    search = ParentSearch(OWNER, first=(E1, E2, E1), unreachable=(E1,))
    assert asked(search) == [E2, OWNER]


def test_referrals_go_down_the_tree() -> None:
    assert asked(ParentSearch(OWNER), origin_1=(E1,), edge_1=(E2,)) == [OWNER, E1, E2, E1, OWNER]


def test_a_referral_to_itself_or_back_leads_nowhere() -> None:
    search = ParentSearch(OWNER)
    assert search.next() == OWNER
    assert not search.referred(OWNER, (OWNER, E4), but=E4)


def test_nodes_that_refer_to_each_other_forever_are_left_after_a_few_questions() -> None:
    search, count = ParentSearch(OWNER), 0
    while (node := search.next()) is not None:
        count += 1
        search.referred(node, (NodeId(f"n{count}"), NodeId(f"m{count}")), but=E4)
    assert count == ParentSearch.MOST_ASKED


def test_a_search_remembers_a_few_failures_only() -> None:
    search = ParentSearch(OWNER, unreachable=[NodeId(f"n{number}") for number in range(50)])
    search.failed(E1)
    assert len(search.unreachable) == ParentSearch.MOST_UNREACHABLE
    assert search.unreachable[-1] == E1


# ---------------------------------------------------------------- complaints


def test_complaints_are_forgotten() -> None:
    complaints = Complaints()
    complaints.note((E1,), 10.0)
    assert complaints.of(E1, 10.0)
    assert not complaints.of(E2, 10.0)
    assert not complaints.of(E1, 10.0 + Complaints.REMEMBERED_S)


def test_no_more_than_some_complaints_are_kept() -> None:
    complaints = Complaints()
    complaints.note((NodeId(f"n{number}") for number in range(Complaints.MOST + 5)), 0.0)
    assert not complaints.of(NodeId("n0"), 0.0)
    assert complaints.of(NodeId(f"n{Complaints.MOST + 4}"), 0.0)


@pytest.mark.parametrize(
    ("place", "own", "foreign", "full"),
    [(A, 5, 0, False), (A, 6, 0, True), (B, 6, 1, False), (B, 6, 2, True), (NOWHERE, 7, 0, False), (A, 0, 8, True)],
)
def test_the_own_zone_of_a_parent_leaves_a_quarter_of_its_places_to_others(
    place: Place, own: int, foreign: int, full: bool
) -> None:
    assert is_full(asker(place), A, [A] * own + [FAR] * foreign, 8) == full


def test_who_has_few_places_keeps_none() -> None:
    assert not is_full(asker(A), A, [A], 2)
    assert is_full(asker(A), A, [A, A], 2)
    assert not is_full(asker(NOWHERE), NOWHERE, [NOWHERE] * 7, 8), "without zones there are no other ones"


def test_a_large_zone_gets_its_own_copy_over_the_border_of_its_region() -> None:
    large = Asker(node=E4, place=Place("us", "d"), large_zone=True)
    assert refer(large, here(), [child(E1, FAR), child(E2, A)]) == ()
    assert refer(large, here(full=True), [child(E1, FAR), child(E2, A)])[0] == E1, "with no room there, as any other"


@pytest.mark.parametrize("edges", [9, 90, 900, 3_000])
@pytest.mark.parametrize("seed", range(3))
def test_all_edges_fit_into_three_levels_with_one_copy_for_each_zone(edges: int, seed: int) -> None:
    cluster = {edge.node: edge for edge in map(HollowEdge, range(edges))}
    order = list(cluster.values())
    random.Random(seed).shuffle(order)
    tree = HollowTree(cluster)
    for edge in order:
        tree.feed(edge, GREAT)
    assert max(tree.levels(GREAT)) <= MAX_LEVEL
    assert tree.copies(GREAT) == {edge.place: 1 for edge in order if edge.place != OWNER_AT}
