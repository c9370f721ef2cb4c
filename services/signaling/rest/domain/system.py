"""What this server is made of and how busy it is, as Ant Media's dashboard asks for it.

The names are those of a server in Java. What they mean here: its heap is the memory of this process, and the streams
and viewers that it calls local are those of the whole cluster, since an instance of signaling has none of its own.
"""

from __future__ import annotations

import msgspec

from services.signaling.rest.domain.shapes import Licence, Version


class CpuUsage(msgspec.Struct, kw_only=True, frozen=True):
    """How busy the processors are."""

    process_cpu_time: int = msgspec.field(name="processCPUTime")
    """What this process has used, in microseconds."""
    system_cpu_load: int = msgspec.field(name="systemCPULoad")
    """Of the machine, in percent."""
    process_cpu_load: int = msgspec.field(name="processCPULoad")
    """Of this process, in percent of the machine."""
    system_load_average_last_minute: float = msgspec.field(name="systemLoadAverageLastMinute")


class ProcessMemory(msgspec.Struct, kw_only=True, frozen=True, rename="camel"):
    """The memory of this process, in bytes."""

    max_memory: int
    """What it may have."""
    total_memory: int
    """Bytes that there are in all."""
    free_memory: int
    in_use_memory: int


class NativeMemory(msgspec.Struct, kw_only=True, frozen=True, rename="camel"):
    """The same, as Ant Media writes that of what is no Java."""

    in_use_memory: int
    max_memory: int


class SystemInfo(msgspec.Struct, kw_only=True, frozen=True, rename="camel"):
    """What kind of machine an instance runs on."""

    os_name: str
    os_arch: str
    java_version: str = ""
    """Empty: there is no Java."""
    processor_count: int


class SystemMemory(msgspec.Struct, kw_only=True, frozen=True, rename="camel"):
    """The memory of the machine, in bytes."""

    virtual_memory: int
    """The address space of this process."""
    total_memory: int
    free_memory: int
    in_use_memory: int
    total_swap_space: int
    free_swap_space: int
    in_use_swap_space: int
    available_memory: int


class FileSystem(msgspec.Struct, kw_only=True, frozen=True, rename="camel"):
    """The disk on which this process works, in bytes."""

    usable_space: int
    total_space: int
    free_space: int
    in_use_space: int


class ServerTime(msgspec.Struct, kw_only=True, frozen=True):
    """For how long this process has run, and since when, in milliseconds."""

    up_time: int = msgspec.field(name="up-time")
    start_time: int = msgspec.field(name="start-time")


class Threads(msgspec.Struct, kw_only=True, frozen=True):
    """The threads of this process."""

    dead_locked_thread: tuple[int, ...] = msgspec.field(name="dead-locked-thread", default=())
    """Python does not tell; always empty."""
    thread_count: int = msgspec.field(name="thread-count")
    thread_peak_count: int = msgspec.field(name="thread-peek-count")
    """The most that were seen."""


class ThreadState(msgspec.Struct, kw_only=True, frozen=True):
    """One thread. What Python does not count is -1 or 0, as in Java where it is not measured."""

    thread_name: str = msgspec.field(name="thread-name")
    thread_id: int = msgspec.field(name="thread-id")
    blocked_time: int = msgspec.field(name="blocked-time", default=-1)
    blocked_count: int = msgspec.field(name="blocked-count", default=0)
    waited_time: int = msgspec.field(name="waited-time", default=-1)
    waited_count: int = msgspec.field(name="waited-count", default=0)
    lock_owner_id: int = msgspec.field(name="lock-owner-id", default=-1)
    in_native: bool = msgspec.field(name="in-native", default=False)
    suspended: bool = False
    state: str = "RUNNABLE"
    cpu_time: int = msgspec.field(name="cpu-time")
    """How long it has run so far, in nanoseconds."""
    user_time: int = msgspec.field(name="user-time")
    """The part outside the kernel, in nanoseconds."""


class LiveClients(msgspec.Struct, kw_only=True, frozen=True, rename="camel"):
    """How many publish and watch in the cluster."""

    total_connection_size: int
    """Publishers and viewers."""
    total_live_stream_size: int


class Liveness(msgspec.Struct, kw_only=True, frozen=True):
    """That this server answers."""

    host: str
    status: str = "ok"


class NetworkStatus(msgspec.Struct, kw_only=True, frozen=True, rename="camel"):
    """What goes over the machine's network cards, loopback apart, in Mbit/s."""

    outbound_mbps: float
    inbound_mbps: float
    uplink_mbps: float = 0.0
    """What the line can carry; nobody says so here, so it is 0."""


class SystemResources(msgspec.Struct, kw_only=True, frozen=True, rename="camel"):
    """All that in one answer."""

    instance_id: str
    """The id of this node."""
    cpu_usage: CpuUsage
    jvm_memory_usage: ProcessMemory
    system_info: SystemInfo
    system_memory_info: SystemMemory
    file_system_info: FileSystem
    jvm_native_memory_usage: NativeMemory
    software_version: Version
    gpu_usage_info: tuple[str, ...] = ()
    """Always empty: no GPU is used."""
    ffmpeg_build_info: str = ""
    """Empty: there is no FFmpeg in this process."""
    db_average_query_time_ms: int
    """How long the store took to answer, lately."""
    local_webrtc_live_streams: int = msgspec.field(name="localWebRTCLiveStreams")
    local_live_streams: int
    local_webrtc_viewers: int = msgspec.field(name="localWebRTCViewers")
    local_hls_viewers: int = msgspec.field(name="localHLSViewers", default=0)
    local_dash_viewers: int = msgspec.field(name="localDASHViewers", default=0)
    encoders_blocked: int = msgspec.field(name="encoders-blocked", default=0)
    """0, as the next four: nodes count such things for Prometheus."""
    encoders_not_opened: int = msgspec.field(name="encoders-not-opened", default=0)
    publish_timeout_errors: int = msgspec.field(name="publish-timeout-errors", default=0)
    worker_queue_size: int = msgspec.field(name="vertx-worker-thread-queue-size", default=0)
    webrtc_worker_queue_size: int = msgspec.field(name="webrtc-vertx-worker-thread-queue-size", default=0)
    server_timing: ServerTime = msgspec.field(name="server-timing")
    total_live_stream_size: int
    license: Licence | msgspec.UnsetType = msgspec.UNSET
    """Left out while no license service has answered."""


class ResourceHistory(msgspec.Struct, kw_only=True, frozen=True, rename="camel"):
    """How busy this server was: a value each five seconds of the last five minutes, the oldest first."""

    cpu: tuple[float, ...]
    """Of the machine, in percent; likewise the next three."""
    mem: tuple[float, ...]
    disk: tuple[float, ...]
    heap: tuple[float, ...]
    db: tuple[float, ...]
    """Milliseconds until the store answers."""
    live: tuple[float, ...]
    """Live streams of the cluster."""
    net_out: tuple[float, ...]
    """In Mbit/s; likewise the next."""
    net_in: tuple[float, ...]


class AppHistory(msgspec.Struct, kw_only=True, frozen=True):
    """Viewers and live streams of an app: a value each 30 seconds of the last twelve hours, the oldest first."""

    viewers: tuple[int, ...]
    streams: tuple[int, ...]


class LogPage(msgspec.Struct, kw_only=True, frozen=True, rename="camel", omit_defaults=True):
    """A part of this instance's log."""

    log_content: str
    log_content_size: int | None = None
    """In bytes. Left out, like the next, while nothing was written."""
    log_file_size: int | None = None
    """How many bytes of the log are kept in all."""
