"""ffmpeg that publishes by WHIP ends when its origin does, and is not left waiting. ffmpeg that dies without a word
and is started again has its stream at once with a token, and without one when it has been silent for the documented
time. Viewers keep their peer connection."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio

from rillcast.contracts.words import Role
from rillcast.runtime.tasks.cancel import cancelled
from services.origin.domain.takeover import SILENT_S
from services.signaling.core.domain.holds import SETTLED_MS
from tests.e2e.browser import Stranger, Strangers
from tests.e2e.cluster import ROOT, Cluster, cluster, until
from tests.e2e.protected_app import APP, LIFE_S, SECRET, jwt, one_time, protected
from tests.e2e.publishers import ffmpeg_whip, killed, running
from tests.e2e.test_node_failures import end

OFFER = (ROOT / "tests" / "vectors" / "sdp" / "chromium-156-publish-h264.sdp").read_bytes()


@asynccontextmanager
async def viewer_of(rillcast: Cluster, strangers: Strangers, stream: str, app: str) -> AsyncIterator[Stranger]:
    await rillcast.live(stream)
    async with strangers.open() as viewer:
        await viewer.call("whepPlay", url=rillcast.whep(stream, app))
        await viewer.until_watching()
        yield viewer


async def clock_ms() -> float:
    """Unix time in milliseconds."""
    return time.time() * 1_000


def log_of(source: Path, stream: str, which: str) -> Path:
    return source.parent / f"{stream}-{which}.log"


async def goes_on(viewer: Stranger) -> None:
    seen = await viewer.until_frames_go_on()
    assert seen.made == 1
    assert seen.first is not None
    assert seen.first.state == "connected"


@pytest.mark.parametrize("lock", ["publishJwtControlEnabled", "publishTokenControlEnabled"])
async def test_a_killed_ffmpeg_with_a_token_has_its_stream_at_once(
    rillcast: Cluster, strangers: Strangers, stream: str, source: Path, lock: str
) -> None:
    """A renewed JWT is another text for the same publisher, while its dead session looks as if it lived. A one-time
    token is shown again, when the session that holds it is older than 2 s."""
    async with protected(rillcast, **{lock: True, "jwtStreamSecretKey": SECRET}):
        if lock == "publishTokenControlEnabled":
            before = after = await one_time(rillcast, stream, Role.PUBLISH)
        else:
            before = await jwt(rillcast, stream, Role.PUBLISH)
            after = await jwt(rillcast, stream, Role.PUBLISH, 2 * LIFE_S)
            assert before != after
        first, second = (
            ffmpeg_whip(source, rillcast.whip(stream, APP), "-authorization", token) for token in (before, after)
        )
        async with (
            killed(*first, log=log_of(source, stream, "first")) as dying,
            viewer_of(rillcast, strangers, stream, APP) as viewer,
        ):
            live = await rillcast.live(stream)
            await until(
                clock_ms, lambda now: now > live.started_at_ms + SETTLED_MS, "a session that has lasted a while"
            )
            dying.kill()
            await dying.wait()
            async with running(*second, log=log_of(source, stream, "second")):
                await goes_on(viewer)
                assert (await rillcast.live(stream)).epoch == live.epoch


async def test_a_killed_ffmpeg_without_a_token_has_its_stream_when_it_was_silent_for_long_enough(
    rillcast: Cluster, strangers: Strangers, stream: str, source: Path
) -> None:
    log = log_of(source, stream, "again")
    command = ffmpeg_whip(source, rillcast.whip(stream))

    async def begun() -> bool:
        """Whether the stream has been silent for long enough. ffmpeg is not asked to find that out."""
        headers = {"Content-Type": "application/sdp"}
        answer = await rillcast.request("POST", rillcast.whip(stream), content=OFFER, headers=headers)
        if answer.status_code == 201:
            await rillcast.request("DELETE", rillcast.base + answer.headers["location"])
            return True
        assert (answer.status_code, answer.headers["retry-after"]) == (409, f"{SILENT_S:.0f}")
        return False

    async with (
        killed(*command, log=log_of(source, stream, "first")) as dying,
        viewer_of(rillcast, strangers, stream, "LiveApp") as viewer,
    ):
        assert not await begun(), "it is live"
        dying.kill()
        await dying.wait()
        await until(begun, bool, "a stream that nobody has any more")
        async with running(*command, log=log):
            await goes_on(viewer)


async def test_ffmpeg_that_is_started_again_and_again_by_a_script_gets_its_stream(
    rillcast: Cluster, strangers: Strangers, stream: str, source: Path
) -> None:
    """The muxer has no option to reconnect, so a loop around it is what people use."""
    command = ffmpeg_whip(source, rillcast.whip(stream))
    tries = 0

    async def lasts() -> bool:
        """Whether one more ffmpeg has published until it was killed. Of one that is refused the log says so."""
        nonlocal tries
        tries += 1
        log = log_of(source, stream, f"try-{tries}")
        async with killed(*command, log=log) as process:
            going_on = asyncio.create_task(goes_on(viewer))
            ended = asyncio.create_task(process.wait())
            await asyncio.wait((going_on, ended), return_when=asyncio.FIRST_COMPLETED)
            if going_on.done():
                ended.cancel()
                going_on.result()
                return True
            going_on.cancel()
            assert "409" in log.read_text(errors="replace"), log.read_text(errors="replace")[-2000:]
            return False

    async with (
        killed(*command, log=log_of(source, stream, "first")) as dying,
        viewer_of(rillcast, strangers, stream, "LiveApp") as viewer,
    ):
        dying.kill()
        await dying.wait()
        await until(lasts, bool, "an ffmpeg that is let in")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def origins(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Cluster]:
    """Two of them."""
    async with cluster(tmp_path_factory.mktemp("origins"), origins=2) as running:
        yield running


@asynccontextmanager
async def published_by_a_loop(*command: str, log: Path) -> AsyncIterator[None]:
    """Until the end of the block, ffmpeg is started anew whenever it ends."""

    async def again_and_again() -> None:
        while True:
            async with killed(*command, log=log) as process:
                await process.wait()

    loop = asyncio.create_task(again_and_again())
    try:
        yield
    finally:
        await cancelled(loop)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL], ids=["drained", "killed"])
async def test_ffmpeg_whose_origin_ends_has_its_stream_again_before_the_lease_is_over(
    origins: Cluster, source: Path, stream: str, how: signal.Signals
) -> None:
    """What a drained origin sends last must not leave it waiting: nobody would start it anew. And it shows nothing by
    which it is known, so it must not wait for the claim of an owner that is known to have ended."""
    log = log_of(source, stream, "loop")
    command = ffmpeg_whip(source, origins.whip(stream))
    async with published_by_a_loop(*command, log=log):
        live = await origins.live(stream)
        await end(origins, live.origin, how)
        again = await until(
            lambda: origins.stream(stream),
            lambda now: now is not None and now.media_flowing and now.epoch > live.epoch,
            "the stream is live again",
        )
        assert again is not None
        assert again.started_at_ms == live.started_at_ms, "it went on, and did not begin anew"
    assert origins.tracebacks() == []
