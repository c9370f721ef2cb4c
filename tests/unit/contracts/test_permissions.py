"""The table of permissions: it misses no subject and no bucket, and gives nobody more than a kind of node needs."""

from __future__ import annotations

import inspect

import pytest

from rillcast.contracts import subjects
from rillcast.contracts.permissions import (
    BUCKETS,
    INBOX,
    JOURNALS,
    MAKER,
    NODES,
    QUEUES,
    TRAFFIC,
    BusUser,
    permissions_of,
)
from rillcast.contracts.words import NodeKind

ONE_USER = sorted(BusUser)


def pattern_matches(pattern: str, subject: str) -> bool:
    """As NATS does it: ``*`` is one token, ``>`` the rest."""
    wanted, given = pattern.split("."), subject.split(".")
    for index, token in enumerate(wanted):
        if token == ">":
            return len(given) > index
        if index >= len(given) or token not in {"*", given[index]}:
            return False
    return len(wanted) == len(given)


def every_subject() -> set[str]:
    """What `subjects` names, with ``*`` for ids and each kind in turn."""
    found = set()
    for value in vars(subjects).values():
        if isinstance(value, str) and value.startswith(f"{subjects.PREFIX}.") and not value.endswith(">"):
            found.add(value)
        elif inspect.isfunction(value) and value.__module__ == subjects.__name__:
            names = list(inspect.signature(value).parameters)
            kinds = list(NodeKind) if "kind" in names else [None]
            found |= {value(*(kind if name == "kind" else "*" for name in names)) for kind in kinds}
    return found


def test_the_table_has_every_subject_and_no_other() -> None:
    impossible = {
        *(subjects.license_acquire(NodeKind.LICENSE), subjects.license_release(NodeKind.LICENSE)),
        *(subjects.session_close(kind, "*") for kind in ("signaling", "transcoder", "license")),  # type: ignore[arg-type]
        *(subjects.node_drain(kind, "*") for kind in ("signaling", "license")),  # type: ignore[arg-type]
        *(subjects.media_association(kind, "*") for kind in ("signaling", "transcoder", "license")),  # type: ignore[arg-type]
        *(subjects.session_restart_ice(kind, "*") for kind in ("signaling", "transcoder", "license")),  # type: ignore[arg-type]
    }

    heard_of_all = {subjects.NODES_REPORTED, subjects.NODES_LEFT}
    assert {row.subject for row in TRAFFIC} == every_subject() - impossible | heard_of_all
    assert len({row.subject for row in TRAFFIC}) == len(TRAFFIC)


def test_the_table_has_every_bucket() -> None:
    named = {value for name, value in vars(subjects).items() if name.startswith("BUCKET_")}

    assert sorted(bucket.name for bucket in BUCKETS) == sorted(named)


@pytest.mark.parametrize("user", ONE_USER)
def test_nobody_may_use_everything_or_the_whole_of_the_stores_api(user: BusUser) -> None:
    allowed = permissions_of(user)

    for subject in (*allowed.publish, *allowed.subscribe):
        assert not subject.startswith((">", "*", "$SYS", "_INBOX.>", "_INBOX.*"))
        assert not pattern_matches(subject, "rc.v1.anything.at.all.else")
    assert not any(pattern_matches(subject, "$JS.API.STREAM.DELETE.KV_rillcast_streams") for subject in allowed.publish)


@pytest.mark.parametrize("user", ONE_USER)
def test_answers_are_heard_by_their_own_kind_only(user: BusUser) -> None:
    inboxes = [subject for subject in permissions_of(user).subscribe if subject.startswith(f"{INBOX}.")]

    assert inboxes == [f"{INBOX}.{user}.*.>"]


@pytest.mark.parametrize("user", ONE_USER)
def test_who_makes_streams_could_have_all_traffic_stored_so_only_one_may(user: BusUser) -> None:
    allowed = permissions_of(user).publish
    made = [subject for subject in allowed if ".STREAM.CREATE." in subject or ".STREAM.UPDATE." in subject]

    assert len(made) == (2 * (len(BUCKETS) + len(QUEUES) + len(JOURNALS)) if user is MAKER else 0)


def test_the_table_has_every_queue_and_only_its_users_have_it() -> None:
    named = {value for name, value in vars(subjects).items() if name.startswith("QUEUE_")}
    assert {queue.name for queue in QUEUES} == named
    for queue in QUEUES:
        reads, deletes = (f"$JS.API.STREAM.MSG.{what}.{queue.stream}" for what in ("GET", "DELETE"))
        for way in (f"{queue.prefix}>", reads, deletes):
            assert {user for user in BusUser if way in permissions_of(user).publish} == queue.users


def test_the_table_has_every_journal_and_only_its_users_have_it() -> None:
    named = {value for name, value in vars(subjects).items() if name.startswith("JOURNAL_")}
    assert {journal.name for journal in JOURNALS} == named
    for journal in JOURNALS:
        calls = (f"$JS.API.CONSUMER.CREATE.{journal.stream}", f"$JS.API.CONSUMER.DELETE.{journal.stream}.*")
        for way in (journal.subject, *calls):
            assert {user for user in BusUser if way in permissions_of(user).publish} == journal.users
    assert {journal.name: journal.users for journal in JOURNALS} == {
        subjects.JOURNAL_EVENTS: frozenset({BusUser.SIGNALING})
    }


@pytest.mark.parametrize(
    ("bucket", "readers", "writers"),
    [
        (subjects.BUCKET_SECRETS, {"signaling"}, {"signaling"}),
        (subjects.BUCKET_STREAMS, {"signaling", "origin", "edge", "transcoder"}, {"origin"}),
        (subjects.BUCKET_RENDITIONS, {"signaling", "origin", "edge", "transcoder"}, {"transcoder"}),
        (subjects.BUCKET_APPS, {"signaling"}, {"signaling"}),
        (subjects.BUCKET_LADDERS, {"signaling", "origin", "transcoder"}, {"signaling"}),
        (subjects.BUCKET_BROADCASTS, {"signaling", "origin", "transcoder"}, {"signaling"}),
        (subjects.BUCKET_LICENSE, {"license"}, {"license"}),
        (subjects.BUCKET_LICENSE_STATE, {"license"}, {"license"}),
    ],
)
def test_a_bucket_is_read_and_written_by_those_who_must(bucket: str, readers: set[str], writers: set[str]) -> None:
    may = {user: permissions_of(user).publish for user in BusUser}

    for way in (f"$JS.API.STREAM.MSG.GET.KV_{bucket}", f"$JS.API.CONSUMER.CREATE.KV_{bucket}"):
        assert {user for user, subjects_ in may.items() if way in subjects_} == readers
    assert {user for user, subjects_ in may.items() if f"$KV.{bucket}.>" in subjects_} == writers


@pytest.mark.parametrize(
    ("subject", "senders"),
    [
        (subjects.LICENSE_CHANGED, {"license"}),
        (subjects.LICENSE_INSTALL, {"tools"}),
        (subjects.STREAM_ENDED, {"origin"}),
        ("rc.v1.session.close.origin.origin-1", {"signaling"}),
        ("rc.v1.session.close.edge.edge-1", {"signaling"}),
        ("rc.v1.media.association.edge.edge-1", {"edge"}),
        ("rc.v1.media.association.origin.origin-1", {"origin"}),
        ("rc.v1.node.left.origin.origin-1", {"origin"}),
        ("rc.v1.node.reported.edge.edge-1", {"edge"}),
        ("rc.v1.node.confirm.edge.edge-1", {"signaling", "origin", "edge", "transcoder", "license"}),
        (subjects.NODE_SILENT, {"origin", "edge", "transcoder"}),
        (subjects.NODE_DOUBTED, {"signaling"}),
        ("rc.v1.node.vouched.signaling-1", {"origin", "edge", "transcoder"}),
        ("rc.v1.license.acquire.transcoder", {"transcoder"}),
    ],
)
def test_a_thing_is_said_only_by_those_whose_it_is(subject: str, senders: set[str]) -> None:
    said_by = {user for user in BusUser if any(pattern_matches(p, subject) for p in permissions_of(user).publish)}

    assert said_by == senders


def test_every_user_but_the_tools_is_a_kind_of_node() -> None:
    assert {user.value for user in NODES} == {kind.value for kind in NodeKind}
