"""Every instrument of the transcoder."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

JOBS = Gauge("rillcast_transcoder_jobs", "Ladder jobs held by lease, watched or not")
ENCODERS = Gauge("rillcast_transcoder_encoders", "Rungs being encoded now")
ENCODERS_OPENED = Counter(
    "rillcast_transcoder_encoders_opened",
    "Encoders opened for rungs, by FFmpeg's name and outcome: ok, failed",
    ["encoder", "outcome"],
)
RELAYS = Gauge("rillcast_transcoder_relays", "Relays of rungs to other nodes")
CPU = Gauge(
    "rillcast_transcoder_cpu_ratio", "Share of all processors that decoding and encoding took in the last second"
)
CLAIMS = Counter("rillcast_transcoder_claims", "Attempts to take a ladder job: won, lost, unavailable", ["outcome"])
JOBS_ENDED = Counter(
    "rillcast_transcoder_jobs_ended", "Jobs that ended: stream, settings, lease, overload, drain, failed", ["reason"]
)
REFUSED = Counter("rillcast_transcoder_refused", "Ladders not made: settings, source, undecodable", ["reason"])
RELAY_OPENS = Counter(
    "rillcast_transcoder_relay_opens",
    "Requests for a relay of a rung, by outcome: ok or the refusal's code",
    ["outcome"],
)
RELAY_CHILDREN_LOST = Counter("rillcast_transcoder_relay_children_lost", "Relays removed because the child fell silent")
FEEDS = Counter(
    "rillcast_transcoder_feeds",
    "Attempts to get a source from its origin, by outcome: ok, the code of the refusal, or close_ and the code with "
    "which giving the relay back failed",
    ["outcome"],
)
FRAMES = Counter("rillcast_transcoder_frames", "Source frames: encoded, left_out (overload), lost (network)", ["fate"])
QUEUE = Histogram(
    "rillcast_transcoder_queue_seconds",
    "How long a frame of a source has waited for its decoder. A queue whose first frame waits for a second is emptied",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.02, 0.033, 0.05, 0.1, 0.2, 0.5, 1),
)
ENCODE = Histogram(
    "rillcast_transcoder_encode_seconds",
    "How long one picture of one rung took to be encoded. Slower than pictures come, a ladder falls behind",
    ["encoder"],
    buckets=(0.001, 0.002, 0.005, 0.01, 0.0167, 0.02, 0.0333, 0.05, 0.1, 0.2, 0.5),
)
ERRORS = Counter(
    "rillcast_transcoder_errors",
    "Faults survived: malformed, decode, encode, stale, restart, too_large, engine, overflow, plane_busy (the plane "
    "took no more work), stuck (a codec's thread outlived its job)",
    ["kind"],
)
RUNGS_DROPPED = Counter(
    "rillcast_transcoder_rungs_dropped", "Rungs withdrawn from a running job: overload, encoder", ["reason"]
)
PREVIEWS = Counter(
    "rillcast_transcoder_previews",
    "Small pictures of streams that signaling asked for, by outcome: made, kept (the last one is young enough), "
    "no_video, codec, no_keyframe, undecodable, too_large, failed, gone (the stream), busy",
    ["outcome"],
)
PREVIEW = Histogram(
    "rillcast_transcoder_preview_seconds",
    "How long a small picture took, from the question for the stream's media to the JPEG",
    buckets=(0.05, 0.1, 0.2, 0.5, 1, 2, 4, 8),
)
PICTURE_PROCESSES_LOST = Counter(
    "rillcast_transcoder_picture_processes_lost",
    "Processes that make small pictures and ended, or were ended, because of what they decoded",
)
