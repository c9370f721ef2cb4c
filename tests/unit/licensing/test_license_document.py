"""The license document and what is in force: verification, time, choice."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from rillcast.cli.plan import MAX_PER_KIND, Keys, Wishes, services
from rillcast.contracts.words import LicenseState
from rillcast.licensing.document import (
    COMMUNITY,
    MAX_LICENSE_BYTES,
    ClockFloor,
    License,
    LicenseRefused,
    Refusal,
    in_force,
    issue_license,
    parse_private_key,
    parse_public_key,
    read_license,
    state_at,
)

DAY = 86_400
KEY = Ed25519PrivateKey.generate()
ACME = License(
    license_id="acme-1",
    licensee="Acme Ltd",
    limit_total=10,
    limits_by_kind={"edge": 6},
    features=("support",),
    issued_at_s=1000 * DAY,
    not_before_s=1000 * DAY,
    not_after_s=1100 * DAY,
    grace_s=14 * DAY,
)


def signed(claims: object, headers: dict[str, str] | None = None) -> bytes:
    return jwt.api_jws.encode(json.dumps(claims).encode(), KEY, algorithm="EdDSA", headers=headers).encode()


def refusal(document: bytes) -> Refusal:
    with pytest.raises(LicenseRefused) as caught:
        read_license(document, KEY.public_key())
    assert caught.value.message
    return caught.value.reason


def test_an_issued_license_reads_back_the_same() -> None:
    assert read_license(issue_license(ACME, KEY).encode() + b"\n", KEY.public_key()) == ACME


def test_any_jwt_library_can_read_a_license() -> None:
    lenient = jwt.types.Options(verify_exp=False, verify_nbf=False, verify_iat=False)
    claims = jwt.decode(issue_license(ACME, KEY), KEY.public_key(), algorithms=["EdDSA"], options=lenient)
    assert claims["sub"] == "Acme Ltd"
    assert claims["limits"] == {"total": 10, "edge": 6}


def test_a_license_without_end_has_no_exp_and_stays_valid() -> None:
    license = read_license(
        issue_license(License(license_id="p", licensee="P", limit_total=1), KEY).encode(), KEY.public_key()
    )
    assert license.not_after_s is None
    assert state_at(license, 1e11) is LicenseState.VALID


def test_a_changed_payload_is_refused_for_its_signature() -> None:
    head, _, signature = issue_license(ACME, KEY).split(".")
    more = (
        base64.urlsafe_b64encode(b'{"jti":"acme-1","sub":"Acme","iat":1,"limits":{"total":999}}').rstrip(b"=").decode()
    )
    assert refusal(f"{head}.{more}.{signature}".encode()) is Refusal.SIGNATURE


def test_a_license_of_another_key_is_refused_for_its_signature() -> None:
    assert refusal(issue_license(ACME, Ed25519PrivateKey.generate()).encode()) is Refusal.SIGNATURE


def test_alg_none_is_refused_for_its_algorithm() -> None:
    assert (
        refusal(jwt.encode({"sub": "me", "limits": {"total": 9}}, "", algorithm="none").encode()) is Refusal.ALGORITHM
    )


def test_hs256_with_the_public_key_as_secret_is_refused_for_its_algorithm() -> None:
    raw = KEY.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    assert refusal(jwt.encode({"sub": "me"}, raw, algorithm="HS256").encode()) is Refusal.ALGORITHM


def test_a_huge_document_is_refused_for_its_size() -> None:
    assert refusal(b"a" * (MAX_LICENSE_BYTES + 1)) is Refusal.TOO_LARGE


@pytest.mark.parametrize("document", [b"", b"hello", b"a.b.c", b"....", b"\xff\xfe.\x00.\x01", b"e30.e30.e30"])
def test_a_malformed_document_is_refused(document: bytes) -> None:
    assert refusal(document) in (Refusal.MALFORMED, Refusal.ALGORITHM)


def test_a_deeply_nested_payload_is_refused() -> None:
    document = jwt.api_jws.encode(b"[" * 5000, KEY, algorithm="EdDSA").encode()
    assert refusal(document) is Refusal.CLAIMS


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"limits": {}}, "limits.total"),
        ({"limits": {"total": -1}}, "limits.total"),
        ({"limits": {"total": 5, "toaster": 1}}, "toaster"),
        ({"limits": {"total": 5, "license": 1}}, "license"),
        ({"limits": {"total": "many"}}, "limits"),
        ({"exp": 5, "nbf": 10}, "exp"),
        ({"grace_s": 10**12}, "grace_s"),
        ({"sub": ""}, "sub"),
        ({"exp": 10**15}, "exp"),
        ({"nbf": -1}, "nbf"),
        ({"iat": "yesterday"}, "iat"),
        ({"features": 7}, "features"),
    ],
)
def test_signed_nonsense_is_refused_naming_the_claim(changes: dict[str, object], word: str) -> None:
    claims = {"jti": "x", "sub": "X", "iat": 1, "limits": {"total": 1}, **changes}
    with pytest.raises(LicenseRefused, match=word) as caught:
        read_license(signed(claims), KEY.public_key())
    assert caught.value.reason is Refusal.CLAIMS


def test_without_a_public_key_nothing_is_accepted() -> None:
    with pytest.raises(LicenseRefused, match="RILLCAST_LICENSE_PUBLIC_KEY"):
        read_license(issue_license(ACME, KEY).encode(), None)


@given(st.binary(max_size=400))
def test_arbitrary_bytes_raise_nothing_but_a_refusal(document: bytes) -> None:
    with pytest.raises(LicenseRefused):
        read_license(document, KEY.public_key())


@given(st.data())
def test_one_flipped_bit_anywhere_is_refused_or_reads_the_same(data: st.DataObject) -> None:
    document = bytearray(issue_license(ACME, KEY).encode())
    position = data.draw(st.integers(0, len(document) - 1))
    document[position] ^= 1 << data.draw(st.integers(0, 7))
    try:
        read = read_license(bytes(document), KEY.public_key())
    except LicenseRefused:
        return
    # Unused trailing bits of base64 may flip without changing a byte of what was signed.
    assert read == ACME


def test_an_issuer_cannot_sign_what_would_be_refused() -> None:
    with pytest.raises(LicenseRefused, match="limits"):
        issue_license(License(license_id="x", licensee="X", limit_total=-1), KEY)


@pytest.mark.parametrize(
    ("day", "state"),
    [
        (998, "not_yet_valid"),
        (999.5, "not_yet_valid"),
        (1000, "valid"),
        (1099.9, "valid"),
        (1100, "grace"),
        (1113.9, "grace"),
        (1114, "expired"),
    ],
)
def test_the_state_follows_the_time(day: float, state: str) -> None:
    assert state_at(ACME, day * DAY) == state


def test_without_any_document_the_community_license_is_valid() -> None:
    now = in_force([], [], 0)
    assert (now.license, now.state, now.reason) == (COMMUNITY, LicenseState.VALID, "")


def test_the_community_license_suffices_for_the_shipped_clusters() -> None:
    most = Wishes(edges=MAX_PER_KIND, origins=MAX_PER_KIND, transcoders=MAX_PER_KIND)
    keys = Keys(Path("/seeds"), Path("/tokens"), Path("/ca.pem"))
    seats = [spec for spec in services(most, {}, keys) if not spec.name.startswith("license")]
    assert len(seats) <= COMMUNITY.limit_total
    assert not COMMUNITY.limits_by_kind


def test_with_only_a_refused_document_the_state_is_invalid_and_names_it() -> None:
    now = in_force([], ["license.jwt was refused: changed"], 0)
    assert now.state is LicenseState.INVALID
    assert "license.jwt" in now.reason
    assert now.limit_total == COMMUNITY.limit_total


def test_a_refused_document_does_not_displace_a_valid_license() -> None:
    now = in_force([ACME], ["license.jwt was refused: changed"], 1050 * DAY)
    assert (now.license, now.state) == (ACME, LicenseState.VALID)
    assert "license.jwt" in now.reason


def test_the_license_issued_last_is_in_force_among_valid_ones() -> None:
    renewal = License(
        license_id="acme-2", licensee="Acme Ltd", limit_total=20, issued_at_s=1040 * DAY, not_after_s=1500 * DAY
    )
    assert in_force([ACME, renewal], [], 1050 * DAY).license is renewal


def test_a_valid_license_wins_over_a_later_one_that_has_not_begun() -> None:
    later = License(
        license_id="acme-2", licensee="Acme Ltd", limit_total=20, issued_at_s=1040 * DAY, not_before_s=1100 * DAY
    )
    assert in_force([later, ACME], [], 1050 * DAY).license is ACME
    assert in_force([later, ACME], [], 1100 * DAY).license is later


def test_a_license_from_the_future_grants_the_community_seats_only() -> None:
    now = in_force([ACME], [], 10 * DAY)
    assert now.state is LicenseState.NOT_YET_VALID
    assert (now.limit_total, now.limits_by_kind) == (COMMUNITY.limit_total, {})


def test_grace_and_expiry_warn_in_words() -> None:
    assert "13 days more" in in_force([ACME], [], 1100.5 * DAY).reason
    assert "no new publish or play" in in_force([ACME], [], 1200 * DAY).reason


def test_setting_the_clock_back_does_not_extend_a_license() -> None:
    floor = ClockFloor().raised(1120 * DAY, ACME)
    assert state_at(ACME, floor.now(1050 * DAY)) is LicenseState.EXPIRED
    assert floor.raised(1050 * DAY, ACME).highest_s == 1120 * DAY


def test_a_newly_issued_license_clears_a_floor_from_a_clock_that_ran_ahead() -> None:
    poisoned = ClockFloor().raised(90_000 * DAY, ACME)
    renewal = License(
        license_id="acme-2", licensee="Acme Ltd", limit_total=20, issued_at_s=1040 * DAY, not_after_s=1500 * DAY
    )
    assert poisoned.raised(1041 * DAY, renewal).highest_s == 1041 * DAY


def test_the_key_is_read_from_pem_and_from_base64() -> None:
    public = KEY.public_key()
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
    raw = public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    for text in (pem, base64.b64encode(raw).decode(), base64.urlsafe_b64encode(raw).rstrip(b"=").decode()):
        assert parse_public_key(text) == public


def test_other_keys_are_refused_in_words() -> None:
    other = rsa.generate_private_key(65537, 2048)
    pem = (
        other.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )
    for text, word in ((pem, "Ed25519"), ("AAAA", "32 bytes"), ("!!", "base64"), ("-----BEGIN nothing", "PEM")):
        with pytest.raises(ValueError, match=word):
            parse_public_key(text)
    private = other.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with pytest.raises(ValueError, match="Ed25519"):
        parse_private_key(private)
