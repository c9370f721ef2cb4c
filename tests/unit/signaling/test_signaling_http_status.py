"""Each refusal as an HTTP status, with a time to come back where coming back makes sense."""

from __future__ import annotations

import pytest

from rillcast.contracts.errors import ErrorCode, RillcastError
from services.signaling.core.domain.http_status import headers_of, status_of


def refused(code: ErrorCode, retry_after_s: float | None = None) -> RillcastError:
    return RillcastError(code, "because", retry_after_s=retry_after_s)


@pytest.mark.parametrize("code", ErrorCode)
def test_every_code_is_a_failure_and_503_says_when_to_come_back(code: ErrorCode) -> None:
    status = status_of(refused(code))

    assert 400 <= status <= 599
    assert ("Retry-After" in headers_of(refused(code), status)) == (status == 503 or code is ErrorCode.NO_STREAM_EXIST)


def test_who_showed_nothing_is_asked_for_credentials() -> None:
    error = refused(ErrorCode.UNAUTHORIZED)

    assert status_of(error, credentials_shown=True) == 403
    assert status_of(error, credentials_shown=False) == 401
    assert headers_of(error, 401) == {"WWW-Authenticate": 'Bearer realm="rillcast"'}
    assert headers_of(error, 403) == {}


def test_only_a_lack_of_credentials_is_401() -> None:
    assert status_of(refused(ErrorCode.UNKNOWN_APP), credentials_shown=False) == 404


@pytest.mark.parametrize(("given_s", "shown"), [(0.0, "1"), (0.2, "1"), (1.0, "1"), (1.1, "2"), (30.0, "30")])
def test_the_time_of_the_refusal_goes_before_and_is_whole_seconds_of_at_least_one(given_s: float, shown: str) -> None:
    for code in (ErrorCode.HIGH_RESOURCE_USAGE, ErrorCode.NO_STREAM_EXIST, ErrorCode.BAD_REQUEST):
        error = refused(code, given_s)
        assert headers_of(error, status_of(error))["Retry-After"] == shown
