"""One cluster and two browsers for all end-to-end tests, all on one event loop."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import AsyncIterator, Generator
from contextlib import AsyncExitStack
from pathlib import Path

import imageio_ffmpeg
import pytest
import pytest_asyncio
from playwright.async_api import Playwright, async_playwright, expect

from tests.e2e.browser import PAGE_TIMEOUT_MS, Strangers, bundle_clients, chromium, website
from tests.e2e.cluster import Cluster, cluster
from tests.e2e.publishers import make_source

HERE = Path(__file__).resolve().parent
TEST_TIMEOUT_S = 180
"""With the clusters and browsers that begin with it, on a busy machine. Waits inside say sooner what is missing."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)
            item.add_marker(pytest.mark.timeout(TEST_TIMEOUT_S))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failure shows what the nodes logged of the test's stream, their last warnings, and what the pages said."""
    report = yield
    given = getattr(item, "funcargs", {})
    if report.failed and report.when == "call":
        for running in (value for value in given.values() if isinstance(value, Cluster)):
            report.sections.append(("what the nodes logged", running.logged(given.get("stream"))))
        if isinstance(pages := given.get("strangers"), Strangers):
            report.sections.append(("what the pages said", "\n".join(pages.said)))
    return report


def need(there: object, what: str) -> None:
    """Skips on a laptop that lacks something; fails where everything has to be there."""
    if not there:
        (pytest.fail if os.environ.get("RILLCAST_REQUIRE_ALL") == "1" else pytest.skip)(f"there is no {what} here")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def rillcast(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Cluster]:
    """Two edges, one of everything else."""
    async with cluster(tmp_path_factory.mktemp("cluster"), edges=2) as running:
        yield running
    assert running.tracebacks() == [], "nothing a client does may raise what nobody expected"


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def driver() -> AsyncIterator[Playwright]:
    """What starts browsers."""
    expect.set_options(timeout=PAGE_TIMEOUT_MS)
    async with async_playwright() as playwright:
        yield playwright


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def strangers(tmp_path_factory: pytest.TempPathFactory, driver: Playwright) -> AsyncIterator[Strangers]:
    need(shutil.which("chromium"), "chromium")
    need((HERE / "node_modules/.bin/esbuild").exists(), "tests/e2e/node_modules (npm ci)")
    folder = tmp_path_factory.mktemp("site")
    await bundle_clients(folder)
    async with AsyncExitStack() as stack:
        site = stack.enter_context(website(folder))
        with_camera = await stack.enter_async_context(chromium(driver, camera=True))
        without = await stack.enter_async_context(chromium(driver, camera=False))
        yield Strangers(with_camera, without, site)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file for ffmpeg to publish, in a folder for logs."""
    need(imageio_ffmpeg.get_ffmpeg_exe(), "ffmpeg")
    return await make_source(tmp_path_factory.mktemp("source"))


@pytest.fixture
def stream() -> str:
    """A stream id nobody else uses."""
    return f"e2e-{secrets.token_hex(4)}"
