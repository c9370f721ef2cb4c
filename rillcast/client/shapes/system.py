"""Shapes of calls about system.

Written by `make reference` from the tables of REST. Do not change it by hand.
"""

from __future__ import annotations

import msgspec
from msgspec import UNSET, UnsetType

from rillcast.client.shapes.common import Licence, Version


class AppHistory(msgspec.Struct, frozen=True, kw_only=True):
    """Viewers and live streams of an app: a value each 30 seconds of the last twelve hours, the oldest first."""

    viewers: list[int]
    streams: list[int]


class CpuUsage(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How busy the processors are."""

    process_cpu_time: int = msgspec.field(name="processCPUTime")
    system_cpu_load: int = msgspec.field(name="systemCPULoad")
    process_cpu_load: int = msgspec.field(name="processCPULoad")
    system_load_average_last_minute: float


class FileSystem(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The disk on which this process works, in bytes."""

    usable_space: int
    total_space: int
    free_space: int
    in_use_space: int


class LiveClients(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How many publish and watch in the cluster."""

    total_connection_size: int
    total_live_stream_size: int


class Liveness(msgspec.Struct, frozen=True, kw_only=True):
    """That this server answers."""

    host: str
    status: str = "ok"


class LogPage(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A part of this instance's log."""

    log_content: str
    log_content_size: int | None = None
    log_file_size: int | None = None


class NativeMemory(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The same, as Ant Media writes that of what is no Java."""

    in_use_memory: int
    max_memory: int


class NetworkStatus(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What goes over the machine's network cards, loopback apart, in Mbit/s."""

    outbound_mbps: float
    inbound_mbps: float
    uplink_mbps: float = 0.0


class ProcessMemory(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The memory of this process, in bytes."""

    max_memory: int
    total_memory: int
    free_memory: int
    in_use_memory: int


class ResourceHistory(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How busy this server was: a value each five seconds of the last five minutes, the oldest first."""

    cpu: list[float]
    mem: list[float]
    disk: list[float]
    heap: list[float]
    db: list[float]
    live: list[float]
    net_out: list[float]
    net_in: list[float]


class ServerTime(msgspec.Struct, frozen=True, kw_only=True):
    """For how long this process has run, and since when, in milliseconds."""

    up_time: int = msgspec.field(name="up-time")
    start_time: int = msgspec.field(name="start-time")


class SystemInfo(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What kind of machine an instance runs on."""

    os_name: str
    os_arch: str
    java_version: str = ""
    processor_count: int


class SystemMemory(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The memory of the machine, in bytes."""

    virtual_memory: int
    total_memory: int
    free_memory: int
    in_use_memory: int
    total_swap_space: int
    free_swap_space: int
    in_use_swap_space: int
    available_memory: int


class SystemResources(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """All that in one answer."""

    instance_id: str
    cpu_usage: CpuUsage
    jvm_memory_usage: ProcessMemory
    system_info: SystemInfo
    system_memory_info: SystemMemory
    file_system_info: FileSystem
    jvm_native_memory_usage: NativeMemory
    software_version: Version
    gpu_usage_info: list[str] = msgspec.field(default_factory=list)
    ffmpeg_build_info: str = ""
    db_average_query_time_ms: int
    local_web_rtc_live_streams: int = msgspec.field(name="localWebRTCLiveStreams")
    local_live_streams: int
    local_web_rtc_viewers: int = msgspec.field(name="localWebRTCViewers")
    local_hls_viewers: int = msgspec.field(name="localHLSViewers", default=0)
    local_dash_viewers: int = msgspec.field(name="localDASHViewers", default=0)
    encoders_blocked: int = msgspec.field(name="encoders-blocked", default=0)
    encoders_not_opened: int = msgspec.field(name="encoders-not-opened", default=0)
    publish_timeout_errors: int = msgspec.field(name="publish-timeout-errors", default=0)
    vertx_worker_thread_queue_size: int = msgspec.field(name="vertx-worker-thread-queue-size", default=0)
    webrtc_vertx_worker_thread_queue_size: int = msgspec.field(name="webrtc-vertx-worker-thread-queue-size", default=0)
    server_timing: ServerTime = msgspec.field(name="server-timing")
    total_live_stream_size: int
    license: Licence | UnsetType = UNSET


class ThreadState(msgspec.Struct, frozen=True, kw_only=True):
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
    user_time: int = msgspec.field(name="user-time")


class Threads(msgspec.Struct, frozen=True, kw_only=True):
    """The threads of this process."""

    dead_locked_thread: list[int] = msgspec.field(name="dead-locked-thread", default_factory=list)
    thread_count: int = msgspec.field(name="thread-count")
    thread_peek_count: int = msgspec.field(name="thread-peek-count")
