"""From packets to codecs: what is asked of the source, and when it is given up."""

from __future__ import annotations

from rillcast.contracts.ids import TrackId
from rillcast.testing.clock import FakeClock
from services.transcoder.domain.ladder import Rung
from services.transcoder.ports import Outcome
from services.transcoder.usecases.ladder_pipeline import STUCK_S, UNDECODABLE_S, LadderPipeline
from tests.unit.transcoder.fake_codecs import FakeMachine
from tests.unit.transcoder.pictures import Camera

SMALL = Rung(track=TrackId("v0.90p"), codec="H264", width=160, height=90, bitrate_bps=150_000)
NOTHING, PICTURE = Outcome(), Outcome(pictures=1, size=(640, 360))


class Bench:
    """A pipeline, and what it delivered."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.outcomes: list[Outcome] = []
        self.pipeline = LadderPipeline("H264", FakeMachine(), self.outcomes.append, self.clock)
        self.pipeline.set_rungs((SMALL,))

    def decoded(self, pictures: int) -> Outcome:
        """The codecs' thread is done with a frame."""
        self.pipeline._deliver(Outcome(pictures=pictures, size=(640, 360) if pictures else None))
        return self.outcomes[-1]


async def test_a_source_without_pictures_is_hopeless_after_a_while_and_one_with_pictures_never() -> None:
    bench = Bench()
    bench.decoded(1)
    bench.clock.advance(UNDECODABLE_S + 1)
    assert not bench.pipeline.hopeless, "nothing came that could have been decoded"
    bench.decoded(0)
    assert not bench.pipeline.hopeless
    bench.clock.advance(UNDECODABLE_S + 1)
    assert bench.pipeline.hopeless
    bench.decoded(1)
    assert not bench.pipeline.hopeless


async def test_a_decoder_that_swallows_frames_without_a_word_gets_a_keyframe() -> None:
    bench = Bench()
    assert not bench.decoded(0).undecodable
    bench.clock.advance(STUCK_S + 0.1)
    assert bench.decoded(0).undecodable


async def test_a_keyframe_is_wanted_until_one_came_and_again_after_a_loss() -> None:
    bench, camera = Bench(), Camera()
    camera.frame()
    assert all(bench.pipeline.on_packet(packet) for packet in camera.frame())
    wanted = [bench.pipeline.on_packet(packet) for packet in camera.frame(keyframe=True)]
    assert not wanted[-1]
    bench.pipeline.feed_replaced()
    assert all(bench.pipeline.on_packet(packet) for packet in camera.frame())


async def test_progress_says_what_happened_since_the_last_call() -> None:
    bench, camera = Bench(), Camera()
    assert bench.pipeline.progress() == (0, 0)
    for _ in range(3):
        for packet in camera.frame():
            bench.pipeline.on_packet(packet)
    assert bench.pipeline.progress() == (3, 0)
    assert bench.pipeline.progress() == (0, 0)
