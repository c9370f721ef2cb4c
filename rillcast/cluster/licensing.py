"""The cluster licence: what the document says, whether it holds now, and which of several is in force. No I/O, no
clock.

A licence is a JWS in compact form (RFC 7515), signed with Ed25519 (`alg` EdDSA, RFC 8037), its payload JWT claims (RFC
7519):

    {"jti": "acme-2026", "sub": "Acme Ltd", "iat": …, "nbf": …, "exp": …, "grace_s": 1209600,
     "limits": {"total": 40, "edge": 30}, "features": ["…"]}

`exp` may be missing: such a licence never ends. Kinds without a limit of their own share the total.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from enum import StrEnum

import jwt
import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from rillcast.contracts.messages import NodeKind

MAX_LICENCE_BYTES = 16_384
DEFAULT_GRACE_S = 14 * 86_400
WARN_BEFORE_END_S = 30 * 86_400
"""How long before its end a licence begins to ask for its renewal."""
ISSUE_SKEW_S = 86_400
"""How far before its issue time a licence is taken anyway: issuer and cluster may disagree on the clock."""
YEAR_10000_S = 253_402_300_800
LIMITED_KINDS = frozenset(kind.value for kind in NodeKind if kind is not NodeKind.LICENSE)


class Refusal(StrEnum):
    """Why a document is no licence for this cluster. Label of the refusal metric."""

    TOO_LARGE = "too_large"
    MALFORMED = "malformed"
    ALGORITHM = "algorithm"
    NO_KEY = "no_key"
    SIGNATURE = "signature"
    CLAIMS = "claims"
    FUTURE = "future"
    EXPIRED = "expired"
    UNREADABLE = "unreadable"


class LicenceRefused(Exception):
    """The document can't be used; `message` says why in words for the operator."""

    def __init__(self, reason: Refusal, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class Licence(msgspec.Struct, frozen=True, kw_only=True):
    """What a verified licence grants. Times are Unix seconds."""

    licence_id: str
    licensee: str
    limit_total: int
    limits_by_kind: dict[str, int] = {}
    features: tuple[str, ...] = ()
    issued_at_s: int = 0
    not_before_s: int = 0
    not_after_s: int | None = None
    grace_s: int = DEFAULT_GRACE_S
    community: bool = False


COMMUNITY = Licence(licence_id="community", licensee="Community", limit_total=32, community=True)
"""In force without any licence file. Every feature; 32 nodes of any kinds besides the license service itself."""


class LicenceState(StrEnum):
    """Whether a licence holds. The value is `LicenseStatus.state`."""

    VALID = "valid"
    GRACE = "grace"
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    INVALID = "invalid"


class _Claims(msgspec.Struct, kw_only=True):
    jti: str
    sub: str
    iat: int
    limits: dict[str, int]
    nbf: int = 0
    exp: int | None = None
    grace_s: int = DEFAULT_GRACE_S
    features: tuple[str, ...] = ()


def parse_public_key(text: str) -> Ed25519PublicKey:
    """From PEM, or from base64 of the 32 raw bytes. Raises ValueError saying what is wrong."""
    text = text.strip()
    if text.startswith("-----BEGIN"):
        try:
            key = load_pem_public_key(text.encode())
        except (ValueError, UnsupportedAlgorithm) as error:
            raise ValueError(f"not a PEM public key: {error}") from error
        if not isinstance(key, Ed25519PublicKey):
            raise ValueError("the licence key must be an Ed25519 public key")
        return key
    try:
        raw = base64.b64decode(text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError("neither PEM nor base64") from error
    if len(raw) != 32:
        raise ValueError(f"an Ed25519 public key has 32 bytes, this has {len(raw)}")
    return Ed25519PublicKey.from_public_bytes(raw)


def parse_private_key(pem: bytes) -> Ed25519PrivateKey:
    """From unencrypted PKCS#8 PEM. Raises ValueError saying what is wrong."""
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ValueError(f"not an unencrypted PEM private key: {error}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError("the issuing key must be an Ed25519 private key")
    return key


def issue_licence(licence: Licence, key: Ed25519PrivateKey) -> str:
    """The signed document for a licence. Raises LicenceRefused if `read_licence` would not take it."""
    claims = _Claims(
        jti=licence.licence_id,
        sub=licence.licensee,
        iat=licence.issued_at_s,
        nbf=licence.not_before_s,
        exp=licence.not_after_s,
        grace_s=licence.grace_s,
        limits={"total": licence.limit_total, **licence.limits_by_kind},
        features=licence.features,
    )
    _licence_of(claims)
    payload = {name: value for name, value in msgspec.to_builtins(claims).items() if value is not None}
    return jwt.api_jws.encode(
        json.dumps(payload, separators=(",", ":")).encode(), key, algorithm="EdDSA", headers={"typ": "JWT"}
    )


def read_licence(document: bytes, key: Ed25519PublicKey | None) -> Licence:
    """Verify a document and read it. Says nothing about the time: see `state_at`. Raises LicenceRefused."""
    if len(document) > MAX_LICENCE_BYTES:
        raise LicenceRefused(
            Refusal.TOO_LARGE, f"a licence has at most {MAX_LICENCE_BYTES} bytes, this has {len(document)}"
        )
    token = document.strip()
    if token.count(b".") != 2:
        raise LicenceRefused(Refusal.MALFORMED, "not a licence: a signed document has three parts separated by dots")
    try:
        header = jwt.get_unverified_header(token)
    except (jwt.PyJWTError, RecursionError) as error:
        raise LicenceRefused(Refusal.MALFORMED, f"not a licence: {error}") from error
    if header.get("alg") != "EdDSA":
        algorithm = str(header.get("alg"))[:20]
        raise LicenceRefused(Refusal.ALGORITHM, f"signed with algorithm {algorithm!r}; only EdDSA (Ed25519) will do")
    if key is None:
        raise LicenceRefused(
            Refusal.NO_KEY, "no public key is configured to verify licences with (RILLCAST_LICENSE_PUBLIC_KEY)"
        )
    try:
        payload = jwt.api_jws.decode(token, key, algorithms=["EdDSA"])
    except jwt.InvalidSignatureError as error:
        raise LicenceRefused(
            Refusal.SIGNATURE, "the signature doesn't fit: changed since it was signed, or by another key"
        ) from error
    except jwt.PyJWTError as error:
        raise LicenceRefused(Refusal.MALFORMED, f"not a licence: {error}") from error
    try:
        return _licence_of(msgspec.json.decode(payload, type=_Claims))
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise LicenceRefused(Refusal.CLAIMS, f"signed, but not a licence: {error}") from error


def _licence_of(claims: _Claims) -> Licence:
    limits = dict(claims.limits)
    total = limits.pop("total", None)
    if total is None:
        raise LicenceRefused(Refusal.CLAIMS, "signed, but limits.total is missing")
    for name, limit in {"total": total, **limits}.items():
        if name != "total" and name not in LIMITED_KINDS:
            raise LicenceRefused(Refusal.CLAIMS, f"signed, but limits.{name[:32]} names no kind of node")
        if not 0 <= limit <= 1_000_000:
            raise LicenceRefused(Refusal.CLAIMS, f"signed, but limits.{name} is {limit}, not 0 to 1000000")
    for name, time_s in {"iat": claims.iat, "nbf": claims.nbf, "exp": claims.exp or 0}.items():
        if not 0 <= time_s < YEAR_10000_S:
            raise LicenceRefused(Refusal.CLAIMS, f"signed, but {name} is {time_s}, not a time in Unix seconds")
    if not claims.jti or not claims.sub:
        raise LicenceRefused(Refusal.CLAIMS, "signed, but jti (licence id) or sub (licensee) is empty")
    if claims.exp is not None and claims.exp <= claims.nbf:
        raise LicenceRefused(Refusal.CLAIMS, "signed, but it ends before it begins (exp ≤ nbf)")
    if not 0 <= claims.grace_s <= 366 * 86_400:
        raise LicenceRefused(Refusal.CLAIMS, f"signed, but grace_s is {claims.grace_s}, not 0 to a year")
    return Licence(
        licence_id=claims.jti,
        licensee=claims.sub,
        limit_total=total,
        limits_by_kind=limits,
        features=claims.features,
        issued_at_s=claims.iat,
        not_before_s=claims.nbf,
        not_after_s=claims.exp,
        grace_s=claims.grace_s,
    )


def state_at(licence: Licence, now_s: float) -> LicenceState:
    """Whether the licence holds at this time."""
    if now_s < licence.not_before_s or now_s < licence.issued_at_s - ISSUE_SKEW_S:
        return LicenceState.NOT_YET_VALID
    if licence.not_after_s is None or now_s < licence.not_after_s:
        return LicenceState.VALID
    return LicenceState.GRACE if now_s < licence.not_after_s + licence.grace_s else LicenceState.EXPIRED


_PREFERENCE = (LicenceState.VALID, LicenceState.GRACE, LicenceState.EXPIRED, LicenceState.NOT_YET_VALID)


class InForce(msgspec.Struct, frozen=True, kw_only=True):
    """What the cluster runs under now."""

    licence: Licence
    state: LicenceState
    reason: str = ""
    """What the operator should know: why not valid, or which document was refused."""

    @property
    def limit_total(self) -> int:
        """Seats: a licence that doesn't count (yet) leaves the community's."""
        return self._granting().limit_total

    @property
    def limits_by_kind(self) -> dict[str, int]:
        return self._granting().limits_by_kind

    def _granting(self) -> Licence:
        return COMMUNITY if self.state in (LicenceState.NOT_YET_VALID, LicenceState.INVALID) else self.licence


def in_force(licences: Sequence[Licence], refusals: Sequence[str], now_s: float) -> InForce:
    """Choose among verified licences: one that holds before one that doesn't, then the one issued last.

    `refusals` are reasons why other documents were turned down. With no licence at all they make the state ``invalid``.
    """
    reason = "; ".join(refusals)
    if not licences:
        state = LicenceState.INVALID if refusals else LicenceState.VALID
        return InForce(licence=COMMUNITY, state=state, reason=reason)
    best = min(licences, key=lambda licence: (_PREFERENCE.index(state_at(licence, now_s)), -licence.issued_at_s))
    state = state_at(best, now_s)
    words = describe(best, state, now_s)
    return InForce(licence=best, state=state, reason="; ".join(part for part in (words, reason) if part))


def describe(licence: Licence, state: LicenceState, now_s: float) -> str:
    """A sentence about a licence that needs attention; empty when it doesn't."""
    name, end_s = f"licence {licence.licence_id}", licence.not_after_s
    match state:
        case LicenceState.VALID if end_s is not None and now_s >= end_s - WARN_BEFORE_END_S:
            return f"{name} ends in {_days(end_s - now_s)}; renew it"
        case LicenceState.GRACE if end_s is not None:
            left = _days(end_s + licence.grace_s - now_s)
            return f"{name} has expired; it is honoured for {left} more, then no new publish or play is accepted"
        case LicenceState.EXPIRED:
            return f"{name} and its grace time have expired: no new publish or play is accepted, running sessions go on"
        case LicenceState.NOT_YET_VALID:
            return f"{name} is not valid yet; if its time has come, check the clock of the license service"
        case _:
            return ""


def _days(seconds: float) -> str:
    days = max(0, int(seconds)) // 86_400
    return f"{days} day{'s' * (days != 1)}" if days else "less than a day"


def check_installable(licence: Licence, now_s: float) -> None:
    """Raises LicenceRefused for a licence that would not hold now."""
    state = state_at(licence, now_s)
    if state is LicenceState.NOT_YET_VALID:
        raise LicenceRefused(Refusal.FUTURE, describe(licence, state, now_s))
    if state is LicenceState.EXPIRED:
        raise LicenceRefused(Refusal.EXPIRED, describe(licence, state, now_s))


class ClockFloor(msgspec.Struct, frozen=True, kw_only=True):
    """The highest time the cluster has seen, so that setting clocks back doesn't extend a licence.

    A licence issued later than the one it was seen under is itself evidence of the time, signed by the issuer: the
    floor starts anew from it. That is how an operator gets rid of a floor raised by a clock that ran years ahead.
    """

    highest_s: int = 0
    issued_at_s: int = 0

    def now(self, wall_s: float) -> float:
        """The time to judge licences by."""
        return max(wall_s, self.highest_s)

    def raised(self, wall_s: float, licence: Licence) -> ClockFloor:
        """The floor after looking at the clock under this licence."""
        if licence.issued_at_s > self.issued_at_s:
            return ClockFloor(highest_s=max(int(wall_s), licence.issued_at_s), issued_at_s=licence.issued_at_s)
        return ClockFloor(highest_s=max(int(wall_s), self.highest_s), issued_at_s=self.issued_at_s)
