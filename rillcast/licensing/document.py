"""The cluster license: what the document says, whether it holds now, and which of several is in force. No I/O, no
clock.

A license is a JWS in compact form (RFC 7515), signed with Ed25519 (`alg` EdDSA, RFC 8037), its payload JWT claims (RFC
7519):

    {"jti": "acme-2026", "sub": "Acme Ltd", "iat": …, "nbf": …, "exp": …, "grace_s": 1209600,
     "limits": {"total": 40, "edge": 30}, "features": ["…"]}

`exp` may be missing: such a license never ends. Kinds without a limit of their own share the total.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Collection, Sequence
from enum import StrEnum

import jwt
import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from rillcast.contracts.fields import UnixS
from rillcast.contracts.words import LicenseState, NodeKind

MAX_LICENSE_BYTES = 16_384
DEFAULT_GRACE_S = 14 * 86_400
WARN_BEFORE_END_S = 30 * 86_400
"""How long before its end a license begins to ask for its renewal."""
ISSUE_SKEW_S = 86_400
"""How far before its issue time a license is taken anyway: issuer and cluster may disagree on the clock."""
YEAR_10000_S = 253_402_300_800
LIMITED_KINDS = frozenset(kind.value for kind in NodeKind if kind is not NodeKind.LICENSE)


class Refusal(StrEnum):
    """Why a document is no license for this cluster. Label of the refusal metric."""

    TOO_LARGE = "too_large"
    MALFORMED = "malformed"
    ALGORITHM = "algorithm"
    NO_KEY = "no_key"
    SIGNATURE = "signature"
    CLAIMS = "claims"
    FUTURE = "future"
    EXPIRED = "expired"
    UNREADABLE = "unreadable"
    CLUSTER = "cluster"
    REVOKED = "revoked"
    OLDER = "older"


class LicenseRefused(Exception):
    """The document can't be used; `message` says why in words for the operator."""

    def __init__(self, reason: Refusal, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class License(msgspec.Struct, frozen=True, kw_only=True):
    """What a verified license grants. Times are Unix seconds."""

    license_id: str
    licensee: str
    limit_total: int
    limits_by_kind: dict[str, int] = {}
    features: tuple[str, ...] = ()
    issued_at_s: int = 0
    not_before_s: int = 0
    not_after_s: int | None = None
    grace_s: int = DEFAULT_GRACE_S
    community: bool = False
    cluster: str = ""
    """The only cluster that may run under it; empty: any may."""


COMMUNITY = License(license_id="community", licensee="Community", limit_total=32, community=True)
"""The license that is in force without any document: every feature, and 32 nodes of any kind beside the license
service itself."""


class _Claims(msgspec.Struct, kw_only=True):
    jti: str
    sub: str
    iat: int
    limits: dict[str, int]
    nbf: int = 0
    exp: int | None = None
    grace_s: int = DEFAULT_GRACE_S
    features: tuple[str, ...] = ()
    cluster: str = ""


def parse_public_key(text: str) -> Ed25519PublicKey:
    """A public key from PEM, or from the base64 of its 32 bytes. Raises ValueError that says what is wrong."""
    text = text.strip()
    if text.startswith("-----BEGIN"):
        try:
            key = load_pem_public_key(text.encode())
        except (ValueError, UnsupportedAlgorithm) as error:
            raise ValueError(f"not a PEM public key: {error}") from error
        if not isinstance(key, Ed25519PublicKey):
            raise ValueError("the license key must be an Ed25519 public key")
        return key
    try:
        raw = base64.b64decode(text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError("neither PEM nor base64") from error
    if len(raw) != 32:
        raise ValueError(f"an Ed25519 public key has 32 bytes, this has {len(raw)}")
    return Ed25519PublicKey.from_public_bytes(raw)


def parse_private_key(pem: bytes) -> Ed25519PrivateKey:
    """A private key from unencrypted PKCS#8 PEM. Raises ValueError that says what is wrong."""
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ValueError(f"not an unencrypted PEM private key: {error}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError("the issuing key must be an Ed25519 private key")
    return key


def issue_license(license: License, key: Ed25519PrivateKey) -> str:
    """The signed document for a license. Raises LicenseRefused if `read_license` would not take it."""
    claims = _Claims(
        jti=license.license_id,
        sub=license.licensee,
        iat=license.issued_at_s,
        nbf=license.not_before_s,
        exp=license.not_after_s,
        grace_s=license.grace_s,
        limits={"total": license.limit_total, **license.limits_by_kind},
        features=license.features,
        cluster=license.cluster,
    )
    _license_of(claims)
    payload = {name: value for name, value in msgspec.to_builtins(claims).items() if value not in (None, "")}
    return sign(payload, key, "JWT")


def sign(payload: dict[str, object], key: Ed25519PrivateKey, kind: str) -> str:
    """The signed document; `kind` is the ``typ`` of its header."""
    text = json.dumps(payload, separators=(",", ":")).encode()
    return jwt.api_jws.encode(text, key, algorithm="EdDSA", headers={"typ": kind})


def read_license(document: bytes, key: Ed25519PublicKey | None) -> License:
    """Verify a document and read it. Says nothing about the time: see `state_at`. Raises LicenseRefused."""
    payload = verified(document, key)
    try:
        return _license_of(msgspec.json.decode(payload, type=_Claims))
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise LicenseRefused(Refusal.CLAIMS, f"signed, but not a license: {error}") from error


def verified(document: bytes, key: Ed25519PublicKey | None) -> bytes:
    """What the issuer has signed. Raises LicenseRefused."""
    if len(document) > MAX_LICENSE_BYTES:
        raise LicenseRefused(
            Refusal.TOO_LARGE, f"a license has at most {MAX_LICENSE_BYTES} bytes, this has {len(document)}"
        )
    token = document.strip()
    if token.count(b".") != 2:
        raise LicenseRefused(Refusal.MALFORMED, "not a license: a signed document has three parts separated by dots")
    try:
        header = jwt.get_unverified_header(token)
    except (jwt.PyJWTError, RecursionError) as error:
        raise LicenseRefused(Refusal.MALFORMED, f"not a license: {error}") from error
    if header.get("alg") != "EdDSA":
        algorithm = str(header.get("alg"))[:20]
        raise LicenseRefused(Refusal.ALGORITHM, f"signed with algorithm {algorithm!r}; only EdDSA (Ed25519) will do")
    if key is None:
        raise LicenseRefused(
            Refusal.NO_KEY, "no public key is configured to verify licenses with (RILLCAST_LICENSE_PUBLIC_KEY)"
        )
    try:
        payload: bytes = jwt.api_jws.decode(token, key, algorithms=["EdDSA"])
    except jwt.InvalidSignatureError as error:
        raise LicenseRefused(
            Refusal.SIGNATURE, "the signature doesn't fit: changed since it was signed, or by another key"
        ) from error
    except jwt.PyJWTError as error:
        raise LicenseRefused(Refusal.MALFORMED, f"not a license: {error}") from error
    return payload


def _license_of(claims: _Claims) -> License:
    limits = dict(claims.limits)
    total = limits.pop("total", None)
    if total is None:
        raise LicenseRefused(Refusal.CLAIMS, "signed, but limits.total is missing")
    for name, limit in {"total": total, **limits}.items():
        if name != "total" and name not in LIMITED_KINDS:
            raise LicenseRefused(Refusal.CLAIMS, f"signed, but limits.{name[:32]} names no kind of node")
        if not 0 <= limit <= 1_000_000:
            raise LicenseRefused(Refusal.CLAIMS, f"signed, but limits.{name} is {limit}, not 0 to 1000000")
    for name, time_s in {"iat": claims.iat, "nbf": claims.nbf, "exp": claims.exp or 0}.items():
        if not 0 <= time_s < YEAR_10000_S:
            raise LicenseRefused(Refusal.CLAIMS, f"signed, but {name} is {time_s}, not a time in Unix seconds")
    if not claims.jti or not claims.sub:
        raise LicenseRefused(Refusal.CLAIMS, "signed, but jti (license id) or sub (licensee) is empty")
    if claims.exp is not None and claims.exp <= claims.nbf:
        raise LicenseRefused(Refusal.CLAIMS, "signed, but it ends before it begins (exp ≤ nbf)")
    if not 0 <= claims.grace_s <= 366 * 86_400:
        raise LicenseRefused(Refusal.CLAIMS, f"signed, but grace_s is {claims.grace_s}, not 0 to a year")
    return License(
        license_id=claims.jti,
        licensee=claims.sub,
        limit_total=total,
        limits_by_kind=limits,
        features=claims.features,
        issued_at_s=claims.iat,
        not_before_s=claims.nbf,
        not_after_s=claims.exp,
        grace_s=claims.grace_s,
        cluster=claims.cluster,
    )


def state_at(license: License, now_s: float) -> LicenseState:
    """Whether the license holds at this time."""
    if now_s < license.not_before_s or now_s < license.issued_at_s - ISSUE_SKEW_S:
        return LicenseState.NOT_YET_VALID
    if license.not_after_s is None or now_s < license.not_after_s:
        return LicenseState.VALID
    return LicenseState.GRACE if now_s < license.not_after_s + license.grace_s else LicenseState.EXPIRED


_PREFERENCE = (LicenseState.VALID, LicenseState.GRACE, LicenseState.EXPIRED, LicenseState.NOT_YET_VALID)


class InForce(msgspec.Struct, frozen=True, kw_only=True):
    """The license under which the cluster runs now, and its state."""

    license: License
    state: LicenseState
    reason: str = ""
    """What the operator should know: why the license is not valid, or which document was refused."""

    @property
    def limit_total(self) -> int:
        """Seats: a license that doesn't count (yet) leaves the community's."""
        return self._granting().limit_total

    @property
    def limits_by_kind(self) -> dict[str, int]:
        return self._granting().limits_by_kind

    def _granting(self) -> License:
        return COMMUNITY if self.state in (LicenseState.NOT_YET_VALID, LicenseState.INVALID) else self.license


def in_force(licenses: Sequence[License], refusals: Sequence[str], now_s: float) -> InForce:
    """Choose among verified licenses: one that holds before one that doesn't, then the one issued last.

    `refusals` are reasons why other documents were turned down. With no license at all they make the state ``invalid``.
    """
    reason = "; ".join(refusals)
    if not licenses:
        state = LicenseState.INVALID if refusals else LicenseState.VALID
        return InForce(license=COMMUNITY, state=state, reason=reason)
    best = min(licenses, key=lambda license: (_PREFERENCE.index(state_at(license, now_s)), -license.issued_at_s))
    state = state_at(best, now_s)
    words = describe(best, state, now_s)
    return InForce(license=best, state=state, reason="; ".join(part for part in (words, reason) if part))


def describe(license: License, state: LicenseState, now_s: float) -> str:
    """A sentence about a license that needs attention; empty when it doesn't."""
    name, end_s = f"license {license.license_id}", license.not_after_s
    match state:
        case LicenseState.VALID if end_s is not None and now_s >= end_s - WARN_BEFORE_END_S:
            return f"{name} ends in {_days(end_s - now_s)}; renew it"
        case LicenseState.GRACE if end_s is not None:
            left = _days(end_s + license.grace_s - now_s)
            return f"{name} has expired; it is honoured for {left} more, then no new publish or play is accepted"
        case LicenseState.EXPIRED:
            return f"{name} and its grace time have expired: no new publish or play is accepted, running sessions go on"
        case LicenseState.NOT_YET_VALID:
            return f"{name} is not valid yet; if its time has come, check the clock of the license service"
        case _:
            return ""


def _days(seconds: float) -> str:
    days = max(0, int(seconds)) // 86_400
    return f"{days} day{'s' * (days != 1)}" if days else "less than a day"


def check_installable(license: License, now_s: float) -> None:
    """Raises LicenseRefused for a license that would not hold now."""
    state = state_at(license, now_s)
    if state is LicenseState.NOT_YET_VALID:
        raise LicenseRefused(Refusal.FUTURE, describe(license, state, now_s))
    if state is LicenseState.EXPIRED:
        raise LicenseRefused(Refusal.EXPIRED, describe(license, state, now_s))


def check_ours(license: License, cluster: str, revoked: Collection[str]) -> None:
    """Raises LicenseRefused for a license of another cluster, and for one that its issuer has revoked."""
    if license.cluster and license.cluster != cluster:
        words = f"license {license.license_id} is for the cluster {license.cluster}, and this one is {cluster}"
        raise LicenseRefused(Refusal.CLUSTER, words)
    if license.license_id in revoked:
        raise LicenseRefused(Refusal.REVOKED, f"its issuer has revoked license {license.license_id}")


def check_not_older(license: License, installed: License | None) -> None:
    """Raises LicenseRefused for a license that was issued before the one that is installed."""
    if installed is not None and license.issued_at_s < installed.issued_at_s:
        words = f"license {license.license_id} was issued before {installed.license_id}, which is installed"
        raise LicenseRefused(Refusal.OLDER, words)


class ClockFloor(msgspec.Struct, frozen=True, kw_only=True):
    """The highest time the cluster has seen, so that setting clocks back doesn't extend a license.

    A license issued later than the one it was seen under is itself evidence of the time, signed by the issuer: the
    floor starts anew from it. That is how an operator gets rid of a floor raised by a clock that ran years ahead.
    """

    highest_s: UnixS = 0
    issued_at_s: UnixS = 0

    def now(self, wall_s: float) -> float:
        """The time to judge licenses by."""
        return max(wall_s, self.highest_s)

    def raised(self, wall_s: float, license: License) -> ClockFloor:
        """The floor after looking at the clock under this license."""
        if license.issued_at_s > self.issued_at_s:
            return ClockFloor(highest_s=max(int(wall_s), license.issued_at_s), issued_at_s=license.issued_at_s)
        return ClockFloor(highest_s=max(int(wall_s), self.highest_s), issued_at_s=self.issued_at_s)
