"""The locks that a client opens with what it shows alone, without anybody being asked."""

from __future__ import annotations

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.records import AppSettings
from services.signaling.core.domain.admission_rules import Applicant
from services.signaling.core.domain.doors import Lock, jwt_secret, locks, too_short
from services.signaling.core.domain.tokens import Wish, check_hash, check_jwt
from services.signaling.core.domain.verified_identity import VerifiedIdentity


def check_shown(applicant: Applicant, settings: AppSettings, now_s: float) -> VerifiedIdentity | None:
    """Return the identity that a JWT or a hash proves. Return None if the app asks for neither. `now_s` is the Unix
    time. Raises UNAUTHORIZED, also where the app's own settings let nobody in."""
    there = locks(settings, applicant.role)
    if not there:
        return None
    identity = None
    if Lock.JWT in there:
        secret = _usable(jwt_secret(settings, applicant.role))
        life_s = settings.token_max_life_s
        identity = check_jwt(applicant.credentials.token, secret, _wish(applicant), now_s=now_s, max_life_s=life_s)
    if Lock.HASH in there:
        identity = check_hash(applicant.credentials.token, _usable(settings.token_hash_secret), _wish(applicant))
    return identity


def _usable(secret: str) -> str:
    """Raises UNAUTHORIZED where there is no secret: a lock without a key is shut."""
    if too_short(secret):
        raise RillcastError(ErrorCode.UNAUTHORIZED, "this app asks for tokens and has no usable secret for them")
    return secret


def _wish(applicant: Applicant) -> Wish:
    return Wish(app=applicant.app, stream=applicant.stream, role=applicant.role, room=applicant.room)
