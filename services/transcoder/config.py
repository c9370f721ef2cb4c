"""Settings of the transcoder: `RILLCAST_TRANSCODER_<FIELD>`, and those every media node has."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from rillcast.runtime.settings import MediaSettings, env_prefix


class TranscoderSettings(MediaSettings):
    """What a transcoder needs to know besides."""

    model_config = env_prefix("transcoder")

    preset: Literal["ultrafast", "superfast", "veryfast", "faster", "fast"] = "superfast"
    """x264's preset. superfast: one core carries two 1080p30 → 720/480/360p ladders."""
    encoders: Literal["auto", "software"] = "auto"
    """auto: NVENC, Quick Sync or VAAPI where one works, else software."""
    gop_s: float = Field(default=2.0, ge=0.5, le=10.0)
    """Seconds between keyframes of a rung: how long a viewer waits for a switch at most."""
    linger_s: float = Field(default=5.0, ge=0.0, le=600.0)
    """For so many seconds a rung is still encoded after its last watcher left."""
    max_cpu: float = Field(default=0.9, gt=0.0, le=1.0)
    """The share of all processors that media jobs may take. A node beyond it begins no rung."""
    max_children: int = Field(default=64, ge=1)
    """How many nodes may take rungs of one stream from here. More of them are refused."""
    previews_per_s: float = Field(default=5.0, ge=0.0, le=100.0)
    """Small pictures of streams made in a second, while somebody looks; 0 = none."""
