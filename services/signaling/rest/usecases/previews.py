"""Small pictures of streams for those who look: asked of a transcoder, and kept for some seconds."""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping

import msgspec

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import AppName, NodeId, StreamId, stream_key
from rillcast.contracts.messages import NodeReport, NoPreview, PreviewAnswer, PreviewRequest
from rillcast.contracts.words import NodeKind
from services.signaling import metrics

FRESH_S = 5.0
"""For so long a picture is shown without asking again. The transcoder keeps it a little longer, for all instances."""
REFUSED_S = 4.0
"""For so long nobody is asked again after a refusal."""
MOST_KEPT = 512
"""Answers in memory: 32 MiB of pictures at most."""
MOST_WANTED = 64
"""Streams of which a picture is asked for at one time; more are refused."""
TRANSCODERS = 2
"""How many are asked, one after the other."""
AskTranscoder = Callable[[NodeId, PreviewRequest], Awaitable[PreviewAnswer]]

_WORDS = {
    NoPreview.NO_VIDEO: "the stream has no video",
    NoPreview.CODEC: "its video is {codec}, of which no pictures are made",
    NoPreview.NO_KEYFRAME: "no picture has come yet that can be shown by itself",
    NoPreview.UNDECODABLE: "its {codec} cannot be decoded: it may be damaged, or encrypted from end to end",
    NoPreview.TOO_LARGE: "its pictures are too large to be decoded here",
    NoPreview.FAILED: "making the picture failed, see the log of the transcoder",
}
_CODES = {
    NoPreview.NO_KEYFRAME: ErrorCode.HIGH_RESOURCE_USAGE,
    NoPreview.FAILED: ErrorCode.SERVER_ERROR,
    NoPreview.NO_VIDEO: ErrorCode.NO_SUCH_TRACK,
}
"""Of the other reasons it is NO_COMMON_CODEC."""


class Shown(msgspec.Struct, frozen=True):
    """A picture as clients get it."""

    picture: bytes
    tag: str
    """Its ETag: another one for any other picture."""


class _Kept(msgspec.Struct, frozen=True):
    shown: Shown | None
    refusal: RillcastError | None
    until: float


class Previews:
    """One per signaling instance."""

    def __init__(
        self,
        transcoders: Callable[[NodeKind], Mapping[NodeId, NodeReport]],
        lives: Callable[[AppName, StreamId], object | None],
        ask: AskTranscoder,
        clock: Callable[[], float],
    ) -> None:
        """`transcoders`: nodes of a kind that take new work. `lives`: the stream, if somebody publishes it. `ask`
        raises `RillcastError` when the transcoder does not answer."""
        self._transcoders = transcoders
        self._lives = lives
        self._ask = ask
        self._clock = clock
        self._asking: dict[str, asyncio.Task[_Kept]] = {}
        self._kept: OrderedDict[str, _Kept] = OrderedDict()

    async def picture(self, app: AppName, stream: StreamId) -> Shown:
        """A picture that is some seconds old at most. Raises `RillcastError` with a sentence that says why there is
        none."""
        if self._lives(app, stream) is None:
            metrics.PREVIEWS.labels("refused").inc()
            raise RillcastError(ErrorCode.NO_STREAM_EXIST, "the stream is not live")
        key = stream_key(app, stream)
        kept = self._kept.get(key)
        if kept is None or self._clock() >= kept.until:
            kept = await asyncio.shield(self._asked(key, PreviewRequest(app=app, stream=stream)))
        if kept.shown is None:
            assert kept.refusal is not None
            metrics.PREVIEWS.labels("refused").inc()
            refusal = kept.refusal
            raise RillcastError(refusal.code, refusal.message, refusal.retry_after_s)
        metrics.PREVIEWS.labels("shown").inc()
        return kept.shown

    def _asked(self, key: str, request: PreviewRequest) -> asyncio.Task[_Kept]:
        """Once for all who look. It goes on when those who asked have left, and ends by the deadlines of the bus."""
        asking = self._asking.get(key)
        if asking is not None:
            return asking
        if len(self._asking) >= MOST_WANTED:
            metrics.PREVIEWS.labels("refused").inc()
            raise RillcastError(ErrorCode.HIGH_RESOURCE_USAGE, "too many pictures are asked for already", 2.0)
        asking = self._asking[key] = asyncio.create_task(self._look(key, request), name=f"picture of {key}")
        asking.add_done_callback(lambda _: self._asking.pop(key, None))
        return asking

    async def _look(self, key: str, request: PreviewRequest) -> _Kept:
        try:
            shown, refusal = await self._first_of(key, request), None
        except RillcastError as error:
            shown, refusal = None, error
        kept = _Kept(shown, refusal, self._clock() + (FRESH_S if shown is not None else REFUSED_S))
        self._kept[key] = kept
        self._kept.move_to_end(key)
        while len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)
        return kept

    async def _first_of(self, key: str, request: PreviewRequest) -> Shown:
        refusal: RillcastError | None = None
        for node in _in_order(self._transcoders(NodeKind.TRANSCODER), key):
            try:
                answer = await self._ask(node, request)
            except RillcastError as error:
                refusal = error
                continue
            if answer.why is None and answer.picture:
                return Shown(answer.picture, f'"{hashlib.sha256(answer.picture).hexdigest()[:32]}"')
            raise _no_picture(answer)
        if refusal is not None:
            raise refusal
        raise RillcastError(
            ErrorCode.NO_NODE_AVAILABLE, "no transcoder is there, and pictures of streams are made by transcoders", 10.0
        )


def _in_order(nodes: Mapping[NodeId, NodeReport], key: str) -> list[NodeId]:
    """All instances ask the same one first, so that it makes a picture once for all of them. When one comes or goes,
    few streams change theirs."""
    return sorted(nodes, key=lambda node: hashlib.sha256(f"{node} {key}".encode()).digest())[:TRANSCODERS]


def _no_picture(answer: PreviewAnswer) -> RillcastError:
    why = answer.why or NoPreview.FAILED
    words = _WORDS[why].format(codec=answer.codec or "video")
    return RillcastError(_CODES.get(why, ErrorCode.NO_COMMON_CODEC), words)
