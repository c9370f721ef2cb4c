"""Small pictures by a real process: of real bit streams, and of what somebody made to harm it."""

from __future__ import annotations

import asyncio
import io
import random
import signal
import sys
from collections.abc import AsyncIterator

import av
import pytest
import pytest_asyncio

from rillcast.apps.ladder_wish import DECODED
from rillcast.contracts.messages import NoPreview
from rillcast.contracts.messages.previews import LONGEST_SIDE, MOST_PICTURE_BYTES
from rillcast.testing.eventually import eventually, within
from services.transcoder.adapters import process_pictures
from services.transcoder.adapters.process_pictures import ProcessPictures
from services.transcoder.domain.picture_words import Made
from tests.unit.transcoder.pictures import Camera, bar_position, frames_of

DEADLINE_S = 60.0
FUZZED = 60


def keyframe(codec: str, width: int = 640, height: int = 360, pixels: str = "yuv420p") -> bytes:
    camera, packets = Camera(codec, width, height, pixels=pixels), []
    for _ in range(3):
        packets += camera.frame()
    return next(frame.data for frame in frames_of(codec, packets) if frame.keyframe)


def seen(made: Made) -> av.VideoFrame:
    """The picture as a browser would decode it."""
    assert made.why is None, made.why
    assert len(made.picture) <= MOST_PICTURE_BYTES
    with av.open(io.BytesIO(made.picture), mode="r", format="mjpeg") as container:
        frame = next(container.decode(video=0))
    assert isinstance(frame, av.VideoFrame)
    assert (frame.width, frame.height) == (made.width, made.height)
    return frame


@pytest_asyncio.fixture
async def pictures() -> AsyncIterator[ProcessPictures]:
    made = ProcessPictures()
    try:
        yield made
    finally:
        await made.close()
        assert made.process is None


@pytest.mark.parametrize("codec", DECODED)
async def test_every_codec_gives_its_picture(pictures: ProcessPictures, codec: str) -> None:
    frame = seen(await pictures.make(codec, keyframe(codec)))
    assert (frame.width, frame.height) == (320, 180)
    assert bar_position(frame) == pytest.approx(1 / 32, abs=0.02)


@pytest.mark.parametrize(
    ("size", "small"),
    [((360, 640), (180, 320)), ((160, 90), (160, 90)), ((1920, 1080), (320, 180)), ((640, 64), (320, 32))],
)
async def test_a_picture_keeps_its_shape_and_is_never_larger(
    pictures: ProcessPictures, size: tuple[int, int], small: tuple[int, int]
) -> None:
    frame = seen(await pictures.make("VP8", keyframe("VP8", *size)))
    assert (frame.width, frame.height) == small
    assert max(small) <= LONGEST_SIDE


@pytest.mark.parametrize(("codec", "pixels"), [("H264", "yuv444p"), ("VP9", "yuv444p"), ("H265", "yuv420p10le")])
async def test_other_pixels_become_a_picture_as_well(pictures: ProcessPictures, codec: str, pixels: str) -> None:
    seen(await pictures.make(codec, keyframe(codec, pixels=pixels)))


@pytest.mark.parametrize("codec", DECODED)
async def test_what_is_cut_or_changed_harms_nobody(pictures: ProcessPictures, codec: str) -> None:
    good, rng = keyframe(codec), random.Random(7)
    for _ in range(FUZZED):
        bad = bytearray(good)
        for _ in range(rng.randrange(1, 40)):
            bad[rng.randrange(len(bad))] = rng.randrange(256)
        for data in (bytes(bad), good[: rng.randrange(len(good))], rng.randbytes(rng.randrange(2_000))):
            made = await pictures.make(codec, data)
            assert (made.why is None) is bool(made.picture)
    seen(await pictures.make(codec, good))


@pytest.mark.parametrize("codec", DECODED)
async def test_nothing_at_all_and_another_codec_give_no_picture(pictures: ProcessPictures, codec: str) -> None:
    other = "H264" if codec != "H264" else "VP8"
    assert (await pictures.make(codec, b"")).why is NoPreview.UNDECODABLE
    made = await pictures.make(codec, keyframe(other))
    assert made.why in (NoPreview.UNDECODABLE, NoPreview.TOO_LARGE)


async def test_pictures_that_claim_to_be_huge_are_not_decoded(pictures: ProcessPictures) -> None:
    small = bytearray(keyframe("VP8", 160, 90))
    assert small[3:6] == b"\x9d\x01\x2a"
    small[6:10] = b"\xff\x3f\xff\x3f"  # 16383 × 16383
    made = await pictures.make("VP8", bytes(small))
    assert made.why in (NoPreview.UNDECODABLE, NoPreview.TOO_LARGE)
    seen(await pictures.make("VP8", keyframe("VP8")))


async def test_a_process_that_hangs_is_ended_and_the_next_picture_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_pictures, "PICTURE_S", 0.3)
    hangs = "import sys, time; sys.stdout.buffer.write(b'\\x06'); sys.stdout.flush(); time.sleep(600)"
    pictures = ProcessPictures((sys.executable, "-c", hangs))
    assert (await pictures.make("VP8", b"data")).why is NoPreview.FAILED
    assert pictures.process is None
    monkeypatch.setattr(process_pictures, "PICTURE_S", DEADLINE_S)
    pictures._command = ProcessPictures()._command
    seen(await pictures.make("VP8", keyframe("VP8")))
    await pictures.close()


@pytest.mark.parametrize(
    "words",
    [
        "raise SystemExit(3)",
        "import os; os.abort()",
        "import sys; sys.stdout.buffer.write(b'\\x06' + bytes(9)); sys.stdout.flush(); sys.stdin.buffer.read()",
        "import sys; sys.stdout.buffer.write(b'\\x06' + b'\\xff' * 99); sys.stdout.flush(); sys.stdin.buffer.read()",
        "print('hello')",
    ],
)
async def test_a_process_that_ends_or_lies_gives_no_picture(words: str) -> None:
    pictures = ProcessPictures((sys.executable, "-c", words))
    assert (await pictures.make("VP8", b"data")).why is NoPreview.FAILED
    assert pictures.process is None
    await pictures.close()


async def test_a_process_that_is_killed_is_replaced(pictures: ProcessPictures) -> None:
    seen(await pictures.make("VP8", keyframe("VP8")))
    process = pictures._process
    assert process is not None
    process.kill()
    await process.wait()
    seen(await pictures.make("VP8", keyframe("VP8")))
    assert pictures.process != process.pid


async def test_one_who_leaves_does_not_take_the_answer_of_the_next_one(pictures: ProcessPictures) -> None:
    large, small = keyframe("VP8", 1920, 1080), keyframe("VP8", 160, 90)
    seen(await pictures.make("VP8", small))
    leaving = asyncio.create_task(pictures.make("VP8", large))
    await asyncio.sleep(0)
    leaving.cancel()
    made = await pictures.make("VP8", small)
    assert (made.width, made.height) == (160, 90)


@pytest.mark.parametrize("is_stopped", [False, True])
async def test_it_ends_when_nobody_asks_any_more(is_stopped: bool) -> None:
    pictures = ProcessPictures(idle_s=0.5)
    seen(await pictures.make("VP8", keyframe("VP8")))
    process = pictures._process
    assert process is not None
    if is_stopped:
        process.send_signal(signal.SIGSTOP)
    await eventually(lambda: pictures.process is None, DEADLINE_S, "that nobody holds it any more")
    async with within(DEADLINE_S, "the end of the process"):
        assert await process.wait() == -signal.SIGKILL
    seen(await pictures.make("VP8", keyframe("VP8")))
    await pictures.close()


async def test_its_environment_has_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RILLCAST_NATS_PASSWORD", "hidden")
    shows = "import os, sys; sys.exit(any('RILLCAST' in name for name in os.environ))"
    pictures = ProcessPictures((sys.executable, "-c", shows))
    started: list[int | None] = []
    create = asyncio.create_subprocess_exec

    async def exec_(*command: str, **options: object) -> asyncio.subprocess.Process:
        process = await create(*command, **options)  # type: ignore[arg-type]
        started.append(await process.wait())
        return process

    monkeypatch.setattr(asyncio, "create_subprocess_exec", exec_)
    assert (await pictures.make("VP8", b"data")).why is NoPreview.FAILED
    assert started == [0]
