"""The rule who may have a stream id that is live."""

from __future__ import annotations

import pytest

from services.origin.domain.takeover import SILENT_S, Living, may_take_over


def living(*, digest: str = "a", credentials: bool = False, grace: bool = False, heard_s: float = 0.0) -> Living:
    return Living(credential_digest=digest, has_credentials=credentials, in_grace=grace, last_heard_s=heard_s)


@pytest.mark.parametrize(
    ("publisher", "digest", "allowed"),
    [
        (living(), "a", True),
        (living(credentials=True), "a", True),
        (living(), "b", False),
        (living(heard_s=SILENT_S), "b", False),
        (living(heard_s=SILENT_S + 0.1), "b", True),
        (living(grace=True), "b", True),
        (living(grace=True, credentials=True), "b", False),
        (living(heard_s=60.0, credentials=True), "b", False),
        (living(digest=""), "", False),
        (living(digest="", grace=True), "", True),
    ],
)
def test_the_owner_decides_by_the_rule(publisher: Living, digest: str, allowed: bool) -> None:
    assert may_take_over(publisher, digest) is allowed
