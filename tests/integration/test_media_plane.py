"""The native plane against independent WebRTC peers (aiortc): publisher → plane → relay → plane → viewer."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rillcast.contracts.words import MediaKind
from rillcast.media import protocol as p
from rillcast.media.protocol import PlaneRelay, PlaneSession, SourceId
from tests.integration.plane_rig import frames, peer, publish, relay, rig, view


async def test_a_picture_goes_through_one_plane() -> None:
    async with rig() as r, peer() as publisher, peer() as viewer:
        published = await publish(r, publisher)
        await r.wait_for(lambda e: isinstance(e, p.SessionMedia) and e.session == published.session)
        watching = await view(r, viewer, published)
        greys = await frames(viewer, 30)
        assert len({round(g / 8) for g in greys}) > 10, "the picture moves"
        await r.wait_for(lambda e: isinstance(e, p.SessionMedia) and e.session == watching)
        stats = await r.wait_for(
            lambda e: isinstance(e, p.SourceStats) and e.source == published.sources["video"] and e.width > 0
        )
        assert isinstance(stats, p.SourceStats)
        assert (stats.width, stats.height) == (160, 120)


async def test_a_picture_goes_through_a_relay_to_viewers_on_another_plane() -> None:
    async with rig() as origin, rig(workers=2) as edge, peer() as publisher, peer() as first, peer() as second:
        published = await publish(origin, publisher)
        await origin.wait_for(lambda e: isinstance(e, p.SessionMedia) and e.session == published.session)
        relayed = {t.kind.value: relay(origin, edge, published.sources[t.kind], t) for t in published.tracks}
        below = replace(published, sources=relayed)
        await view(edge, first, below, worker=0)
        await view(edge, second, below, worker=1)
        for viewer in (first, second):
            greys = await frames(viewer, 30)
            assert len({round(g / 8) for g in greys}) > 10


async def test_a_closed_viewer_is_reported_and_its_session_is_gone() -> None:
    async with rig() as r, peer() as publisher:
        published = await publish(r, publisher)
        await r.wait_for(lambda e: isinstance(e, p.SessionMedia) and e.session == published.session)
        async with peer() as viewer:
            watching = await view(r, viewer, published)
            await frames(viewer, 2)
        closed = await r.wait_for(lambda e: isinstance(e, p.SessionClosed) and e.session == watching)
        assert isinstance(closed, p.SessionClosed)
        assert closed.reason == "dtls_closed"


async def test_commands_for_what_the_plane_has_ended_already_do_nothing() -> None:
    async with rig() as r:
        r.plane.execute(p.RemoveSession(session=PlaneSession(7)))
        r.plane.execute(p.SwitchSource(session=PlaneSession(7), track=0, source=None))
        r.plane.execute(p.RemoveRelay(relay=PlaneRelay(7)))
        r.plane.execute(p.RemoveSource(source=SourceId(7)))


async def test_impossible_commands_are_refused_at_once() -> None:
    async with rig() as r:
        with pytest.raises(ValueError, match="source 7: unknown"):
            r.plane.execute(p.RequestKeyframe(source=SourceId(7)))
        with pytest.raises(ValueError, match="worker: 3"):
            r.plane.execute(
                p.AddPushSource(source=SourceId(1), worker=3, kind=MediaKind.AUDIO, codec="opus", clock_rate=48_000)
            )
