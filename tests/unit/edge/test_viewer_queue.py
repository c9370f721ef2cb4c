"""Viewers that are looked at in small turns."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest_asyncio

from rillcast.media.protocol import PlaneSession, SessionStats
from services.edge.usecases.viewer_queue import MARK_TURN, TURN, Mark, ViewerQueue


def stats(session: int, *, loss: float = 0.0, nacks: int = 0) -> SessionStats:
    return SessionStats(
        session=PlaneSession(session),
        packets_sent=0,
        bytes_sent=0,
        packets_received=0,
        bytes_received=0,
        estimate_bps=0,
        fraction_lost=loss,
        rtt_ms=0.0,
        jitter_ms=0.0,
        nacks=nacks,
        repaired=0,
        dropped=0,
        video_bps=0,
        audio_bps=0,
    )


class Looked:
    """The queue under test, and what it looked at."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, SessionStats | None, Mark]] = []
        self.queue = ViewerQueue(lambda *what: self.seen.append(what))

    async def all(self) -> None:
        while len(self.queue):
            await asyncio.sleep(0)


@pytest_asyncio.fixture
async def looked() -> AsyncIterator[Looked]:
    looked = Looked()
    task = asyncio.create_task(looked.queue.run())
    yield looked
    task.cancel()


async def test_one_turn_takes_only_so_many_and_others_run_in_between(looked: Looked) -> None:
    for session in range(3 * TURN):
        looked.queue.put(stats(session))
    counts = []
    while len(looked.queue):
        await asyncio.sleep(0)
        counts.append(len(looked.seen))

    assert counts == [TURN, 2 * TURN, 3 * TURN]
    assert [session for session, _, _ in looked.seen] == list(range(3 * TURN))


async def test_newer_figures_replace_those_that_wait_but_the_loss_stays(looked: Looked) -> None:
    looked.queue.put(stats(1, loss=0.3, nacks=5))
    looked.queue.put(stats(1, loss=0.0, nacks=9))
    await looked.all()

    assert looked.seen == [(1, stats(1, loss=0.3, nacks=9), Mark.NOTHING)]


async def test_newer_figures_keep_what_the_last_report_has_shown(looked: Looked) -> None:
    behind = msgspec.structs.replace(stats(1), lag_ms=350.0, delivered_bps=600_000, backlogged=True)
    looked.queue.put(behind)
    looked.queue.put(stats(1, nacks=9))
    looked.queue.put(msgspec.structs.replace(behind, session=PlaneSession(2)))
    looked.queue.put(msgspec.structs.replace(stats(2), lag_ms=40.0))
    await looked.all()

    shown = [(seen.lag_ms, seen.delivered_bps, seen.backlogged) for _, seen, _ in looked.seen if seen is not None]
    assert shown == [(350.0, 600_000, True), (40.0, 0, False)]


async def test_reasons_are_gathered_into_one_look(looked: Looked) -> None:
    looked.queue.mark([PlaneSession(1), PlaneSession(2)], Mark.LOST)
    looked.queue.mark([PlaneSession(1)], Mark.CHANGED)
    looked.queue.put(stats(1))
    await looked.all()

    assert looked.seen == [(1, stats(1), Mark.LOST | Mark.CHANGED), (2, None, Mark.LOST)]


async def test_what_comes_after_a_look_is_looked_at_again(looked: Looked) -> None:
    looked.queue.put(stats(1, nacks=1))
    await looked.all()
    looked.queue.put(stats(1, nacks=2))
    await looked.all()

    assert [seen.nacks for _, seen, _ in looked.seen if seen is not None] == [1, 2]


async def test_marking_many_lets_others_run(looked: Looked) -> None:
    looked.queue.mark(map(PlaneSession, range(3 * MARK_TURN)), Mark.LOST)
    waiting = []
    while len(looked.queue):
        await asyncio.sleep(0)
        waiting.append(len(looked.queue._marks))

    assert waiting[:3] == [MARK_TURN - TURN, 2 * (MARK_TURN - TURN), 3 * (MARK_TURN - TURN)]
    assert [session for session, _, _ in looked.seen] == list(range(3 * MARK_TURN))
