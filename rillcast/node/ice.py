"""ICE credentials of plane sessions: the first ones, and those of a restart."""

from __future__ import annotations

from rillcast.contracts.messages import RestartIceAnswer, RestartIceRequest
from rillcast.media.plane import Plane
from rillcast.media.protocol import IceParameters, PlaneSession, RestartIce
from rillcast.media.sdp import IceCredentials, LocalTransport, local_candidates


def ice_parameters(local: LocalTransport, remote: IceCredentials) -> IceParameters:
    """Both sides' credentials, as the plane takes them."""
    return IceParameters(local_ufrag=local.ufrag, local_pwd=local.pwd, remote_ufrag=remote.ufrag, remote_pwd=remote.pwd)


def restart_ice(
    plane: Plane, plane_session: PlaneSession, local: LocalTransport, request: RestartIceRequest
) -> RestartIceAnswer:
    """Give a session new credentials on both sides (RFC 8445 §2.4). `local`: fresh ones on the session's worker. What
    serves `subjects.session_restart_ice` calls it."""
    remote = IceCredentials(ufrag=request.remote_ufrag, pwd=request.remote_pwd)
    plane.execute(RestartIce(session=plane_session, ice=ice_parameters(local, remote)))
    return RestartIceAnswer(local_ufrag=local.ufrag, local_pwd=local.pwd, candidates=local_candidates(local))
