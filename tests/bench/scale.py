"""How much is measured: the whole benchmark, the quick one, or one cut down to look at the benchmark itself."""

from __future__ import annotations

import msgspec


class Scale(msgspec.Struct, frozen=True, kw_only=True):
    """Numbers of viewers and seconds."""

    name: str
    rounds: int
    """Of each configuration, in turns."""
    fanout: int
    """Viewers in (a) and with two workers."""
    viewers: tuple[int, ...]
    streams: tuple[int, ...]
    stream_viewers: int
    """Spread over the streams."""
    paced: tuple[int, ...]
    paced_s: int
    steps: tuple[int, ...]
    """Viewers over loopback; up to the first number that fails twice."""
    steady_s: float
    join_rate: float
    latency: int
    """The step of which every packet is decrypted, for first and last copies."""
    crowd: int
    crowd_rate: float
    watchers: int
    """Who watch already while the crowd joins."""
    janus: int
    janus_s: float
    feedback: int
    """Viewers, a tenth of whom lose packets."""
    feedback_s: float
    feedback_rounds: int

    def at_most(self, viewers: int) -> Scale:
        """The same with fewer viewers."""

        def cut(values: tuple[int, ...]) -> tuple[int, ...]:
            return tuple(sorted({min(v, viewers) for v in values}))

        return msgspec.structs.replace(
            self,
            name=f"{self.name}, at most {viewers} viewers",
            fanout=min(self.fanout, viewers),
            viewers=cut(self.viewers),
            streams=cut(self.streams),
            stream_viewers=min(self.stream_viewers, viewers),
            paced=cut(self.paced),
            steps=cut(self.steps),
            latency=min(self.latency, viewers),
            crowd=min(self.crowd, viewers),
            watchers=min(self.watchers, max(1, viewers // 4)),
            janus=min(self.janus, viewers),
            feedback=min(self.feedback, viewers),
        )


FULL = Scale(
    name="full",
    rounds=5,
    fanout=1_000,
    viewers=(1, 10, 100, 1_000, 3_000, 5_000),
    streams=(1, 10, 100, 300),
    stream_viewers=3_000,
    paced=(1_000, 3_000, 5_000),
    paced_s=10,
    steps=(100, 500, 1_000, 1_500, 2_000, 2_500, 3_000, 3_500, 4_000),
    steady_s=5,
    join_rate=150,
    latency=1_000,
    crowd=3_000,
    crowd_rate=300,
    watchers=100,
    janus=150,
    janus_s=8,
    feedback=500,
    feedback_s=6,
    feedback_rounds=3,
)

QUICK = Scale(
    name="quick",
    rounds=3,
    fanout=1_000,
    viewers=(1, 100, 1_000),
    streams=(1, 100),
    stream_viewers=1_000,
    paced=(1_000,),
    paced_s=4,
    steps=(100, 500, 1_000),
    steady_s=3,
    join_rate=150,
    latency=1_000,
    crowd=600,
    crowd_rate=300,
    watchers=50,
    janus=100,
    janus_s=4,
    feedback=200,
    feedback_s=4,
    feedback_rounds=1,
)
