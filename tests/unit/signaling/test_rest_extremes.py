"""What no client sends by accident: every operation answers it with what the document declares, and never with 5xx."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rillcast.testing.clock import VirtualTimeLoop
from tests.unit.signaling.test_signaling_rest_fuzz import GOES, Asker, check

TEN_MB = 10_000_000
JSON = {"content-type": "application/json"}
HONEST = {501}
"""What is not done is refused with it, by the operations that declare it."""
BODIES: dict[str, bytes] = {
    "ten megabytes of one text": b'{"name": "' + b"x" * TEN_MB + b'"}',
    "ten megabytes of blanks": b" " * TEN_MB + b"{}",
    "ten megabytes of numbers": b"[" + b"1," * (TEN_MB // 2) + b"1]",
    "ten megabytes of keys": b"{" + b",".join(b'"k%d":1' % n for n in range(TEN_MB // 11)) + b"}",
    "nested lists": b"[" * 100_000 + b"]" * 100_000,
    "nested objects": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    "nested where a text is": b'{"streamId":' + b"[" * 50_000 + b"]" * 50_000 + b"}",
    "a number with many digits": b'{"webRTCViewerLimit": ' + b"9" * 100_000 + b"}",
    "a number with a large exponent": b'{"webRTCViewerLimit": 1e999999999, "speed": 1e400, "date": 1e308}',
    "numbers that are none": b'{"speed": NaN, "date": Infinity, "duration": -Infinity}',
    "numbers beyond 64 bits": b'{"webRTCViewerLimit": 18446744073709551616, "date": -9223372036854775809}',
    "a minus alone": b'{"date": -}',
    "lone surrogates": b'{"streamId": "\\ud800", "name": "\\udfff\\ud800", "email": "\\udc00", "\\ud800": 1}',
    "a surrogate as bytes": b'{"streamId": "\xed\xa0\x80", "name": "\xed\xbf\xbf"}',
    "keys twice": b'{"streamId": "a", "streamId": "b", "email": "a", "email": "b", "name": 1, "name": "x"}',
    "keys twice, the last one bad": b'{"streamId": "a", "streamId": 5, "email": "a", "email": []}',
    "a key of a megabyte": b'{"' + b"k" * 200_000 + b'": 1}',
    "an empty key": b'{"": 1, "\\u0000": 2}',
    "NUL in texts": b'{"streamId": "a\\u0000b", "name": "\\u0000", "email": "\\u0000", "subscriberId": "a\\u0000b"}',
    "UTF-16": '{"streamId": "wide"}'.encode("utf-16"),
    "a comment": b'{/* */ "streamId": "a"}',
    "a list in a list": b'[["a"], {"streamId": ["a"]}]',
    "one id many times": b"[" + b'"s1",' * 20_000 + b'"s1"]',
    "one broadcast many times": b"[" + b'{"streamId": "twice"},' * 2_000 + b'{"streamId": "twice"}]',
}
TEXTS = (
    *("", " ", ".", "..", "...", "%", "%00", "%2e%2e", "%ff", "\x00", "\x7f", "a/b", "a\\b", "a;b", "a?b", "a#b", "*"),
    *("create", "list", "count", "null", "NaN", "-0", "1e3", "\u200b", "\ufeff", "\u202e", "\U0001f4a9", "e\u0301"),
    *("x" * 255, "x" * 4_000, "9" * 400, "-" * 99, "' OR 1=1 --", "<script>", "${jndi}", "{{7*7}}", "live", "s1"),
)
ANY_TEXT = st.one_of(st.sampled_from(TEXTS), st.text(max_size=40))
NUMBERS = st.one_of(st.integers(-(1 << 70), 1 << 70).map(str), st.sampled_from(["NaN", "1.0", "0x1", "١", "1_0", "+1"]))

ODD = frozenset({b"", b".", b"..", b"%2e", b"%2e%2e"})
FIXED = frozenset({"create", "list", "count", "create-list", "duration", "validate-token"})
"""What makes another operation's path of an address if it stands in the place of an id."""


@pytest.fixture(scope="module")
def asker() -> Iterator[Asker]:
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        made = Asker(runner)
        runner.run(made.open())
        yield made
        runner.run(made.close())


def good(asker: Asker, operation: dict[str, Any], answer: httpx.Response) -> None:
    """A declared answer, and no fault of the server."""
    check(asker, operation, answer)
    assert answer.status_code < 500 or answer.status_code in HONEST | {503}, answer.text[:300]
    if answer.status_code == 503:  # a license service and nodes are not there
        assert "no " in answer.text or "not answer" in answer.text, answer.text[:300]


def plain(path: str, method: str) -> str:
    """An address of an operation that makes sense."""
    url = path.replace("{app}", "made" if (method, path) == GOES else "live").replace("{stream}", "s1")
    for number in ("{offset}", "{size}", "{seconds}", "{milliseconds}", "{log_offset}", "{chars}"):
        url = url.replace(number, "5")
    return url.replace("{kind}", "play").replace("{switch}", "true").replace("{", "").replace("}", "")


@pytest.mark.parametrize("kind", BODIES)
@pytest.mark.parametrize("announced", [True, False])
def test_bodies_that_nobody_sends(asker: Asker, kind: str, announced: bool) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(BODIES[kind]), 65_536):
            yield BODIES[kind][start : start + 65_536]

    asked = 0
    for path, method, operation in asker.operations():
        if "requestBody" in operation:
            asked += 1
            content = BODIES[kind] if announced else chunks()
            good(asker, operation, asker.ask(method, plain(path, method), content=content, headers=JSON))
    assert asked >= 14


@pytest.mark.parametrize("kind", ["ten megabytes of one text", "nested lists", "lone surrogates", "UTF-16"])
def test_bodies_where_none_is_read(asker: Asker, kind: str) -> None:
    for path, method, operation in asker.operations():
        if "requestBody" not in operation and method != "get":
            good(asker, operation, asker.ask(method, plain(path, method), content=BODIES[kind], headers=JSON))


def test_as_many_keys_in_the_query_as_a_head_may_have(asker: Asker) -> None:
    """And one key thousands of times."""
    many = "&".join(f"k{number}=v" for number in range(7_000))
    for path, method, operation in asker.operations():
        if "requestBody" in operation:
            continue
        names = [one["name"] for one in operation.get("parameters", ()) if one["in"] == "query"] or ["name"]
        for query in (many, "&".join([f"{names[0]}=1"] * 2_500), "&" * 9_999, "=" * 9_999):
            good(asker, operation, asker.ask(method, f"{plain(path, method)}?{query}"))


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_ids_paths_and_queries_of_any_text(asker: Asker, data: st.DataObject) -> None:
    path, method, operation = data.draw(st.sampled_from(asker.operations()))
    url, query = path, []
    for parameter in operation.get("parameters", ()):
        typed = parameter["schema"].get("type") == "integer"
        value = data.draw(st.one_of(NUMBERS, ANY_TEXT) if typed else ANY_TEXT, label=parameter["name"])
        if parameter["in"] == "path":
            if (parameter["name"], value) in {("app", ""), ("app", "live"), ("app", "LiveApp")}:
                value = "live" if (method, path) != GOES else "made"
            url = url.replace(f"{{{parameter['name']}}}", quote(value.encode("utf-8", "surrogatepass"), safe=""))
        else:
            times = data.draw(st.integers(0, 3))
            query += [f"{parameter['name']}={quote(value.encode('utf-8', 'surrogatepass'), safe='')}"] * times

    answer = asker.ask(method, f"{url}?{'&'.join(query)}")

    assert answer.status_code < 500 or answer.status_code in {501, 503}
    if _goes_to(path, url):
        good(asker, operation, answer)


def _goes_to(path: str, url: str) -> bool:
    """Whether a request goes to this operation, whatever stands in the place of its parameters."""
    template, segments = path.split("/"), httpx.URL(url).raw_path.split(b"/")
    if len(segments) != len(template) or any(one.lower() in ODD or b"%2f" in one.lower() for one in segments[1:]):
        return False
    given = [segment.decode() for segment, name in zip(segments, template, strict=True) if name.startswith("{")]
    return not FIXED & set(given)


def test_numbers_that_json_does_not_know_are_never_sent(asker: Asker) -> None:
    found: list[str] = []
    for path, method, _ in asker.operations():
        if method == "get":
            answer = asker.ask("get", plain(path, method))
            if answer.headers.get("content-type", "").startswith("application/json"):
                json.loads(answer.content, parse_constant=found.append)
    assert found == []
