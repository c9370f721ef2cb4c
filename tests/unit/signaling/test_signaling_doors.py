"""What an app asks of its clients, what stands open, and doors that nobody can open."""

from __future__ import annotations

from typing import Any

import jwt
import msgspec
import pytest

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import AppName, StreamId
from rillcast.contracts.records import AppSettings
from rillcast.contracts.words import Role
from services.signaling.core.domain.admission_rules import Applicant
from services.signaling.core.domain.doors import lock_faults, locks, open_doors
from services.signaling.core.domain.identity import Client, Credentials
from services.signaling.core.domain.locks_from_memory import check_shown
from services.signaling.core.domain.tokens import stream_hash
from services.signaling.core.domain.verified_identity import Proof, VerifiedIdentity

SECRET = "a secret of at least thirty-two bytes"
LIVE, STREAM = AppName("live"), StreamId("s1")


def app(**settings: Any) -> AppSettings:
    return msgspec.convert({"appName": "live", **settings}, AppSettings)


def shown(settings: AppSettings, role: Role, token: str) -> VerifiedIdentity | None:
    applicant = Applicant(
        role=role, app=LIVE, stream=STREAM, credentials=Credentials(token=token), client=Client(address="")
    )
    return check_shown(applicant, settings, now_s=1_000.0)


def test_an_app_of_which_nothing_was_set_is_open_to_everybody() -> None:
    assert open_doors(app()) == (Role.PUBLISH, Role.PLAY)
    assert shown(app(), Role.PUBLISH, "whatever") is None
    assert shown(app(), Role.PLAY, "") is None


@pytest.mark.parametrize(
    ("switch", "shut"),
    [
        ({"publishJwtControlEnabled": True}, Role.PUBLISH),
        ({"publishTokenSecret": SECRET}, Role.PUBLISH),
        ({"hashControlPublishEnabled": True}, Role.PUBLISH),
        ({"playJwtControlEnabled": True}, Role.PLAY),
        ({"playTokenSecret": SECRET}, Role.PLAY),
        ({"hashControlPlayEnabled": True}, Role.PLAY),
    ],
)
def test_each_switch_shuts_its_door_and_no_other(switch: dict[str, Any], shut: Role) -> None:
    (still_open,) = open_doors(app(**switch))
    assert still_open is not shut
    assert len(locks(app(**switch), shut)) == 1


@pytest.mark.parametrize("switch", ["publishJwtControlEnabled", "hashControlPublishEnabled"])
def test_a_switch_without_its_secret_lets_nobody_in_and_says_so(switch: str) -> None:
    settings = app(**{switch: True})
    (fault,) = lock_faults(settings)
    assert "fewer than 32 bytes" in fault

    for token in ("", jwt.encode({"sub": "s1", "type": "publish"}, "x" * 32), stream_hash(STREAM, Role.PUBLISH, "")):
        with pytest.raises(RillcastError) as caught:
            shown(settings, Role.PUBLISH, token)
        assert caught.value.code is ErrorCode.UNAUTHORIZED


def test_a_secret_that_is_too_short_counts_as_none() -> None:
    settings = app(publishTokenSecret="short")
    assert open_doors(settings) == (Role.PLAY,)
    assert lock_faults(settings)
    with pytest.raises(RillcastError, match="no usable secret"):
        shown(settings, Role.PUBLISH, jwt.encode({"sub": "s1", "type": "publish"}, SECRET))


def test_two_locks_that_one_token_would_have_to_open_are_a_fault() -> None:
    both = app(
        playJwtControlEnabled=True, jwtStreamSecretKey=SECRET, hashControlPlayEnabled=True, tokenHashSecret=SECRET
    )
    assert lock_faults(both) == ("play: hash and jwt are asked for at once in the one token",)
    with pytest.raises(RillcastError):
        shown(both, Role.PLAY, stream_hash(STREAM, Role.PLAY, SECRET))


def test_the_secret_of_the_role_comes_before_the_apps() -> None:
    other = "another secret that is long enough too"
    settings = app(publishJwtControlEnabled=True, jwtStreamSecretKey=SECRET, publishTokenSecret=other)
    claims = {"streamId": "s1", "type": "publish", "exp": 2_000}

    assert shown(settings, Role.PUBLISH, jwt.encode(claims, other)) == VerifiedIdentity(Proof.JWT, "s1")
    with pytest.raises(RillcastError):
        shown(settings, Role.PUBLISH, jwt.encode(claims, SECRET))
    assert not lock_faults(settings)
