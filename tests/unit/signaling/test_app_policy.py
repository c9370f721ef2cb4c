"""The policy that an app sets for browsers: `contentSecurityPolicyHeaderValue`."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.unit.signaling.fake_nodes import LIVE
from tests.unit.signaling.two_instances import Pair, pair

POLICY = "frame-ancestors https://tv.example; default-src 'self'"
SETTINGS = "/rest/v2/applications/settings/live"


@pytest.fixture
async def c() -> AsyncIterator[Pair]:
    async with pair(apps="live,other") as both:
        yield both


async def test_every_answer_below_the_apps_path_has_it_at_once_at_every_instance(c: Pair) -> None:
    async with c.at(1) as one, c.at(2) as other:
        assert (await one.post(SETTINGS, json={"contentSecurityPolicyHeaderValue": POLICY})).json()["success"]
        await c.sees(lambda: all(c.settings_at(n, LIVE).content_security_policy_header_value for n in (1, 2)))
        for http in (one, other):
            for path in ("/live/rest/v2/version", "/live/none", "/live/rest/v2/none"):
                assert (await http.get(path)).headers["content-security-policy"] == POLICY, path
            for path in ("/live/", "/live/watch.html"):
                own, apps = (await http.get(path)).headers.get_list("content-security-policy")
                assert ("object-src 'none'" in own, apps) == (True, POLICY), path
            for path in ("/", "/other/", "/rest/v2/version", "/rillcast/v1/status"):
                answer = await http.get(path)
                assert POLICY not in answer.headers.get_list("content-security-policy"), path
        assert (await one.post(SETTINGS, json={"contentSecurityPolicyHeaderValue": ""})).json()["success"]
        await c.sees(lambda: not c.settings_of(LIVE).content_security_policy_header_value)
        assert "content-security-policy" not in (await one.get("/live/rest/v2/version")).headers


@pytest.mark.parametrize("value", ["a\r\nSet-Cookie: x=1", "a\n", "caf\u00e9", "x" * 5_000])
async def test_what_no_header_can_hold_is_refused_by_its_name(c: Pair, value: str) -> None:
    async with c.at(1) as http:
        answer = await http.post(SETTINGS, json={"contentSecurityPolicyHeaderValue": value})
        assert (answer.status_code == 200 and answer.json()["success"]) is False
        assert "contentSecurityPolicyHeaderValue" in answer.text
