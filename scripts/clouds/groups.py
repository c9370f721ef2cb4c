"""What both templates agree on: the groups of machines, by which figures they grow and shrink, and the ports."""

from __future__ import annotations

from dataclasses import dataclass

MEDIA_PORTS = (50_000, 50_063)
RELAY_PORTS = (51_000, 51_063)
"""First and last: a port for each media thread. deploy/clouds/prepare.py has as many threads at most."""
HTTP_PORT, ADMIN_PORT, NATS_PORT, ROUTE_PORT = 5_080, 9_100, 4_222, 6_222
NATS_SERVERS = ("nats-1", "nats-2", "nats-3")
HOOK_S = {60: 180, 120: 300, 300: 480, 840: 900}
"""How long a drain may take → how long the cloud waits for it: the container has 15 s more than the drain, its unit 30,
and the notice is looked for every 5 s. Azure waits for 15 minutes at most."""
DRAIN_S = 120
NAMESPACE = "Rillcast"
CPU_PERCENT = 65
AHEAD_MINUTES = 2
"""The policy for spikes looks so far ahead, and acts at 1.25 times the target."""
SPIKE_SHARE = 1.25
NEED_NOT_FEEL_IT = 0.7
"""Below so much of a target Azure takes a machine away; AWS has 0.9 of its own."""


@dataclass(frozen=True)
class Target:
    """A figure of each node of a group that is kept near a value, by more nodes and by fewer."""

    metric: str
    value: float
    parameter: str
    """The name of the parameter that sets the value."""
    words: str
    """What the parameter is, for whoever sets it."""


@dataclass(frozen=True)
class Group:
    """Machines of one kind of node."""

    kind: str
    least: int
    most: int
    aws_type: str
    azure_type: str
    targets: tuple[Target, ...]
    public: bool = False
    """Whether clients send media there."""

    @property
    def title(self) -> str:
        """As a part of the names of resources."""
        return self.kind.title()

    @property
    def metrics(self) -> tuple[str, ...]:
        """What is measured for the scaling."""
        return tuple(target.metric for target in self.targets)


_BUSY = "rillcast_plane_busy_ratio"
GROUPS = (
    Group(
        "signaling", 2, 4, "c7i.large", "Standard_F2s_v2",
        (Target("rillcast_signaling_sockets", 6_000, "SocketsPerSignaling", "WebSockets for each instance."),),
    ),
    Group(
        "origin", 2, 4, "c7i.large", "Standard_F2s_v2",
        (
            Target("rillcast_origin_publishers", 60, "PublishersPerOrigin", "Publishers for each origin."),
            Target(_BUSY, 0.5, "BusyOrigin", "The share of its time that a media thread of an origin works."),
        ),
        public=True,
    ),
    Group(
        "edge", 2, 6, "c7i.large", "Standard_F2s_v2",
        (
            Target("rillcast_edge_viewers", 1_000, "ViewersPerEdge", "Viewers for each edge."),
            Target(_BUSY, 0.5, "BusyEdge", "The share of its time that a media thread of an edge works."),
        ),
        public=True,
    ),
    Group(
        "transcoder", 1, 3, "c7i.xlarge", "Standard_F4s_v2",
        (
            Target(
                "rillcast_transcoder_cpu_ratio", 0.6, "CpuTranscoder",
                "The share of all processors of a transcoder that decoding and encoding take.",
            ),
        ),
    ),
    Group("license", 1, 2, "t3.small", "Standard_B2s", ()),
)  # fmt: skip
"""License has no media. It is scaled by CPU, as all are besides."""
