"""The origin as a relay parent."""

from __future__ import annotations

import base64

import pytest
from origin_harness import World

from rillcast.contracts import subjects
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import UNSAID_CLAIM, ClaimId, NodeId, RelayId, TrackId
from rillcast.contracts.messages import Ack, RelayClose
from rillcast.media import protocol
from rillcast.media.protocol import PlaneRelay


async def test_a_child_gets_where_and_how_the_track_comes(world: World) -> None:
    origin = await world.origin()
    await world.go_live(origin)
    record = await world.settled_record()

    grant = await world.open_relay(origin)

    added = origin.plane.of(protocol.AddRelay)[0]
    assert grant.parent_address == "192.0.2.1:51000"
    assert (grant.ssrc, grant.srtp_key, grant.srtcp_key) == (added.ssrc, added.srtp_key, added.srtcp_key)
    assert len(base64.b64decode(grant.srtp_key)) == 28
    assert grant.srtp_key != grant.srtcp_key
    assert (grant.claim, grant.track.track) == (record.claim, "v0")
    assert added.source in origin.sources()


async def test_each_child_has_one_relay_per_track_and_keys_are_never_used_twice(world: World) -> None:
    origin = await world.origin()
    await world.go_live(origin)
    await world.settled_record()

    first = await world.open_relay(origin)
    second = await world.open_relay(origin)
    other = await world.open_relay(origin, child=NodeId("edge-2"))

    assert [r.relay for r in origin.plane.of(protocol.RemoveRelay)] == [origin.plane.of(protocol.AddRelay)[0].relay]
    assert len({g.ssrc for g in (first, second, other)}) == 3
    assert len({g.srtp_key for g in (first, second, other)}) == 3


async def test_a_wrong_claim_an_unknown_track_and_an_unknown_stream_are_refused(world: World) -> None:
    origin = await world.origin()
    await world.go_live(origin)
    await world.settled_record()

    for wrong in ({"claim": ClaimId("other")}, {"claim": UNSAID_CLAIM}, {"track": TrackId("v9")}):
        with pytest.raises(RillcastError) as refusal:
            await world.open_relay(origin, **wrong)
        assert refusal.value.code is ErrorCode.NO_STREAM_EXIST
    assert origin.plane.of(protocol.AddRelay) == []


async def test_children_beyond_the_limit_are_sent_away_and_known_ones_are_not(world: World) -> None:
    origin = await world.origin(max_children=1)
    await world.go_live(origin)
    await world.settled_record()
    await world.open_relay(origin)

    with pytest.raises(RillcastError) as refusal:
        await world.open_relay(origin, child=NodeId("edge-2"))
    await world.open_relay(origin, track=TrackId("a0"))

    assert refusal.value.code is ErrorCode.HIGH_RESOURCE_USAGE


async def test_only_the_child_that_opened_a_relay_closes_it(world: World) -> None:
    origin = await world.origin()
    await world.go_live(origin)
    await world.settled_record()
    await world.open_relay(origin)
    relay = RelayId(origin.origin.relays._relays._by_plane[PlaneRelay(1)].relay)

    for child in (NodeId("edge-2"), NodeId("edge-1")):
        await world.bus.request(subjects.media_relay_close(origin.name), RelayClose(relay=relay, child=child), Ack)
        expected = 0 if child == "edge-2" else 1
        assert len(origin.plane.of(protocol.RemoveRelay)) == expected


async def test_a_child_lost_in_the_plane_makes_room_for_another(world: World) -> None:
    origin = await world.origin(max_children=1)
    await world.go_live(origin)
    await world.settled_record()
    await world.open_relay(origin)

    origin.plane.emit(protocol.RelayChildLost(relay=origin.plane.of(protocol.AddRelay)[0].relay))

    assert await world.open_relay(origin, child=NodeId("edge-2"))


async def test_relays_end_with_the_stream(world: World) -> None:
    origin = await world.origin()
    answer = await world.go_live(origin)
    await world.settled_record()
    await world.open_relay(origin)

    await world.close(origin, answer.session)

    assert len(origin.plane.of(protocol.RemoveRelay)) == 1


async def test_a_relay_that_a_busy_plane_refuses_takes_no_place(world: World) -> None:
    origin = await world.origin(max_children=1)
    await world.go_live(origin)
    await world.settled_record()
    origin.plane.busy = True

    with pytest.raises(RillcastError) as refusal:
        await world.open_relay(origin)

    assert refusal.value.code is ErrorCode.HIGH_RESOURCE_USAGE
    origin.plane.busy = False
    await world.open_relay(origin, child=NodeId("edge-2"))
