"""`GET /rillcast/v1/live`: what consoles are shown."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import msgspec
import pytest
from starlette.routing import Route

from rillcast.contracts.errors import RillcastError
from rillcast.contracts.health import Trouble
from rillcast.contracts.ids import AppName, NodeId, StreamId
from rillcast.contracts.messages import (
    CarriedStream,
    Condition,
    NodeInfo,
    NodeLeft,
    NodeLoad,
    NodeReport,
    RelayLink,
    StreamTrouble,
)
from rillcast.contracts.status import LIVE_PATH
from rillcast.contracts.words import NodeKind
from rillcast.testing.eventually import within
from services.signaling.rest.domain.live_ask import Ask, View, asked
from services.signaling.rest.domain.live_delta import Moment, Picture
from services.signaling.rest.domain.live_rows import LinkRow, PageHead
from services.signaling.rest.domain.refusal import BadInput
from services.signaling.rest.usecases.live_channel import MOST_KEPT, Channel
from services.signaling.rest.usecases.live_feed import LiveFeed
from tests.unit.signaling.operator_sessions import add_user, sign_in
from tests.unit.signaling.signaling_harness import Cluster, cluster


def feed_of(c: Cluster) -> LiveFeed:
    """What stands behind the route."""
    (route,) = (one for one in c.service.routes if isinstance(one, Route) and one.path == LIVE_PATH)
    cells = dict(zip(route.endpoint.__code__.co_freevars, route.endpoint.__closure__ or (), strict=True))
    feed: LiveFeed = cells["feed"].cell_contents
    return feed


class Console:
    """Somebody who looks, and puts together what is told."""

    def __init__(self, told: AsyncIterator[list[tuple[str, int, bytes]]]) -> None:
        self._told = told
        self.head: dict[str, Any] = {}
        self.rows: dict[str, dict[str, Any]] = {}
        self.kinds: list[str] = []

    async def sees(self, wanted: Any, what: str) -> None:
        async with within(30.0, what):
            while not (self.head and wanted(self)):
                for kind, _, text in await anext(self._told):
                    self._take(kind, msgspec.json.decode(text))

    def _take(self, kind: str, told: dict[str, Any]) -> None:
        self.kinds.append(kind)
        if kind == "snapshot":
            self.rows = {}
        self.head = told.get("head") or self.head
        for section, rows in told.get("rows", {}).items():
            self.rows.setdefault(section, {}).update(rows)
        for section, keys in told.get("gone", {}).items():
            for key in keys:
                del self.rows[section][key]


@asynccontextmanager
async def console(c: Cluster, **query: str) -> AsyncIterator[Console]:
    feed = feed_of(c)
    with feed.place("192.0.2.7"), feed.listening(asked(query)) as listener:
        yield Console(listener.told(0.2))


def edge(node: str, **said: Any) -> NodeReport:
    info = NodeInfo(
        node=NodeId(node),
        kind=NodeKind.EDGE,
        version="1",
        region="eu",
        zone="eu-1",
        admin_address="a:1",
        incarnation="x",
    )
    return NodeReport(info=info, load=NodeLoad(), ready=True, **said)


async def test_nodes_come_change_and_go() -> None:
    async with cluster() as c, console(c) as seen:
        await seen.sees(lambda s: "edge-1" in s.rows["nodes"], "the nodes")
        links = (RelayLink(parent=NodeId("origin-1"), tracks=2, streams=1),)
        c.host.directory.heard(edge("edge-9", condition=Condition(links=links, suffering=3)))
        await seen.sees(lambda s: "origin-1>edge-9" in s.rows["links"], "who feeds the new edge")
        assert seen.rows["nodes"]["edge-9"]["suffering"] == 3
        assert seen.head["suffering"] == 3

        c.host.directory.left(NodeLeft(node=NodeId("edge-9"), kind=NodeKind.EDGE))
        await seen.sees(lambda s: "edge-9" not in s.rows["nodes"], "that it is gone")
        assert seen.kinds[0] == "snapshot"
        assert set(seen.kinds[1:]) == {"delta"}


async def test_a_stream_says_how_well_it_goes_and_why_not() -> None:
    async with cluster() as c:
        await c.go_live()
        trouble = StreamTrouble(app=AppName("live"), stream=StreamId("s1"), trouble=Trouble.PACKET_LOSS, viewers=4)
        carried = (CarriedStream(app=AppName("live"), stream=StreamId("s1"), viewers=5),)
        c.host.directory.heard(edge("edge-9", carried=carried, condition=Condition(troubles=(trouble,), suffering=4)))
        async with console(c, view="streams") as page, console(c, view="stream", app="live", stream="s1") as one:
            await page.sees(lambda s: s.rows["streams"]["live/s1"].get("suffering") == 4, "who suffers")
            assert page.rows["streams"]["live/s1"]["trouble"] == "packet_loss"
            assert page.rows["streams"]["live/s1"]["health"] == "bad"
            await one.sees(lambda s: s.head["found"] and s.head["troubles"] == {"packet_loss": 4}, "why")


async def test_what_is_not_there_is_said_to_be_not_there() -> None:
    async with cluster() as c, AsyncExitStack() as consoles:
        for query in ({"view": "stream", "app": "live", "stream": "x"}, {"view": "node", "node": "x"}):
            seen = await consoles.enter_async_context(console(c, **query))
            await seen.sees(lambda s: s.head["found"] is False, "that there is none")
        seen = await consoles.enter_async_context(console(c, view="viewer", id="x"))
        await seen.sees(lambda s: s.head["found"] is False, "that there is none")


async def test_all_who_look_at_the_same_share_one_channel() -> None:
    async with cluster() as c:
        feed = feed_of(c)
        with feed.listening(Ask()), feed.listening(asked({"view": "overview"})), feed.listening(Ask(region="eu")):
            assert len(feed._channels) == 2
            assert len(feed) == 3
        assert not feed._channels


async def test_consoles_have_bounds_and_addresses_their_shares() -> None:
    async with cluster(max_consoles=10) as c:
        feed = feed_of(c)
        async with AsyncExitStack() as places:
            for _ in range(5):
                places.enter_context(feed.place("192.0.2.7"))
            with pytest.raises(RillcastError, match="most of them are of your address"):
                places.enter_context(feed.place("192.0.2.7"))
            for number in range(5):
                places.enter_context(feed.place(f"198.51.100.{number}"))
            with pytest.raises(RillcastError, match="of 10 places for consoles none is left"):
                places.enter_context(feed.place("203.0.113.1"))


async def test_strangers_see_nothing_and_operators_of_an_app_neither() -> None:
    async with cluster() as c, c.http() as http:
        await add_user(http, "eve", scope="live", userType="ADMIN", appNameUserType={"live": "ADMIN"})
        async with c.stranger() as stranger:
            assert (await stranger.get(LIVE_PATH)).status_code == 403
        async with sign_in(c, "eve") as of_app:
            assert (await of_app.get(LIVE_PATH)).status_code == 403


async def test_who_may_only_look_may_look() -> None:
    async with cluster() as c, c.http() as http:
        await add_user(http, "vic", scope="system", userType="READ_ONLY", appNameUserType={"system": "READ_ONLY"})
        async with sign_in(c, "vic") as looking:
            assert (await looking.head(LIVE_PATH)).status_code == 200


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"view": "moon"}, "view is one of overview, nodes"),
        ({"kind": "edge"}, "'kind' is nothing that the view overview can be asked for"),
        ({"view": "stream", "app": "live"}, "the view stream needs stream"),
        ({"view": "streams", "size": "9999"}, "size is a whole number from 1 to 200"),
        ({"view": "streams", "offset": "-1"}, "offset is a whole number"),
        ({"view": "streams", "offset": "٣"}, "offset is a whole number"),
        ({"view": "streams", "sort": "<b>"}, "sort is one of health, viewers"),
        ({"view": "streams", "order": "up"}, "order is asc or desc"),
        ({"view": "nodes", "health": "fine"}, "health is one of good"),
        ({"view": "streams", "q": "x" * 300}, "q has more than 256 characters"),
        ({"<script>": "1"}, "is nothing that the view overview can be asked for"),
    ],
)
async def test_what_makes_no_sense_is_refused_in_words(query: dict[str, str], words: str) -> None:
    with pytest.raises(BadInput, match=words):
        asked(query)
    async with cluster() as c, c.http() as http:
        answer = await http.get(LIVE_PATH, params=query)
    assert answer.status_code == 400
    assert words in answer.json()["message"]


def picture(number: int) -> Picture:
    head = PageHead(total=number, matched=number, offset=0, size=50)
    return Picture(head, {"links": {"a>b": LinkRow(parent="a", child="b", tracks=number, streams=1)}})


def test_who_reads_slowly_is_given_all_anew_and_costs_nothing() -> None:
    channel = Channel(Ask(view=View.OVERVIEW))
    for number in range(1, MOST_KEPT * 4):
        channel.show(picture(number), Moment(number, 250))
    seq = channel.seq

    assert [(kind, at) for kind, at, _ in channel.since(seq - 2)] == [("delta", seq - 1), ("delta", seq)]
    assert [(kind, at) for kind, at, _ in channel.since(3)] == [("snapshot", seq)]
    assert len(channel._kept) == MOST_KEPT


def test_nothing_is_told_while_nothing_changes() -> None:
    channel = Channel(Ask())
    channel.show(picture(1), Moment(1, 250))
    channel.show(picture(1), Moment(2, 250))
    assert channel.seq == 1
    assert channel.since(1) == []
