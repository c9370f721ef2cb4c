"""Small pictures of streams, made while somebody looks at them, and kept for some seconds."""

from __future__ import annotations

import asyncio
from collections import OrderedDict

import msgspec

from rillcast.cluster.stream_directory import LiveStream
from rillcast.cluster.stream_watch import StreamWatch
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import ClaimId, stream_key
from rillcast.contracts.messages import NoPreview, PreviewAnswer, PreviewRequest
from rillcast.node.background import BackgroundTasks
from services.transcoder import metrics
from services.transcoder.domain.pace import Pace
from services.transcoder.domain.preview_track import is_decoded, preview_track
from services.transcoder.ports import Clock, Pictures, WallClock
from services.transcoder.usecases.keyframe_feeds import KeyframeFeeds
from services.transcoder.usecases.running_jobs import RunningJobs

FRESH_S = 8.0
"""For so long the last picture is good enough."""
REFUSED_S = 15.0
"""For so long a stream is left alone of which no picture could be made."""
MOST_KEPT = 128
"""Pictures in memory: 8 MiB at most."""
MOST_WANTED = 24
"""Streams of which a picture is wanted at one time; more are refused."""
AT_ONCE = 4
"""Of these, so many are brought here at one time."""
KEYFRAME_S = 4.0
"""How long it is waited for a keyframe: longer than an encoder takes that is asked for one over a bad link."""
MOST_CPU = 0.9
"""A node whose jobs take this share of what they may take makes no pictures: ladders come first."""


class _Kept(msgspec.Struct, frozen=True):
    answer: PreviewAnswer
    claim: ClaimId
    until: float


class Previews:
    """One per node. Everything on the event loop."""

    def __init__(
        self,
        *,
        watch: StreamWatch,
        running: RunningJobs,
        keyframes: KeyframeFeeds,
        pictures: Pictures,
        tasks: BackgroundTasks,
        per_s: float,
        clock: Clock,
        wall_ms: WallClock,
    ) -> None:
        """`per_s`: pictures made in a second; 0 = none."""
        self._watch = watch
        self._running = running
        self._keyframes = keyframes
        self._pictures = pictures
        self._tasks = tasks
        self._clock = clock
        self._wall_ms = wall_ms
        self._pace = Pace(per_s, AT_ONCE, clock()) if per_s else None
        self._turn = asyncio.Semaphore(AT_ONCE)
        self._making: dict[str, asyncio.Future[PreviewAnswer]] = {}
        self._kept: OrderedDict[str, _Kept] = OrderedDict()

    async def preview(self, request: PreviewRequest) -> PreviewAnswer:
        """Serve `subjects.transcoder_preview`. Raises NO_STREAM_EXIST, and HIGH_RESOURCE_USAGE while this node has
        enough to do."""
        key = stream_key(request.app, request.stream)
        live = self._watch.directory.by_key(key)
        if live is None:
            self._kept.pop(key, None)
            metrics.PREVIEWS.labels("gone").inc()
            raise _gone()
        kept = self._kept.get(key)
        if kept is not None and kept.claim == live.epoch.claim and self._clock() < kept.until:
            metrics.PREVIEWS.labels("kept").inc()
            return kept.answer
        making = self._making.get(key)
        if making is None:
            making = self._begin(live, self._pace)
        return await asyncio.shield(making)

    def _begin(self, live: LiveStream, pace: Pace | None) -> asyncio.Future[PreviewAnswer]:
        """Whoever asks for it may leave meanwhile: it goes on, and the next one has it at once."""
        if pace is None:
            metrics.PREVIEWS.labels("busy").inc()
            raise RillcastError(ErrorCode.NO_NODE_AVAILABLE, "pictures of streams are switched off at this transcoder")
        if len(self._making) >= MOST_WANTED or self._running.share() >= MOST_CPU:
            metrics.PREVIEWS.labels("busy").inc()
            raise RillcastError(ErrorCode.HIGH_RESOURCE_USAGE, "this transcoder has enough to do for now", 2.0)
        made: asyncio.Future[PreviewAnswer] = asyncio.get_running_loop().create_future()
        made.add_done_callback(_heard)
        self._tasks.start(self._make(live, pace, made), f"picture of {live.key}")
        self._making[live.key] = made
        return made

    async def _make(self, live: LiveStream, pace: Pace, made: asyncio.Future[PreviewAnswer]) -> None:
        try:
            async with self._turn:
                await asyncio.sleep(pace.wait_s(self._clock()))
                began = self._clock()
                answer = await self._answer(live)
            metrics.PREVIEWS.labels(answer.why.value if answer.why is not None else "made").inc()
            if answer.why is None:
                metrics.PREVIEW.observe(self._clock() - began)
            self._keep(live, answer)
            made.set_result(answer)
        except RillcastError as refusal:
            metrics.PREVIEWS.labels("gone" if refusal.code is ErrorCode.NO_STREAM_EXIST else "busy").inc()
            made.set_exception(refusal)
        except BaseException:
            made.set_exception(RillcastError(ErrorCode.SERVER_ERROR, "no picture was made, see this node's log"))
            raise
        finally:
            del self._making[live.key]

    async def _answer(self, live: LiveStream) -> PreviewAnswer:
        track = preview_track(live.record.tracks)
        if track is None:
            return PreviewAnswer(why=NoPreview.NO_VIDEO)
        if not is_decoded(track):
            return PreviewAnswer(why=NoPreview.CODEC, codec=track.codec)
        try:
            async with asyncio.timeout(KEYFRAME_S):
                keyframe = await self._keyframes.keyframe(live.key, track)
        except TimeoutError:
            return PreviewAnswer(why=NoPreview.NO_KEYFRAME, codec=track.codec)
        if keyframe is None:
            raise _gone()
        made = await self._pictures.make(track.codec, keyframe)
        return PreviewAnswer(
            picture=made.picture,
            width=made.width,
            height=made.height,
            taken_ms=self._wall_ms(),
            why=made.why,
            codec=track.codec,
        )

    def _keep(self, live: LiveStream, answer: PreviewAnswer) -> None:
        until = self._clock() + (FRESH_S if answer.why is None else REFUSED_S)
        self._kept[live.key] = _Kept(answer, live.epoch.claim, until)
        self._kept.move_to_end(live.key)
        while len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)


def _gone() -> RillcastError:
    return RillcastError(ErrorCode.NO_STREAM_EXIST, "the stream is not live")


def _heard(made: asyncio.Future[PreviewAnswer]) -> None:
    """Nobody may wait for it any more: a refusal is then no fault that is to be told of."""
    if not made.cancelled():
        made.exception()
