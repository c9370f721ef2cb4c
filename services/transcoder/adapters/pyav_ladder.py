"""One decode, then per rung one scale and one encode. Synchronous; `thread_ladder` runs it off the event loop."""

from __future__ import annotations

import secrets
import time
from collections import Counter
from collections.abc import Iterable

import av
from av.video.frame import VideoFrame

from rillcast.contracts.ids import TrackId
from services.transcoder import metrics
from services.transcoder.adapters.pyav_codecs import Decoder, Encoder, FrameTooLarge, Scaler
from services.transcoder.adapters.pyav_encoders import UNUSABLE, EncoderChoice
from services.transcoder.domain.depacketizer import EncodedFrame
from services.transcoder.domain.ladder import Rung, width_for
from services.transcoder.domain.packetizer import Packetizer
from services.transcoder.domain.timeline import Place, Timeline, Unwrapper
from services.transcoder.ports import Outcome, Produced

RUNG_ERRORS = 5
"""Encoder errors in a row after which a rung is given up."""


class _Active:
    def __init__(self, rung: Rung) -> None:
        self.rung = rung
        self.packetizer = Packetizer(rung.codec, secrets.randbelow(2**32 - 1) + 1, secrets.randbelow(2**16))
        self.encoder: Encoder | None = None
        self.keyframe_wanted = True
        self.errors = 0


class LadderEngine:
    """The decoder of one source and the encoders of its rungs. Every call comes from one thread."""

    def __init__(self, codec: str, gop_s: float, encoders: EncoderChoice) -> None:
        """`codec` is the source's."""
        self._codec = codec
        self._encoders = encoders
        self._decoder = Decoder(codec)
        self._unwrapper = Unwrapper()
        self._timeline = Timeline(gop_s)
        self._active: dict[TrackId, _Active] = {}
        self._scalers: dict[int, Scaler] = {}
        self._broken = False
        self.counts: Counter[str] = Counter()
        """Errors and drops by kind: decode, encode, stale, restart, too_large."""

    def set_rungs(self, rungs: Iterable[Rung]) -> None:
        """Encode these from the next picture on; a rung's sequence numbers survive only while it stays."""
        wanted = {rung.track: rung for rung in rungs}
        for track in [track for track in self._active if track not in wanted]:
            del self._active[track]
        for track, rung in wanted.items():
            active = self._active.get(track)
            if active is None:
                self._active[track] = _Active(rung)
            elif active.rung != rung:
                active.rung = rung
                active.encoder = None
        # Highest first: lower ones are made of higher ones.
        self._active = dict(sorted(self._active.items(), key=lambda entry: -entry[1].rung.height))
        heights = {rung.height for rung in wanted.values()}
        self._scalers = {height: self._scalers.get(height) or Scaler(height) for height in heights}

    def want_keyframe(self, track: TrackId) -> None:
        """Make the rung's next picture a keyframe."""
        if track in self._active:
            self._active[track].keyframe_wanted = True

    def process(self, frame: EncodedFrame, *, encode: bool) -> Outcome:
        """Decode a frame, and encode what comes out unless `encode` is False (to catch up)."""
        outcome = Outcome(produced=[], failed=[])
        if self._broken and not frame.keyframe:
            outcome.undecodable = True
            return outcome
        if self._broken:
            self._decoder = Decoder(self._codec)
            self._broken = False
        try:
            pictures = self._decoder.decode(frame.data, self._unwrapper.unwrap(frame.rtp_ts))
        except (av.error.FFmpegError, FrameTooLarge) as error:
            self.counts["too_large" if isinstance(error, FrameTooLarge) else "decode"] += 1
            self._broken = outcome.undecodable = True
            return outcome
        for picture in pictures:
            self._picture(picture, outcome, encode=encode)
        return outcome

    def _picture(self, picture: VideoFrame, outcome: Outcome, *, encode: bool) -> None:
        pts = picture.pts
        assert pts is not None
        match self._timeline.place(pts):
            case Place.STALE:
                self.counts["stale"] += 1
                return
            case Place.RESTART:
                self.counts["restart"] += 1
                for active in self._active.values():
                    active.encoder = None
            case Place.NEXT:
                pass
        outcome.pictures += 1
        outcome.size = (picture.width, picture.height)
        due = self._timeline.keyframe_due(pts)
        scaled: dict[int, VideoFrame] = {}
        for track, active in self._active.items():
            active.keyframe_wanted = active.keyframe_wanted or due
            if not encode:
                continue
            try:
                packets = self._encode(active, self._scaled(active.rung.height, picture, scaled), pts)
            except UNUSABLE:
                self.counts["encode"] += 1
                active.encoder = None
                active.errors += 1
                if active.errors == RUNG_ERRORS:
                    outcome.failed.append(track)
                continue
            active.errors = 0
            if packets:
                outcome.produced.append(Produced(track, packets))

    def _scaled(self, height: int, picture: VideoFrame, done: dict[int, VideoFrame]) -> VideoFrame:
        """The picture at a height, made of the smallest one in `done` that is larger: fewer lines to read, and a large
        step aliases. A source smaller than the rungs is enlarged as it is."""
        if height not in done:
            larger = [frame for of, frame in done.items() if height < of < picture.height]
            made_of = min(larger, key=lambda frame: frame.height, default=picture)
            done[height] = self._scalers[height].scale(made_of, width_for(height, picture.width, picture.height))
        return done[height]

    def _encode(self, active: _Active, scaled: VideoFrame, pts: int) -> list[bytes]:
        encoder = active.encoder
        if encoder is None or (scaled.width, scaled.height) != (encoder.width, encoder.height):
            rung = active.rung
            encoder = self._encoders.open(
                rung.codec, scaled.width, scaled.height, rung.bitrate_bps, safe=active.errors > 0
            )
            active.encoder = encoder
            active.keyframe_wanted = True
        began = time.perf_counter()
        encoded = encoder.encode(scaled, pts, keyframe=active.keyframe_wanted)
        metrics.ENCODE.labels(encoder.name).observe(time.perf_counter() - began)
        active.keyframe_wanted = active.keyframe_wanted and not encoded
        return [packet for unit in encoded for packet in active.packetizer.packets(unit)]
