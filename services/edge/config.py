"""Settings of the edge: `RILLCAST_EDGE_<FIELD>`, and those every media node has."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from rillcast.runtime.settings import MediaSettings, env_prefix


class EdgeSettings(MediaSettings):
    """What an edge needs to know besides."""

    model_config = env_prefix("edge")

    relay_linger_s: float = Field(default=30.0, ge=0)
    """How long a relay without viewers stays open: a viewer who reloads finds the keyframe ring warm."""
    relay_fill_s: float = Field(default=0.2, ge=0, le=5)
    """How long a relay must have flowed before running viewers switch to it. What the parent had cached comes at once;
    passed on, it would be a burst that a link which needs a smaller picture can't take."""
    max_children: int = Field(default=64, ge=0)
    """How many other edges may take tracks of one stream from here. 0: none, so that all edges are fed by the owner
    while it has room. A chain of edges has three links at most."""
    stream_gone_grace_s: float = Field(default=10.0, ge=0)
    """How long viewers wait for a stream whose record is gone and whose media has stopped; the publisher may return.
    They wait as long for renditions that only a ladder makes for them; another transcoder may take it on."""
    max_connecting: int = Field(default=4_000, ge=1)
    """Viewers whose handshake isn't finished; more are refused. One IPv4 address, or one IPv6 /64, may have as many
    as it leaves free, which is half of them if it is alone."""
    egress: Literal["socket", "auto", "raw"] = "socket"
    """How media leaves for viewers. `raw`: past the UDP socket, with half the CPU; it needs CAP_NET_RAW, which the edge
    gives away at its start, and a node that can't does not start. `auto`: so if the node can, otherwise by the socket,
    and the log says why. See docs/raw-egress.md."""
    first_budget_bps: int = Field(default=3_000_000, ge=0)
    """Bit rate of the first rendition at most, before anything is known of the viewer's link. 0 = no bound."""
