"""The pages for people."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette

from rillcast.runtime import metrics
from services.signaling.core.domain.app_catalog import AppCatalog
from services.signaling.pages.adapters.bookmarks import LEADS_TO
from services.signaling.pages.adapters.http_pages import Pages
from tests.integration.signaling.wire import WireCluster


def pages(folder: Path) -> httpx.AsyncClient:
    for name in ("index.html", "publish.html", "watch.html", "page.js"):
        (folder / name).write_text(f"<p>{name}</p>")
    shown = Pages(AppCatalog(["live"], {}), folder)
    app = Starlette()
    app.add_route("/", shown.root)
    app.add_route("/static/{path:path}", shown.file)
    app.add_route("/{app}/", shown.app_page)
    app.add_route("/{app}/samples/{page}", shown.sample)
    app.add_route("/{app}/{page}", shown.app_page)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://tv.example:5080")


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/", "index.html"),
        ("/live/", "index.html"),
        ("/live/publish.html", "publish.html"),
        ("/live/watch.html?id=s1", "watch.html"),
        ("/live/play.html?id=s1", "watch.html"),
        ("/static/page.js", "page.js"),
    ],
)
async def test_pages_are_where_visitors_expect_them(tmp_path: Path, path: str, shown: str) -> None:
    answer = await pages(tmp_path).get(path)

    assert answer.status_code == 200
    assert answer.text == f"<p>{shown}</p>"


@pytest.mark.parametrize(
    ("path", "to"),
    [
        ("/live/player.html?id=s1&token=a.b-c", "/live/watch.html?id=s1&token=a.b-c"),
        ("/live/samples/publish_webrtc.html?id=s1", "/live/publish.html?id=s1"),
        ("/live/publish_webrtc.html", "/live/publish.html"),
        ("/live/samples/play_webrtc.html?name=s%201&x=%0d%0a", "/live/watch.html?name=s%201&x=%0d%0a"),
        ("/live/samples.html", "/live/index.html"),
        ("/live/samples/", "/live/index.html"),
        ("/live/samples?id=s1", "/live/index.html?id=s1"),
        (
            "/live/audio_player.html?id=s1&subscriberId=a&subscriberCode=1",
            "/live/watch.html?id=s1&subscriberId=a&subscriberCode=1",
        ),
    ],
)
async def test_bookmarks_of_other_pages_lead_to_ours_with_their_query(c: WireCluster, path: str, to: str) -> None:
    async with c.http() as http:
        answer = await http.get(path)
        shown = await http.get(path, follow_redirects=True)

    assert answer.status_code == 302
    assert answer.headers["location"].startswith(tuple(".wpis")), "relative, for proxies that add to the path"
    assert (shown.status_code, shown.url.raw_path.decode()) == (200, to)


@pytest.mark.parametrize("name", sorted(LEADS_TO))
@pytest.mark.parametrize("folder", ["", "samples/"])
async def test_every_bookmark_leads_to_a_page(tmp_path: Path, name: str, folder: str) -> None:
    answer = await pages(tmp_path).get(f"/live/{folder}{name}", follow_redirects=True)

    assert answer.text in {"<p>index.html</p>", "<p>publish.html</p>", "<p>watch.html</p>"}


@pytest.mark.parametrize("folder", ["", "samples/"])
async def test_a_page_that_nobody_has_here_is_refused_in_words(c: WireCluster, folder: str) -> None:
    async with c.http() as http:
        answer = await http.get(f"/live/{folder}conference.html?roomName=r1")
        nothing = await http.get(f"/live/{folder}nothing.html")
        no_app = await http.get(f"/none/{folder}conference.html")

    assert (answer.status_code, "Conference rooms are not served here." in answer.text) == (501, True)
    assert (nothing.status_code, no_app.status_code) == (404, 404)


async def test_pages_may_load_from_here_only(tmp_path: Path) -> None:
    headers = (await pages(tmp_path).get("/live/watch.html")).headers

    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'self'; connect-src 'self' ws://tv.example:5080 wss://tv.example:5080;")
    assert "media-src 'self' blob:" in policy


@pytest.mark.parametrize(
    "path", ["/none/", "/none/watch.html", "/live/other.html", "/static/%2e%2e/secret", "/static/no"]
)
async def test_nothing_else_is_shown(tmp_path: Path, path: str) -> None:
    folder = tmp_path / "static"
    folder.mkdir()
    (tmp_path / "secret").write_text("secret")

    assert (await pages(folder).get(path)).status_code == 404


@pytest.mark.parametrize(
    "path", ["%00", "a" * 300, "a" * 5_000, "%2e%2e/wire.py", "..%2fwire.py", ".", "", "%ff", "app.css/", "/etc/passwd"]
)
async def test_what_is_no_file_is_not_found_and_no_fault(c: WireCluster, path: str) -> None:
    before = sum(metrics.HTTP_FAILED.labels(protocol)._value.get() for protocol in ("http", "websocket"))
    async with c.http() as http:
        assert (await http.get(f"/static/{path}")).status_code == 404
    assert sum(metrics.HTTP_FAILED.labels(protocol)._value.get() for protocol in ("http", "websocket")) == before


async def test_pages_do_not_lie_among_the_files_where_no_policy_would_hold(tmp_path: Path) -> None:
    assert (await pages(tmp_path).get("/static/index.html")).status_code == 404


async def test_a_file_that_the_browser_has_is_not_sent_again(tmp_path: Path) -> None:
    client = pages(tmp_path)
    first = await client.get("/static/page.js")
    tag = first.headers["etag"]
    again = await client.get("/static/page.js", headers={"If-None-Match": f'W/"old", {tag}'})
    other = await client.get("/static/publish.html", headers={"If-None-Match": tag})
    changed = await client.get("/static/page.js", headers={"If-None-Match": '"of an older version"'})

    assert first.headers["cache-control"] == "no-cache", "it is asked for each time"
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert (other.status_code, changed.status_code) == (404, 200)


@pytest.mark.parametrize(
    ("accepted", "compressed"),
    [("gzip, br", True), ("br;q=1, GZIP;q=0.5", True), ("", False), ("br", False), ("gzip;q=0", False)],
)
async def test_a_file_is_compressed_for_whoever_takes_that(tmp_path: Path, accepted: str, *, compressed: bool) -> None:
    answer = await pages(tmp_path).get("/static/page.js", headers={"Accept-Encoding": accepted})

    assert (answer.headers.get("content-encoding") == "gzip") is compressed
    assert answer.text == "<p>page.js</p>"
    assert answer.headers["vary"] == "Accept-Encoding"


async def test_the_console_has_a_policy_and_lets_no_other_page_frame_it(c: WireCluster) -> None:
    async with c.http() as http:
        page = await http.get("/console")
        below = await http.get("/console/")
        before = await http.get("/operator")

    assert page.status_code == 200
    assert "default-src 'self'" in page.headers["content-security-policy"]
    assert "unsafe" not in page.headers["content-security-policy"]
    assert page.headers["x-frame-options"] == "DENY"
    assert (below.status_code, below.headers["location"]) == (302, "../console")
    assert (before.status_code, before.headers["location"]) == (302, "console")
