"""What a cluster costs the machines that it runs on. Each figure was measured, and may be replaced by your own."""

from __future__ import annotations

import msgspec


class Costs(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """CPU in cores or microseconds of one, as ``docs/benchmarks/results.md`` has it for a core of an AMD EPYC without
    the driver of a network card. `tests/deploy/test_capacity.py` holds them against those results."""

    edge_us_per_packet: float = 0.98
    """What one packet to one viewer costs an edge: rewritten, encrypted, given to the kernel."""
    edge_share: float = 0.0375
    """Of a core, what an edge's media threads cost besides, per machine: waking up for each frame."""
    edge_share_per_stream: float = 0.0014
    """Of a core, for each stream that an edge sends."""
    edge_ms_per_join: float = 1.28
    signaling_ms_per_join: float = 0.89
    origin_share_per_stream: float = 0.005
    """Of a core, to take a stream in, without the copies to edges, which cost as packets to viewers do."""
    transcoder_cores_per_ladder: float = 0.42
    """1080p30 of H.264 into 720p, 480p and 360p."""
    node_share: float = 0.012
    """Of a core, what a node costs that does nothing."""
    node_mib: float = 80
    edge_kib_per_viewer: float = 14.3
    signaling_kib_per_socket: float = 63
    """That is one with TLS; without, it is 39."""
    transcoder_mib_per_ladder: float = 51


class Media(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a stream looks like on the wire."""

    video_bytes_per_packet: float = 1_150
    """Of payload, the mean of the benchmark's streams: the last packet of a frame is not full."""
    audio_packets: float = 50
    """In a second: Opus, 20 ms each."""
    audio_kbps: float = 32
    overhead_bytes: float = 72
    """Of each packet: IPv4 and UDP 28, RTP 12, header extensions 16, AES-GCM 16."""

    def packets(self, video_kbps: float) -> float:
        """In a second, video and audio."""
        return video_kbps * 125 / self.video_bytes_per_packet + self.audio_packets

    def bps(self, video_kbps: float) -> float:
        """Bits in a second with all headers."""
        return (video_kbps + self.audio_kbps) * 1_000 + self.packets(video_kbps) * self.overhead_bytes * 8
