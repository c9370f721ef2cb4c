"""The orders of an app's broadcasts against the plain way: sort and filter all of them each time."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from rillcast.contracts.broadcast_records import KeptBroadcast
from rillcast.contracts.ids import StreamId
from services.signaling.core.domain.broadcast_index import ORDERS, BroadcastIndex, Listed, Wanted

STREAMS = st.sampled_from(["a", "ab", "B", "ba", "c", "d-1", "x7"]).map(StreamId)
LISTED = st.builds(
    Listed,
    stream=STREAMS,
    name=st.sampled_from(["", "Show", "show 7", "zebra"]),
    date=st.integers(0, 3),
    type=st.sampled_from(["liveStream", "VoD"]),
    status=st.sampled_from(["broadcasting", "created", "finished"]),
)
WANTED = st.builds(
    Wanted,
    search=st.sampled_from(["", " ", "a", "SHOW", "7", "none"]),
    type_by=st.sampled_from(["", "VoD", "junk"]),
    sort_by=st.sampled_from(["", "streamId", "name", "date", "status", "junk"]),
    order_by=st.sampled_from(["", "asc", "desc"]),
)


def record(one: Listed) -> KeptBroadcast:
    return KeptBroadcast(stream_id=one.stream, name=one.name or None, date=one.date, type=one.type, status=one.status)


def plainly(known: Iterable[Listed], wanted: Wanted) -> list[StreamId]:
    keys = {by: lambda one, by=by: (getattr(one, by), one.stream) for by in ("name", "date", "status")}
    found = sorted(known, key=keys.get(wanted.sort_by, lambda one: one.stream), reverse=wanted.order_by == "desc")
    search = wanted.search.lower() if wanted.search.strip() else ""
    return [one.stream for one in found if search in one.words and (not wanted.type_by or one.type == wanted.type_by)]


@given(
    changes=st.lists(st.one_of(LISTED, STREAMS), max_size=30),
    others=st.lists(LISTED, max_size=4),
    asked=st.lists(WANTED),
    kept=st.sets(st.sampled_from(ORDERS)),
    seen=st.dictionaries(STREAMS, st.sampled_from(["broadcasting", "finished", "preparing"])),
)
def test_lists_are_those_of_the_plain_way(
    changes: list[Listed | StreamId],
    others: list[Listed],
    asked: list[Wanted],
    kept: set[str],
    seen: dict[StreamId, str],
) -> None:
    index, known = BroadcastIndex(), dict[StreamId, Listed]()
    for sort_by in kept:
        assert not index.streams(Wanted(sort_by=sort_by))
    for change in changes:
        if isinstance(change, Listed):
            index.put(record(change))
            known[change.stream] = change
        else:
            index.drop(change)
            known.pop(change, None)

    assert len(index) == len(known)
    whole = {one.stream: one for one in others} | known
    for wanted in (Wanted(), *asked):
        assert list(index.streams(wanted, others)) == plainly(whole.values(), wanted), wanted
        assert list(index.streams(wanted)) == plainly(known.values(), wanted), wanted
        shown = [msgspec.structs.replace(one, status=seen.get(one.stream, one.status)) for one in whole.values()]
        assert list(index.streams(wanted, others, seen)) == plainly(shown, wanted), wanted
    for status in ("broadcasting", "finished"):
        assert set(index.of_status(status)) == {one.stream for one in known.values() if one.status == status}
    assert set(index.of_status("broadcasting", "finished", "none")) == {
        one.stream for one in known.values() if one.status != "created"
    }


def test_many_without_a_record_are_listed_too() -> None:
    index = BroadcastIndex()
    index.put(KeptBroadcast(stream_id=StreamId("m"), name="m"))
    others = [Listed(StreamId(f"s{number:04}"), name=f"{number % 10}") for number in range(1_500)]

    found = index.streams(Wanted(sort_by="name"), others)

    assert list(found) == plainly([*others, Listed(StreamId("m"), "m")], Wanted(sort_by="name"))
