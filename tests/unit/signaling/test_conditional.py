"""What clients have already, and how they take an answer (RFC 9110)."""

from __future__ import annotations

import pytest

from services.signaling.core.domain.conditional import has_already, takes_gzip

TAG = '"abc"'


@pytest.mark.parametrize(
    "header",
    [
        "gzip",
        "GZIP",
        "x-gzip",
        "gzip, deflate, br",
        "br;q=1.0, gzip;q=0.8",
        "*",
        "*;q=0.1",
        "gzip;q=0.001",
        "deflate,gzip ; q=1",
        "identity;q=0, *",
        "identity;q=0.5, gzip;q=0.5",
        "gzip;q=0.5, *;q=0",
        ",, gzip ,",
        "gzip;Q=1.000",
        "identity;q=0, gzip",
    ],
)
def test_gzip_is_sent_to_who_takes_it(header: str) -> None:
    assert takes_gzip(header)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "identity",
        "br",
        "gzip;q=0",
        "gzip;q=0.0",
        "gzip;q=0.000",
        "*;q=0",
        "gzip;q=0, *",
        "gzip; q=0 , br",
        "deflate",
        "gzip;q=0.5, identity",
        "gzipped",
        "x-gzip;q=0, gzip",
        "gzip;q=2",
        "gzip;q=abc",
        "gzip;level=9",
        "gzip q=1",
        "gz ip",
        "gzip;q=0.1234",
        "identity;q=1, *;q=0.5",
    ],
)
def test_gzip_is_not_sent_to_others(header: str) -> None:
    assert not takes_gzip(header)


@pytest.mark.parametrize(
    "header",
    [TAG, f"W/{TAG}", "*", " * ", f'"x", {TAG}', f'{TAG},"x"', f'"x",W/"y" ,, {TAG}', f",{TAG},", f'"a,b", {TAG}'],
)
def test_who_has_it_is_not_sent_it_again(header: str) -> None:
    assert has_already(header, TAG)


@pytest.mark.parametrize(
    "header",
    [
        "",
        '"x"',
        "abc",
        '"abcd"',
        '"ABC"',
        'w/"abc"',
        '"x" "abc"',
        '"x"; "abc"',
        '"x, "abc"',
        f"**, {TAG}",
        f"*, {TAG}",
        '"abc',
    ],
)
def test_who_has_it_not_is_sent_it(header: str) -> None:
    assert not has_already(header, TAG)
