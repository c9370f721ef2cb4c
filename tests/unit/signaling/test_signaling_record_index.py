"""The records of streams by key and by stream: the newest counts, and nothing stays of those that are gone."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from rillcast.contracts.ids import AppName, StreamId
from services.signaling.core.domain.record_index import RecordIndex

LIVE, OTHER = AppName("live"), AppName("other")
ONE, TWO = StreamId("one"), StreamId("two")


class Record(msgspec.Struct, frozen=True):
    app: AppName
    stream: StreamId
    value: int = 0


def state(index: RecordIndex[Record]) -> tuple[object, ...]:
    """All that it keeps, to see that nothing stays."""
    return index._records, index._keys, index._counts


def test_an_index_in_which_nothing_was_put_knows_nothing() -> None:
    index = RecordIndex[Record]()
    assert len(index) == 0
    assert index.get("a") is None
    assert list(index.of(LIVE, ONE)) == []
    assert index.count(LIVE) == 0
    assert index.items() == []


def test_records_are_found_by_key_and_by_stream_and_counted_by_app() -> None:
    index = RecordIndex[Record]()
    first, second, third = Record(LIVE, ONE, 1), Record(LIVE, ONE, 2), Record(OTHER, ONE, 3)
    for revision, (key, record) in enumerate([("a", first), ("b", second), ("c", third)], 1):
        index.put(key, record, revision)

    assert index.get("b") == second
    assert sorted(r.value for r in index.of(LIVE, ONE)) == [1, 2]
    assert list(index.of(OTHER, ONE)) == [third]
    assert list(index.of(LIVE, TWO)) == []
    assert (index.count(LIVE), index.count(OTHER), len(index)) == (2, 1, 3)
    assert sorted(index.items()) == [("a", first), ("b", second), ("c", third)]


def test_an_older_revision_changes_nothing_and_one_that_is_told_again_is_taken() -> None:
    index = RecordIndex[Record]()
    index.put("a", Record(LIVE, ONE, 5), 5)

    index.put("a", Record(LIVE, ONE, 4), 4)
    index.put("a", None, 4)
    assert index.get("a") == Record(LIVE, ONE, 5)

    index.put("a", Record(LIVE, ONE, 6), 5)
    assert index.get("a") == Record(LIVE, ONE, 6)
    assert index.count(LIVE) == 1


def test_a_key_whose_record_is_of_another_stream_now_is_no_longer_found_by_the_former() -> None:
    index = RecordIndex[Record]()
    index.put("a", Record(LIVE, ONE), 1)
    index.put("a", Record(OTHER, TWO), 2)

    assert list(index.of(LIVE, ONE)) == []
    assert list(index.of(OTHER, TWO)) == [Record(OTHER, TWO)]
    assert (index.count(LIVE), index.count(OTHER)) == (0, 1)


def test_to_take_out_what_is_not_there_does_nothing() -> None:
    index = RecordIndex[Record]()
    index.put("a", None, 1)
    assert state(index) == ({}, {}, {})


@given(
    st.lists(
        st.tuples(
            st.sampled_from("abcd"),
            st.none() | st.builds(Record, st.sampled_from([LIVE, OTHER]), st.sampled_from([ONE, TWO]), st.integers()),
        ),
        max_size=60,
    )
)
def test_it_is_what_a_plain_table_would_say_and_nothing_is_left_in_the_end(
    steps: list[tuple[str, Record | None]],
) -> None:
    index, table = RecordIndex[Record](), dict[str, Record]()
    for revision, (key, record) in enumerate(steps):
        index.put(key, record, revision)
        table.pop(key, None)
        if record is not None:
            table[key] = record
        assert dict(index.items()) == table
        assert len(index) == len(table)
        for app in (LIVE, OTHER):
            assert index.count(app) == sum(r.app == app for r in table.values())
            for stream in (ONE, TWO):
                expected = [r.value for r in table.values() if (r.app, r.stream) == (app, stream)]
                assert sorted(r.value for r in index.of(app, stream)) == sorted(expected)
    for key in table:
        index.put(key, None, len(steps))
    assert state(index) == ({}, {}, {})
