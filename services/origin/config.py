"""Settings of the origin: `RILLCAST_ORIGIN_<FIELD>`, and those every media node has."""

from __future__ import annotations

from pydantic import Field

from rillcast.runtime.settings import MediaSettings, env_prefix


class OriginSettings(MediaSettings):
    """What an origin needs to know besides."""

    model_config = env_prefix("origin")

    max_children: int = Field(default=64, ge=1)
    """How many edges may take tracks of one stream from here, and as many transcoders. More edges are fed by those, and
    so is every edge of a zone, or a region, that has the stream already. 64 copies of 1.5 Mbit/s are 100 Mbit/s of
    egress."""
