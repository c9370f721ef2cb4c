"""Sessions that never arrive cost their own address, and no other one, whatever limits an app has."""

from __future__ import annotations

import itertools

import pytest

from rillcast.cluster.shares import FAIR_S
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import AppName, SessionId, StreamId
from rillcast.contracts.records import AppSettings, BroadcastRecord
from rillcast.contracts.words import Role
from services.signaling.core.domain.admission_rules import Applicant
from services.signaling.core.domain.identity import Client, Credentials
from services.signaling.core.domain.recent_joins import LAG_S
from services.signaling.core.usecases.limits import Limits, Wanted

LIVE, SHOW = AppName("live"), StreamId("show")
LIMIT = 5
APP = AppSettings(app_name=LIVE, ingesting_stream_limit=LIMIT, web_rtc_viewer_limit=LIMIT)
ATTACKER, FRIEND = "203.0.113.9", "198.51.100.1"


class Cluster:
    """What nodes report. Everything that an instance may ask about, set by hand."""

    def __init__(self) -> None:
        self.now = 0.0
        self.publishing = {SHOW}
        self.watching = 0
        self.broadcast: BroadcastRecord | None = None
        self.limits = Limits(self, self, self, lambda: self.now)  # type: ignore[arg-type]
        self._number = itertools.count()

    def live(self, app: AppName, stream: StreamId) -> object | None:
        return stream if stream in self.publishing else None

    def count(self, app: AppName, besides: StreamId) -> int:
        return len(self.publishing - {besides, SHOW})

    def viewers(self, app: AppName, stream: StreamId) -> int:
        return self.watching

    def viewers_of_app(self, app: AppName) -> int:
        return self.watching

    def get(self, app: AppName, stream: StreamId) -> BroadcastRecord | None:
        return self.broadcast

    def come(self, role: Role, client: str, settings: AppSettings = APP) -> Wanted:
        """Somebody is let in, or `RillcastError`."""
        number = next(self._number)
        stream = SHOW if role is Role.PLAY else StreamId(f"stream-{number}")
        wanted = Wanted(role=role, app=LIVE, stream=stream, session=SessionId(f"s{number}"), client=client)
        self.limits.reserve(wanted, settings)
        return wanted

    def comes(self, role: Role, client: str) -> bool:
        """Whether somebody is let in."""
        try:
            self.come(role, client)
        except RillcastError:
            return False
        return True

    def arrive(self, wanted: Wanted) -> None:
        self.limits.arrived(wanted, APP)


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("burst", [LIMIT, 100])
def test_one_address_that_opens_sessions_and_never_arrives_keeps_nobody_out(role: Role, burst: int) -> None:
    cluster, refused = Cluster(), 0
    for second in range(600):
        cluster.now = float(second)
        if second % 10 == 0:
            for _ in range(burst):
                cluster.comes(role, ATTACKER)
        try:
            friend = cluster.come(role, FRIEND)
        except RillcastError:
            refused += 1
            continue
        cluster.comes(role, ATTACKER)
        cluster.arrive(friend)
        cluster.limits.over(friend.session)
        if role is Role.PUBLISH:
            cluster.publishing.discard(friend.stream)
            cluster.limits._coming._came.clear()  # it was live, and is over

    assert refused == 0
    assert len(cluster.limits) <= LIMIT


@pytest.mark.parametrize("role", list(Role))
def test_of_a_crowd_that_comes_at_once_and_arrives_as_many_stay_as_may(role: Role) -> None:
    cluster = Cluster()
    clients = [f"192.0.2.{n % 20}" for n in range(100)]
    wanted = []
    for client in clients:
        try:
            wanted.append(cluster.come(role, client))
        except RillcastError as refusal:
            assert refusal.code in (ErrorCode.VIEWER_LIMIT_REACHED, ErrorCode.HIGH_RESOURCE_USAGE)
    stay = []
    for one in wanted:
        try:
            cluster.arrive(one)
        except RillcastError:
            continue
        stay.append(one)

    assert len(stay) == LIMIT


@pytest.mark.parametrize("role", list(Role))
def test_who_gave_way_and_arrives_is_sent_away_only_beyond_the_limit(role: Role) -> None:
    cluster = Cluster()
    slow = [cluster.come(role, ATTACKER) for _ in range(LIMIT)]
    friends = [cluster.come(role, f"{FRIEND}{n}") for n in range(LIMIT - 1)]
    cluster.arrive(friends[0])

    cluster.arrive(slow[0])  # gave way, and there is room among those who are there
    for friend in friends[1:]:
        cluster.arrive(friend)
    with pytest.raises(RillcastError, match="limit of 5") as refusal:
        cluster.arrive(slow[1])

    code = ErrorCode.HIGH_RESOURCE_USAGE if role is Role.PUBLISH else ErrorCode.VIEWER_LIMIT_REACHED
    assert refusal.value.code is code


@pytest.mark.parametrize("role", list(Role))
def test_those_who_have_arrived_give_no_way(role: Role) -> None:
    cluster = Cluster()
    for _ in range(LIMIT):
        cluster.arrive(cluster.come(role, ATTACKER))

    assert not cluster.comes(role, FRIEND)


def test_of_a_few_that_connect_nobody_gives_way_before_a_fair_time() -> None:
    cluster = Cluster()
    for n in range(LIMIT):
        cluster.come(Role.PLAY, f"192.0.2.{n}")

    assert not cluster.comes(Role.PLAY, FRIEND)
    cluster.now = FAIR_S
    assert cluster.comes(Role.PLAY, FRIEND)


@pytest.mark.parametrize("role", list(Role))
def test_for_a_mere_question_nobody_gives_way(role: Role) -> None:
    cluster = Cluster()
    for _ in range(LIMIT):
        cluster.come(role, ATTACKER)
    asks = Applicant(
        role=role, app=LIVE, stream=SHOW, credentials=Credentials(), client=Client(address=FRIEND, counted_as=FRIEND)
    )

    for _ in range(LIMIT):
        cluster.limits.check(asks, APP)

    assert len(cluster.limits) == LIMIT


def test_the_limit_of_one_stream_is_kept_alike() -> None:
    cluster = Cluster()
    cluster.broadcast = BroadcastRecord(stream_id=SHOW, web_rtc_viewer_limit=2)
    held = [cluster.come(Role.PLAY, ATTACKER) for _ in range(2)]

    friend = cluster.come(Role.PLAY, FRIEND)
    cluster.arrive(held[1])
    cluster.arrive(friend)
    with pytest.raises(RillcastError, match="stream's limit of 2"):
        cluster.arrive(held[0])


def test_who_has_connected_counts_until_it_shows_in_reports_and_is_then_forgotten() -> None:
    cluster = Cluster()
    for n in range(LIMIT):
        cluster.arrive(cluster.come(Role.PLAY, f"192.0.2.{n}"))
    cluster.now = LAG_S + 1.0

    assert cluster.comes(Role.PLAY, FRIEND)
    cluster.watching = LIMIT
    assert not cluster.comes(Role.PLAY, FRIEND)
    assert len(cluster.limits) == 1


@pytest.mark.parametrize("role", list(Role))
def test_places_whose_end_nobody_says_come_back_with_time(role: Role) -> None:
    cluster = Cluster()
    for _ in range(LIMIT):
        cluster.come(role, ATTACKER)
    cluster.now = APP.web_rtc_client_start_timeout_ms / 1_000

    cluster.comes(role, ATTACKER)

    assert len(cluster.limits) == 1


def test_nothing_is_left_when_all_are_over() -> None:
    cluster = Cluster()
    wanted = [cluster.come(role, ATTACKER) for role in Role for _ in range(3)]
    for one in wanted:
        cluster.limits.over(one.session)

    viewers, streams = cluster.limits._viewers, cluster.limits._coming
    assert not any((viewers._coming, viewers._to_app, viewers._to_stream, streams._coming, streams._until))
    assert len(cluster.limits) == 0
