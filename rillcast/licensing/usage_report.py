"""The usage report as a document that can be handed on: signed, and verified by whoever receives it. No I/O, no clock.

A JWS in compact form (RFC 7515), `alg` EdDSA with Ed25519, its payload the JSON of `UsageReport`. The signing key is
the cluster's own, made at the first report. Its public half travels in the header (`jwk`, RFC 8037), its RFC 7638
thumbprint is `kid`. The signature says: this is what the license service of *that* cluster reported, unchanged
since. Whoever relies on reports notes the thumbprint of the cluster once and demands it from then on.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from datetime import date

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from rillcast.contracts.messages import UsageReport

MAX_REPORT_BYTES = 900_000
"""The largest report in bytes: it fits into one message on the bus."""
DOCUMENT_TYPE = "rillcast-usage+jwt"
_DAY = re.compile(r"\d{4}-\d\d-\d\d")


class ReportRefused(Exception):
    """The document is not a usage report of that cluster; the text says why."""


def key_id(key: Ed25519PublicKey) -> str:
    """The thumbprint (RFC 7638) of a public key."""
    members = json.dumps(_jwk(key), separators=(",", ":"), sort_keys=True)
    return _base64url(hashlib.sha256(members.encode()).digest())


def sign_report(report: UsageReport, key: Ed25519PrivateKey) -> str:
    """The signed document, which can be handed on."""
    public = key.public_key()
    headers = {"typ": DOCUMENT_TYPE, "kid": key_id(public), "jwk": _jwk(public)}
    return jwt.api_jws.encode(msgspec.json.encode(report), key, algorithm="EdDSA", headers=headers)


def read_report(document: bytes, wanted_key_id: str = "") -> tuple[UsageReport, str]:
    """Verify a document; the report and the id of the key that signed it. Raises ReportRefused.

    Without `wanted_key_id` the signature only shows that nothing was changed, not which cluster it is from.
    """
    token = document.strip()
    if len(token) > MAX_REPORT_BYTES:
        raise ReportRefused(f"a usage report has at most {MAX_REPORT_BYTES} bytes, this has {len(token)}")
    try:
        header = jwt.get_unverified_header(token)
    except (jwt.PyJWTError, RecursionError) as error:
        raise ReportRefused(f"not a signed usage report: {error}") from error
    if header.get("alg") != "EdDSA" or header.get("typ") != DOCUMENT_TYPE:
        raise ReportRefused(f"not a usage report: its header is not that of a {DOCUMENT_TYPE} signed with EdDSA")
    key = _public_key(header.get("jwk"))
    found = key_id(key)
    if wanted_key_id and found != wanted_key_id:
        raise ReportRefused(f"signed by key {found}, not by {wanted_key_id}: the report of another cluster")
    try:
        payload = jwt.api_jws.decode(token, key, algorithms=["EdDSA"])
        return msgspec.json.decode(payload, type=UsageReport), found
    except jwt.PyJWTError as error:
        raise ReportRefused("the signature doesn't fit: the report was changed since it was signed") from error
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise ReportRefused(f"signed, but not a usage report: {error}") from error


def parse_day(text: str, otherwise: date) -> date:
    """A day as ``2026-09-14``; `otherwise` if empty. Raises ValueError naming what is wrong."""
    if not text:
        return otherwise
    if _DAY.fullmatch(text) is None:
        raise ValueError(f"{text[:20]!r} is not a day; write it as 2026-09-14")
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"{text} is not a day: {error}") from error


def _public_key(jwk: object) -> Ed25519PublicKey:
    if not isinstance(jwk, dict) or jwk.get("kty") != "OKP" or jwk.get("crv") != "Ed25519":
        raise ReportRefused("not a usage report: its header names no Ed25519 key")
    text = str(jwk.get("x"))
    try:
        return Ed25519PublicKey.from_public_bytes(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (binascii.Error, ValueError) as error:
        raise ReportRefused("not a usage report: the key in its header is none") from error


def _jwk(key: Ed25519PublicKey) -> dict[str, str]:
    return {"crv": "Ed25519", "kty": "OKP", "x": _base64url(key.public_bytes(Encoding.Raw, PublicFormat.Raw))}


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
