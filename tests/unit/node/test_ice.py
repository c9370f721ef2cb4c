"""ICE credentials of plane sessions."""

from __future__ import annotations

from rillcast.contracts.ids import SessionId
from rillcast.contracts.messages import RestartIceRequest
from rillcast.media.protocol import IceParameters, PlaneSession, RestartIce
from rillcast.media.sdp import IceCredentials, LocalTransport, local_candidates
from rillcast.node.ice import ice_parameters, restart_ice
from rillcast.testing.plane import FakePlane

LOCAL = LocalTransport(ufrag="us", pwd="our-password", fingerprint="AA", addresses=("192.0.2.1",), port=50_000)
BOTH = IceParameters(local_ufrag="us", local_pwd="our-password", remote_ufrag="them", remote_pwd="their-password")


def test_both_sides_keep_their_place() -> None:
    assert ice_parameters(LOCAL, IceCredentials(ufrag="them", pwd="their-password")) == BOTH


def test_a_restart_tells_the_plane_and_answers_with_our_side() -> None:
    plane = FakePlane()
    request = RestartIceRequest(session=SessionId("s"), remote_ufrag="them", remote_pwd="their-password")

    answer = restart_ice(plane, PlaneSession(7), LOCAL, request)

    assert plane.of(RestartIce) == [RestartIce(session=PlaneSession(7), ice=BOTH)]
    assert (answer.local_ufrag, answer.local_pwd) == ("us", "our-password")
    assert answer.candidates == local_candidates(LOCAL)
    assert "192.0.2.1 50000" in answer.candidates[0]
