"""The signed names and entity tags of WHIP and WHEP sessions."""

from __future__ import annotations

import jwt
from hypothesis import given
from hypothesis import strategies as st

from rillcast.contracts.ids import AppName, NodeId, SessionId, StreamId
from services.signaling.whip.domain.resource_url import LatestTags, Resource, ResourceSigner

LIVE, STREAM = AppName("live"), StreamId("s1")
RESOURCE = Resource(role="whip", app=LIVE, stream=STREAM, session=SessionId("a" * 32), node=NodeId("o1"))


def test_a_resource_name_is_read_by_who_has_the_key_only() -> None:
    name = ResourceSigner(b"k" * 32).name(RESOURCE)

    assert ResourceSigner(b"k" * 32).read(name, "whip", "live", "s1") == RESOURCE
    assert ResourceSigner(b"j" * 32).read(name, "whip", "live", "s1") is None
    assert ResourceSigner(b"k" * 32).read(name, "whep", "live", "s1") is None
    assert ResourceSigner(b"k" * 32).read(name, "whip", "live", "s2") is None


def test_a_name_is_a_jwt_as_pyjwt_makes_it() -> None:
    claims = {"r": "whip", "a": "live", "i": "s1", "s": "a" * 32, "n": "o1"}

    assert ResourceSigner(b"k" * 32).name(RESOURCE) == jwt.encode(claims, b"k" * 32, algorithm="HS256")


def test_a_name_without_a_signature_or_with_another_algorithm_is_none() -> None:
    claims = {"r": "whip", "a": "live", "i": "s1", "s": "a" * 32, "n": "o1"}

    for algorithm, key in (("none", ""), ("HS384", b"k" * 48), ("HS512", b"k" * 64)):
        forged = jwt.encode(claims, key, algorithm=algorithm)
        assert ResourceSigner(b"k" * 32).read(forged, "whip", "live", "s1") is None


def test_a_name_that_pyjwt_made_is_read() -> None:
    claims = {"r": "whip", "a": "live", "i": "s1", "s": "a" * 32, "n": "o1"}

    assert ResourceSigner(b"k" * 32).read(jwt.encode(claims, b"k" * 32), "whip", "live", "s1") == RESOURCE


def test_no_character_of_a_name_may_be_another_one() -> None:
    signer = ResourceSigner(b"k" * 32)
    name = signer.name(RESOURCE)

    for at, character in enumerate(name):
        changed = name[:at] + ("B" if character != "B" else "C") + name[at + 1 :]
        assert signer.read(changed, "whip", "live", "s1") is None
    for changed in (name + "=", name + ".", "." + name, name[:-1], name.replace(".", "..", 1), name + "\u00e9"):
        assert signer.read(changed, "whip", "live", "s1") is None


def test_what_has_our_signature_and_says_nothing_is_no_resource() -> None:
    for claims in ({}, {"r": "whip"}, {"r": 1, "a": "live", "i": "s1", "s": "s", "n": "n"}):
        name = jwt.encode(claims, b"k" * 32, algorithm="HS256")
        assert ResourceSigner(b"k" * 32).read(name, "whip", "live", "s1") is None
    unsigned = jwt.encode({"r": "whip"}, b"k" * 32, headers={"kid": "k"})
    assert ResourceSigner(b"k" * 32).read(unsigned, "whip", "live", "s1") is None


@given(st.text(max_size=80))
def test_no_text_is_a_resource_name_or_tag(text: str) -> None:
    signer = ResourceSigner(b"k" * 32)
    assert signer.read(text, "whip", "live", "s1") is None
    assert not signer.is_tag_of(RESOURCE.session, text)


def test_a_tag_belongs_to_one_session_and_the_latest_counts() -> None:
    signer, tags = ResourceSigner(b"k" * 32), LatestTags(most=2)
    first, second = signer.tag(RESOURCE.session, "1"), signer.tag(RESOURCE.session, "2")

    assert signer.is_tag_of(RESOURCE.session, first)
    assert signer.is_tag_of(RESOURCE.session, f"W/{first}")
    assert not signer.is_tag_of(SessionId("b" * 32), first)
    assert not tags.is_outdated(RESOURCE.session, first)
    tags.set(RESOURCE.session, second)
    assert tags.is_outdated(RESOURCE.session, first)
    tags.drop(RESOURCE.session)
    assert not tags.is_outdated(RESOURCE.session, first)
