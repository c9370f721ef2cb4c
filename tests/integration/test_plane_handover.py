"""What one native plane exports of a session, another one takes as it is."""

from __future__ import annotations

import msgspec

from rillcast.contracts.words import MediaKind
from rillcast.media import protocol as p
from rillcast.media.protocol import PlaneSession, SourceId
from tests.integration.plane_rig import Rig, peer, publish, rig

TAKEN = PlaneSession(900)


async def export(r: Rig, session: int, *, stop: bool) -> p.SrtpState | None:
    """The plane's answer to one export."""
    r.events.clear()
    r.plane.execute(p.ExportSession(session=PlaneSession(session), stop=stop))
    event = await r.wait_for(lambda e: isinstance(e, p.SessionExported) and e.session == session)
    assert isinstance(event, p.SessionExported)
    return event.srtp


def taking(srtp: p.SrtpState) -> p.AddSession:
    """A publisher's session that another plane has had until now."""
    ice = p.IceParameters(local_ufrag="local", local_pwd="w" * 22, remote_ufrag="remote", remote_pwd="w" * 22)
    track = p.RecvTrack(
        mid="0",
        kind=MediaKind.VIDEO,
        codec="VP8",
        clock_rate=90_000,
        payload_type=96,
        encodings=(p.Encoding(source=SourceId(901)),),
    )
    dtls = p.DtlsParameters(role=p.DtlsRole.SERVER, fingerprint_hash="sha-256", fingerprint="AA")
    return p.AddSession(session=TAKEN, worker=0, ice=ice, dtls=dtls, recv=(track,), srtp=srtp)


async def test_what_a_plane_exports_another_one_takes_and_continues_once() -> None:
    async with rig() as first, rig() as second, peer() as publisher:
        assert await export(first, 7, stop=True) is None, "unknown"
        published = await publish(first, publisher)
        await first.wait_for(lambda e: isinstance(e, p.SessionMedia) and e.session == published.session)
        before = await export(first, published.session, stop=False)
        assert before is not None
        assert not before.close_notify, "the session goes on"
        second.plane.execute(taking(before))
        final = await export(first, published.session, stop=True)
        assert final is not None
        assert final.close_notify
        assert (final.local_key, final.remote_key) == (before.local_key, before.remote_key)
        assert await export(first, published.session, stop=False) is None, "stopped"
        other = msgspec.structs.replace(final, local_key=final.remote_key)
        for srtp in (other, final, final):
            second.plane.execute(p.ContinueSession(session=TAKEN, srtp=srtp))
        second.plane.execute(p.RemoveSession(session=TAKEN))
        await second.wait_for(lambda e: isinstance(e, p.SessionClosed) and e.session == TAKEN)
        errors = [e.message for e in second.events if isinstance(e, p.Error)]
        assert errors == [
            f"session {TAKEN}: srtp: other keys than it was added with",
            f"session {TAKEN}: no association waits to be continued",
        ]
