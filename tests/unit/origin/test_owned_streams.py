"""All streams of one origin, found by whatever names them; none of the names outlives what it names."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from origin_harness import APP, KEY, STREAM, World
from push_ingest import OPUS, VP8, PushIngest

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import ClaimId, NodeId, RelayId, StreamId, TrackId
from rillcast.contracts.messages import RelayOpen
from rillcast.media.protocol import SourceId
from services.origin.domain.owned_stream import OwnedStream
from services.origin.usecases.owned_streams import Owned, OwnedStreams

SOURCES: Mapping[TrackId, SourceId] = {TrackId("v0"): SourceId(11), TrackId("a0"): SourceId(12)}


def asked(track: str = "v0", stream: StreamId = STREAM) -> RelayOpen:
    return RelayOpen(
        app=APP,
        stream=stream,
        track=TrackId(track),
        claim=ClaimId("c1"),
        child=NodeId("edge-1"),
        relay=RelayId("r"),
        child_address="192.0.2.9:51000",
    )


@pytest.fixture
async def owned(world: World) -> Owned:
    """A stream with a hold on its key, in nobody's table yet."""
    origin = await world.origin()
    ingest = PushIngest(origin)
    stream = OwnedStream(ingest.publisher, (VP8, OPUS), node=origin.name, wall_ms=0)
    stream.lay_out((VP8, OPUS), SOURCES, worker=3)
    return Owned(stream, await origin.origin.owner._claims.claim(stream, wanted=lambda: True), ingest)


async def test_a_stream_is_found_by_its_key_its_session_and_each_of_its_sources(owned: Owned) -> None:
    streams = OwnedStreams()

    streams.add(owned)
    streams.session_begins(owned)
    streams.sources_begin(owned)

    assert streams.key(KEY) is streams.session(owned.stream.publisher.session) is owned
    assert streams.source(SourceId(11)) == (owned, "v0")
    assert streams.source(SourceId(12)) == (owned, "a0")
    assert (owned in streams, len(streams), list(streams)) == (True, 1, [owned])


async def test_a_stream_that_left_is_found_by_nothing(owned: Owned) -> None:
    streams = OwnedStreams()
    streams.add(owned)
    streams.session_begins(owned)
    streams.sources_begin(owned)

    streams.remove(owned)

    assert (owned in streams, len(streams)) == (False, 0)
    assert streams.key(KEY) is streams.session(owned.stream.publisher.session) is None
    assert streams.source(SourceId(11)) is None


async def test_a_session_that_ends_leaves_the_stream_and_its_sources(owned: Owned) -> None:
    streams = OwnedStreams()
    streams.add(owned)
    streams.session_begins(owned)
    streams.sources_begin(owned)

    streams.session_ends(owned)

    assert streams.session(owned.stream.publisher.session) is None
    assert streams.key(KEY) is owned
    assert streams.source(SourceId(11)) is not None


async def test_a_stream_may_leave_while_somebody_goes_through_all_of_them(owned: Owned) -> None:
    streams = OwnedStreams()
    streams.add(owned)

    for one in streams:
        streams.remove(one)

    assert len(streams) == 0


async def test_a_child_is_offered_a_track_with_its_source_and_the_claim_that_holds(owned: Owned) -> None:
    streams = OwnedStreams()
    streams.add(owned)

    offer = streams.relay_offer(asked())

    assert (offer.key, offer.track, offer.worker, offer.source()) == (KEY, VP8, 3, 11)
    assert offer.claim == owned.hold.epoch.claim


@pytest.mark.parametrize(
    ("request_", "words"),
    [(asked(stream=StreamId("other")), "does not have the stream"), (asked("v1"), "no such track")],
)
async def test_a_child_that_asks_for_something_else_is_told_so(owned: Owned, request_: RelayOpen, words: str) -> None:
    streams = OwnedStreams()
    streams.add(owned)

    with pytest.raises(RillcastError, match=words) as refusal:
        streams.relay_offer(request_)

    assert refusal.value.code is ErrorCode.NO_STREAM_EXIST
