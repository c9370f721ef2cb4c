"""The file of a backup: what was written is read, and whatever has happened to it is named."""

from __future__ import annotations

import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rillcast.cli.faults import CannotGoOn
from rillcast.cli.store.contents import KEPT, LEFT_OUT
from rillcast.cli.store.file import MOST_LINE, End, Head, Reader, Record, Writer
from rillcast.cli.store.restore import check
from rillcast.contracts import subjects
from rillcast.contracts.permissions import BUCKETS, JOURNALS, QUEUES

HEAD = Head("2026-12-24T18:00:00Z", "1.2.0")
RECORDS = [
    Record(subjects.BUCKET_APPS, "live", b'{"name":"live"}'),
    Record(subjects.BUCKET_TOKENS, "live/talk/abc", bytes(range(256))),
    Record(subjects.BUCKET_TOKENS, "live/talk/abc", None),
]


def written(records: list[Record]) -> bytes:
    file = io.BytesIO()
    writer = Writer(file, HEAD)
    for record in records:
        writer.add(record)
    writer.end(at_one_moment=True)
    return file.getvalue()


def read(content: bytes) -> tuple[Reader, list[Record]]:
    reader = Reader(io.BytesIO(content), "store.backup")
    return reader, list(reader.records())


def refused(content: bytes) -> str:
    with pytest.raises(CannotGoOn) as caught:
        check(io.BytesIO(content), "store.backup")
    return caught.value.sentence


@given(
    st.lists(
        st.builds(Record, st.text(max_size=20), st.text(max_size=20), st.none() | st.binary(max_size=300)), max_size=20
    )
)
def test_what_was_written_is_read(records: list[Record]) -> None:
    reader, found = read(written(records))

    assert found == records
    assert reader.head == HEAD
    assert isinstance(reader.end, End)
    assert reader.end.at_one_moment


def test_every_cut_is_noticed() -> None:
    whole = written(RECORDS)
    for length in range(len(whole)):
        assert "store.backup" in refused(whole[:length])


def test_every_flipped_bit_is_noticed() -> None:
    whole = written(RECORDS)
    for place in range(len(whole)):
        for bit in (1, 128):
            changed = bytearray(whole)
            changed[place] ^= bit
            assert "store.backup" in refused(bytes(changed))


def test_a_cut_is_named_with_its_line() -> None:
    whole = written(RECORDS)
    lines = whole.splitlines(keepends=True)

    assert "it is cut off in line 4" in refused(b"".join(lines[:3]) + lines[3][:30])
    assert "it is cut off behind line 4: its end is missing" in refused(b"".join(lines[:4]))


@pytest.mark.parametrize("change", ["missing", "twice", "exchanged"])
def test_lines_that_are_missing_doubled_or_exchanged_are_named(change: str) -> None:
    lines = written(RECORDS).splitlines(keepends=True)
    moved = {
        "missing": [*lines[:2], *lines[3:]],
        "twice": [*lines[:3], *lines[2:]],
        "exchanged": [*lines[:2], lines[3], lines[2], *lines[4:]],
    }[change]

    assert re.search(r"line [34] is damaged, or one before it is missing", refused(b"".join(moved)))


def test_another_format_is_named() -> None:
    newer = written([]).replace(b"rillcast-backup 1\n", b"rillcast-backup 2\n")

    assert refused(newer) == "store.backup has format '2'; this version of Rillcast reads format 1"


@pytest.mark.parametrize("content", [b"", b"{}", b"\x00" * 100, b"rillcast-backu", b"PK\x03\x04"])
def test_what_is_no_backup_is_refused(content: bytes) -> None:
    assert refused(content) == "store.backup is no backup of Rillcast's store"


def test_what_follows_the_end_is_refused() -> None:
    assert "something follows its end" in refused(written(RECORDS) + b"x")


def test_a_line_without_end_takes_no_memory() -> None:
    head = b"".join(written([]).splitlines(keepends=True)[:2])

    assert "line 3 is too long" in refused(head + b"x" * (MOST_LINE + 1))


@pytest.mark.parametrize(
    ("record", "why"),
    [
        (Record("rillcast_dreams", "a", b""), "restores no bucket 'rillcast_dreams'"),
        (Record(subjects.BUCKET_STREAMS, "a", b""), "restores no bucket 'rillcast_streams'"),
        (Record(subjects.BUCKET_LICENSE_STATE, "ledger", b""), "is never restored"),
        (Record(subjects.BUCKET_APPS, "a b", b""), "not a possible key: 'a b'"),
        (Record(subjects.BUCKET_APPS, "a", b"x" * 1_050_000), "the value of 'a' is too large"),
    ],
)
def test_a_record_that_the_store_cannot_take_is_named_before_anything_is_written(record: Record, why: str) -> None:
    said = refused(written([RECORDS[0], record]))

    assert "line 4" in said
    assert why in said


def test_of_everything_in_the_store_it_is_said_whether_a_backup_has_it() -> None:
    named = [kept.bucket.name for kept in KEPT] + list(LEFT_OUT)

    assert sorted(named) == sorted(row.name for row in (*BUCKETS, *QUEUES, *JOURNALS))
