"""A stream whose publisher changes its protocol: the source gets another feed, and the relay to a child stays."""

from __future__ import annotations

import struct
from collections.abc import Callable

from rillcast.contracts.words import MediaKind
from rillcast.media import protocol as p
from rillcast.media.protocol import PlaneSession, SourceId
from tests.integration.plane_rig import Published, Rig, peer, publish, relay, rig


def opus(sequence: int) -> bytes:
    """An RTP packet of 20 ms that nobody has to decode."""
    return struct.pack("!BBHII", 0x80, 111, sequence, sequence * 960, 7) + b"\xfc" + bytes(20)


async def figures(child: Rig, source: int, good: Callable[[p.SourceStats], bool]) -> p.SourceStats:
    """The first good ones of a source from now on."""
    child.events.clear()
    stats = await child.wait_for(lambda e: isinstance(e, p.SourceStats) and e.source == source and good(e))
    assert isinstance(stats, p.SourceStats)
    return stats


def change_to_push(origin: Rig, published: Published) -> int:
    """As `StreamOwner` and an ingest that pushes do it: the session goes, its sources stay and get another feed."""
    origin.plane.execute(p.RemoveSession(session=PlaneSession(published.session), keep_sources=True))
    source = published.sources["audio"]
    origin.plane.execute(
        p.AddPushSource(source=SourceId(source), worker=0, kind=MediaKind.AUDIO, codec="opus", clock_rate=48_000)
    )
    return source


async def test_a_relay_goes_on_when_its_source_is_pushed_instead_of_received() -> None:
    async with rig() as origin, rig() as child, peer() as publisher:
        published = await publish(origin, publisher)
        await origin.wait_for(lambda e: isinstance(e, p.SessionMedia))
        track = next(t for t in published.tracks if t.kind is MediaKind.AUDIO)
        arriving = relay(origin, child, published.sources["audio"], track)
        await figures(child, arriving, lambda e: e.packets > 0)

        source = change_to_push(origin, published)
        silent = await figures(child, arriving, lambda e: e.silent_ms >= 500)
        origin.plane.push_rtp(SourceId(source), [opus(sequence) for sequence in range(1, 51)])

        await figures(child, arriving, lambda e: e.packets >= silent.packets + 50)
        assert not [e for e in origin.events if isinstance(e, p.Error | p.RelayChildLost)]
