"""A signed usage report: nobody can change it, and it names the cluster that it is of."""

from __future__ import annotations

import base64
import json

import jwt
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from rillcast.contracts.messages import UsageReport
from rillcast.licensing.usage_report import ReportRefused, key_id, read_report, sign_report

KEY = Ed25519PrivateKey.generate()
REPORT = UsageReport(
    first_day="2024-10-04", last_day="2024-10-05", issued_at_s=1, licensee="Acme", node_hours={"edge": 2.5}
)


def test_a_changed_report_is_refused() -> None:
    head, payload, signature = sign_report(REPORT, KEY).split(".")
    less = msgspec.structs.replace(REPORT, node_hours={"edge": 0.5})
    body = base64.urlsafe_b64encode(msgspec.json.encode(less)).rstrip(b"=").decode()
    assert body != payload
    with pytest.raises(ReportRefused, match="changed"):
        read_report(f"{head}.{body}.{signature}".encode())


def test_a_report_of_another_cluster_is_refused_once_the_key_is_known() -> None:
    document = sign_report(REPORT, Ed25519PrivateKey.generate()).encode()
    assert read_report(document)[0] == REPORT
    with pytest.raises(ReportRefused, match="another cluster"):
        read_report(document, key_id(KEY.public_key()))


def forged(headers: dict[str, object], payload: bytes = b"{}") -> bytes:
    return jwt.api_jws.encode(payload, KEY, algorithm="EdDSA", headers=headers).encode()


JWK = json.loads(base64.urlsafe_b64decode(sign_report(REPORT, KEY).split(".")[0] + "=="))["jwk"]


@pytest.mark.parametrize(
    ("document", "word"),
    [
        (b"", "not a signed"),
        (b"\xff.\x00.x", "not a signed"),
        (jwt.encode({"node_hours": {}}, "", algorithm="none").encode(), "EdDSA"),
        (forged({"typ": "JWT"}), "header"),
        (forged({"typ": "rillcast-usage+jwt"}), "no Ed25519 key"),
        (forged({"typ": "rillcast-usage+jwt", "jwk": {**JWK, "x": "AAAA"}}), "key in its header"),
        (forged({"typ": "rillcast-usage+jwt", "jwk": {**JWK, "x": "é"}}), "key in its header"),
        (forged({"typ": "rillcast-usage+jwt", "jwk": JWK}), "not a usage report"),
        (forged({"typ": "rillcast-usage+jwt", "jwk": JWK}, b"[" * 5000), "not a usage report"),
        (b"a" * 1_000_000, "at most"),
    ],
)
def test_what_is_no_report_is_refused_naming_why(document: bytes, word: str) -> None:
    with pytest.raises(ReportRefused, match=word):
        read_report(document)
