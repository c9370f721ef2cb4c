"""A page of another site that an operator opens beside the session with which the cluster is administered."""

from __future__ import annotations

from tests.e2e.browser import Strangers
from tests.e2e.cluster import Cluster
from tests.e2e.console import account, console_of

SETTINGS = "/rest/v2/applications/settings/LiveApp"
STATUS = "/rillcast/v1/status"
FETCH = """async ({url, options}) => {
  try {
    const answer = await fetch(url, {credentials: "include", ...options});
    return {type: answer.type, status: answer.status, text: await answer.text()};
  } catch (error) {
    return {type: error.name, status: 0, text: ""};
  }
}"""
WRITTEN = '{"webRTCViewerLimit": 0}'
JSON = {"Content-Type": "application/json"}
TRIED: list[tuple[str, dict[str, object]]] = [
    (SETTINGS, {}),
    (STATUS, {}),
    ("/rest/v2/user-list", {}),
    (SETTINGS, {"method": "POST", "body": WRITTEN}),
    (SETTINGS, {"method": "POST", "body": WRITTEN, "mode": "no-cors"}),
    (SETTINGS, {"method": "POST", "body": WRITTEN, "headers": JSON}),
    ("/rest/v2/users/nobody", {"method": "DELETE"}),
    ("/rest/v2/users/logout", {"method": "DELETE"}),
]
"""Reading, writing what needs no preflight request, and what needs one."""


async def test_a_page_of_another_site_neither_reads_nor_writes_with_an_operators_session(
    rillcast: Cluster, strangers: Strangers
) -> None:
    """It has another port of the same host, so that the browser sends the cookie along."""
    name = await account(rillcast)
    before = (await rillcast.request("GET", rillcast.base + SETTINGS)).json()
    async with console_of(rillcast, strangers) as console:
        page = console.page
        await console.enter(name)
        own = await page.evaluate(FETCH, {"url": rillcast.base + STATUS, "options": {}})
        assert own["status"] == 200, "the session is good for its own page"

        await page.goto(f"{strangers.site}/client.html")
        for path, options in TRIED:
            got = await page.evaluate(FETCH, {"url": rillcast.base + path, "options": options})
            assert got["text"] == "", f"{options} {path}"
            assert got["type"] in ("TypeError", "opaque"), f"{options} {path}"

        await page.goto(f"{rillcast.base}/console")
        own = await page.evaluate(FETCH, {"url": rillcast.base + STATUS, "options": {}})
        assert own["status"] == 200, "the session goes on"
    assert (await rillcast.request("GET", rillcast.base + SETTINGS)).json() == before
