"""The parent side of relays: who is served, and that every relay in the plane ends exactly once."""

from __future__ import annotations

import asyncio
import base64
from collections import Counter
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import UNSAID_CLAIM, AppName, ClaimId, NodeId, RelayId, StreamId, TrackId, stream_key
from rillcast.contracts.messages import RelayClose, RelayGrant, RelayOpen
from rillcast.contracts.records import TrackRecord
from rillcast.contracts.words import MediaKind
from rillcast.media import protocol
from rillcast.media.protocol import PlaneRelay, SourceId
from rillcast.node.addresses import MediaAddresses
from rillcast.relay.parent import RelayOffer, RelayParent
from rillcast.testing.plane import FakePlane
from rillcast.testing.relay_keys import PlainRelayKeys

APP = AppName("live")
STREAMS = ("s1", "s2")
TRACKS = ("v0", "a0")


class RefusingPlane(FakePlane):
    """Takes no relay while `busy`."""

    busy = False

    def execute(self, command: protocol.Command) -> None:
        if self.busy and isinstance(command, protocol.AddRelay):
            raise RillcastError(ErrorCode.HIGH_RESOURCE_USAGE, "the media plane is behind", 1.0)
        super().execute(command)


class Referred(Exception):
    """The parent names others."""


class Parent:
    """A parent that serves two streams of two tracks, and what it told."""

    def __init__(self, child_limit: int = 2) -> None:
        self.plane = RefusingPlane()
        self.outcomes: Counter[str] = Counter()
        self.counts: list[int] = []
        self.lost = 0
        self.begun: list[TrackId] = []
        self.parent = RelayParent(
            keys=PlainRelayKeys(),
            plane=self.plane,
            addresses=MediaAddresses(self.plane.fingerprint, self.plane.workers, ("192.0.2.1",), "192.0.2.1"),
            offer_of=self._offer,
            child_limit=child_limit,
            on_outcome=lambda outcome: self.outcomes.update((outcome,)),
            on_count=self.counts.append,
            on_child_lost=self._lose,
        )
        self.plane.on_event = self.parent.on_event

    async def open(
        self, child: str = "edge-1", track: str = "v0", relay: str = "r1", claim: str = "c8", stream: str = "s1"
    ) -> RelayGrant:
        request = RelayOpen(
            app=APP,
            stream=StreamId(stream),
            track=TrackId(track),
            claim=ClaimId(claim),
            child=NodeId(child),
            relay=RelayId(relay),
            child_address="192.0.2.9:51000",
        )
        answer = await self.parent.open(request)
        if answer.referral is not None:
            raise Referred(answer.referral.nodes)
        assert answer.grant is not None
        return answer.grant

    async def close(self, relay: str, child: str) -> None:
        await self.parent.close(RelayClose(relay=RelayId(relay), child=NodeId(child)))

    def living(self) -> set[PlaneRelay]:
        """Relays that the plane still has as far as it was told."""
        added = {command.relay for command in self.plane.of(protocol.AddRelay)}
        return added - {command.relay for command in self.plane.of(protocol.RemoveRelay)}

    def _offer(self, request: RelayOpen) -> RelayOffer:
        if request.track not in TRACKS:
            raise RillcastError(ErrorCode.NO_STREAM_EXIST, "the stream has no such track")
        track = TrackRecord(track=request.track, mid="m", kind=MediaKind.VIDEO, codec="VP8", clock_rate=90_000)

        def source() -> SourceId:
            self.begun.append(request.track)
            return SourceId(TRACKS.index(request.track))

        key = stream_key(request.app, request.stream)
        return RelayOffer(key=key, track=track, worker=0, claim=ClaimId("c8"), source=source)

    def _lose(self) -> None:
        self.lost += 1


async def test_a_child_gets_where_and_how_the_track_comes() -> None:
    p = Parent()

    grant = await p.open()

    (added,) = p.plane.of(protocol.AddRelay)
    assert (grant.parent_address, grant.claim, grant.track.track) == ("192.0.2.1:51000", "c8", "v0")
    assert (grant.ssrc, grant.payload_type) == (added.ssrc, added.payload_type)
    assert (grant.srtp_key, grant.srtcp_key) == (added.srtp_key, added.srtcp_key)
    assert {len(base64.b64decode(key)) for key in (grant.srtp_key, grant.srtcp_key)} == {28}
    assert grant.srtp_key != grant.srtcp_key
    assert (p.outcomes, p.counts[-1]) == (Counter(ok=1), 1)


@pytest.mark.parametrize("claim", ["c7", "c9", UNSAID_CLAIM])
async def test_only_the_claim_under_which_the_parent_has_the_stream_is_served(claim: str) -> None:
    p = Parent()

    with pytest.raises(RillcastError, match=f"the claim 'c8' here, not '{claim}'") as refusal:
        await p.open(claim=claim)
    assert refusal.value.code is ErrorCode.NO_STREAM_EXIST
    assert p.begun == []


async def test_a_child_that_is_refused_begins_no_source() -> None:
    p = Parent(child_limit=1)
    await p.open(child="edge-1")

    with pytest.raises(RillcastError, match="feeds as many others as it may") as refusal:
        await p.open(child="edge-2", track="a0")

    assert refusal.value.code is ErrorCode.HIGH_RESOURCE_USAGE
    assert p.begun == [TrackId("v0")]
    assert p.outcomes == Counter({"ok": 1, "highResourceUsage": 1})


async def test_the_limit_counts_nodes_of_one_stream_not_tracks_nor_other_streams() -> None:
    p = Parent(child_limit=1)

    for stream in STREAMS:
        for track in TRACKS:
            await p.open(stream=stream, track=track, relay=f"{stream}{track}")

    assert len(p.parent) == 4
    assert p.parent.children(stream_key(APP, StreamId("s1"))) == 1


async def test_asking_again_replaces_the_relay_and_never_uses_a_key_twice() -> None:
    p = Parent()

    grants = [await p.open(relay=relay) for relay in ("r1", "r1", "r2")]

    assert len({grant.srtp_key for grant in grants}) == len({grant.ssrc for grant in grants}) == 3
    assert [command.relay for command in p.plane.of(protocol.RemoveRelay)] == [1, 2]
    assert p.living() == {3}


async def test_only_the_child_that_opened_a_relay_closes_it() -> None:
    p = Parent()
    await p.open(child="edge-1", relay="r1")

    await p.close("r1", "edge-2")
    assert p.living() == {1}
    await p.close("r1", "edge-1")
    await p.close("r1", "edge-1")

    assert [command.relay for command in p.plane.of(protocol.RemoveRelay)] == [1]
    assert p.counts[-1] == 0


async def test_an_id_used_for_two_tracks_still_closes_the_newer() -> None:
    p = Parent()
    await p.open(track="v0", relay="r1")
    await p.open(track="a0", relay="r1")
    p.plane.emit(protocol.RelayChildLost(relay=PlaneRelay(1)))

    await p.close("r1", "edge-1")

    assert [command.relay for command in p.plane.of(protocol.RemoveRelay)] == [2]


async def test_a_silent_child_makes_room_and_is_not_removed_a_second_time() -> None:
    p = Parent(child_limit=1)
    await p.open(child="edge-1")

    p.plane.emit(protocol.RelayChildLost(relay=PlaneRelay(1)))
    p.plane.emit(protocol.RelayChildLost(relay=PlaneRelay(1)))
    await p.open(child="edge-2", relay="r2")

    assert p.lost == 1
    assert p.plane.of(protocol.RemoveRelay) == []


async def test_a_relay_that_the_plane_refuses_later_takes_nobodys_place() -> None:
    p = Parent(child_limit=1)
    await p.open(child="edge-1")

    p.plane.emit(protocol.Error(command="add_relay", id=1, message="no such source"))

    assert await p.open(child="edge-2", relay="r2")
    assert p.lost == 0


async def test_a_relay_that_the_plane_refuses_at_once_takes_nobodys_place() -> None:
    p = Parent(child_limit=1)
    p.plane.busy = True
    with pytest.raises(RillcastError, match="behind"):
        await p.open(child="edge-1")
    p.plane.busy = False

    await p.open(child="edge-2", relay="r2")

    assert p.outcomes == Counter({"ok": 1, "highResourceUsage": 1})
    assert p.counts[-1] == 1


async def test_one_track_or_the_whole_stream_ends_with_its_relays() -> None:
    p = Parent()
    key = stream_key(APP, StreamId("s1"))
    for stream in STREAMS:
        for track in TRACKS:
            await p.open(stream=stream, track=track, relay=f"{stream}{track}")

    p.parent.end(key, TrackId("v0"))
    assert p.parent.tracks(key) == {"a0"}
    p.parent.end(key)

    assert p.parent.tracks(key) == set()
    assert p.parent.children(stream_key(APP, StreamId("s2"))) == 1


CHILDREN = st.sampled_from(("edge-1", "edge-2", "edge-3"))
RELAYS = st.sampled_from(("r1", "r2", "r3"))
STEPS = st.one_of(
    st.tuples(st.just("open"), CHILDREN, RELAYS, st.sampled_from(STREAMS), st.sampled_from(TRACKS), st.booleans()),
    st.tuples(st.just("close"), CHILDREN, RELAYS),
    st.tuples(st.sampled_from(("lost", "error")), st.integers(1, 12)),
    st.tuples(st.just("end"), st.sampled_from(STREAMS)),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(STEPS, max_size=40))
def test_every_relay_ends_exactly_once_whatever_happens(steps: list[tuple[str, ...]]) -> None:
    asyncio.run(_live_through(steps))


async def _live_through(steps: list[tuple[str, ...]]) -> None:
    p = Parent()
    gone_by_itself: set[int] = set()
    for step in steps:
        match step:
            case ("open", child, relay, stream, track, busy):
                p.plane.busy = bool(busy)
                with suppress(RillcastError):
                    await p.open(child=child, relay=relay, stream=stream, track=track)
            case ("close", child, relay):
                await p.close(relay, child)
            case ("end", stream):
                p.parent.end(stream_key(APP, StreamId(stream)))
            case (how, number):
                relay_number = int(number)
                if relay_number in p.living() - gone_by_itself:  # the plane speaks of what it has
                    gone_by_itself.add(relay_number)
                    p.plane.emit(
                        protocol.RelayChildLost(relay=PlaneRelay(relay_number))
                        if how == "lost"
                        else protocol.Error(command="add_relay", id=relay_number, message="")
                    )
        assert len(p.parent) == len(p.living() - gone_by_itself)
    for stream in STREAMS:
        p.parent.end(stream_key(APP, StreamId(stream)))

    removed = Counter(command.relay for command in p.plane.of(protocol.RemoveRelay))
    assert p.living() == gone_by_itself
    assert set(removed.values()) <= {1}
    assert gone_by_itself.isdisjoint(removed)
    assert len(p.parent) == 0
