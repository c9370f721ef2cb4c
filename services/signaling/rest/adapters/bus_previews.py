"""Asks transcoders over the bus for pictures of streams."""

from __future__ import annotations

from rillcast.contracts import subjects
from rillcast.contracts.ids import NodeId
from rillcast.contracts.messages import PreviewAnswer, PreviewRequest
from rillcast.runtime.ports import Bus

ASK_S = 10.0
"""Longer than a transcoder waits for a keyframe, with one before it. Behind a queue that is full of streams which bring
none it would be more than twice as long, and whoever looks is told that the transcoder does not answer."""


class BusPreviews:
    """See `usecases.previews.AskTranscoder`."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def ask(self, node: NodeId, request: PreviewRequest) -> PreviewAnswer:
        """What the transcoder answers. Raises `RillcastError`."""
        return await self._bus.request(subjects.transcoder_preview(node), request, PreviewAnswer, timeout_s=ASK_S)
