"""Calls about system.

Written by `make reference` from the tables of REST. Do not change it by hand.
"""

from __future__ import annotations

from rillcast.client.asking import Asking, Query, part
from rillcast.client.shapes.common import Result
from rillcast.client.shapes.system import (
    AppHistory,
    CpuUsage,
    FileSystem,
    LiveClients,
    Liveness,
    LogPage,
    NetworkStatus,
    ProcessMemory,
    ResourceHistory,
    ServerTime,
    SystemInfo,
    SystemMemory,
    SystemResources,
    Threads,
    ThreadState,
)


class System:
    """The instance that answers, and its machine. Streams and viewers are those of the whole cluster."""

    def __init__(self, ask: Asking) -> None:
        self._ask = ask

    def get_liveness(self) -> Liveness:
        """That this server answers.

        ``GET /rest/v2/liveness``
        """
        return self._ask(Liveness, "GET", "/rest/v2/liveness")

    def get_system_status(self) -> SystemInfo:
        """What the machine is.

        ``GET /rest/v2/system-status``
        """
        return self._ask(SystemInfo, "GET", "/rest/v2/system-status")

    def get_process_memory(self) -> ProcessMemory:
        """The memory of this process, which is no Java.

        ``GET /rest/v2/jvm-memory-status``
        """
        return self._ask(ProcessMemory, "GET", "/rest/v2/jvm-memory-status")

    def get_system_memory(self) -> SystemMemory:
        """The memory of the machine.

        ``GET /rest/v2/system-memory-status``
        """
        return self._ask(SystemMemory, "GET", "/rest/v2/system-memory-status")

    def get_file_system(self) -> FileSystem:
        """The disk.

        ``GET /rest/v2/file-system-status``
        """
        return self._ask(FileSystem, "GET", "/rest/v2/file-system-status")

    def get_cpu_usage(self) -> CpuUsage:
        """The processors.

        ``GET /rest/v2/cpu-status``
        """
        return self._ask(CpuUsage, "GET", "/rest/v2/cpu-status")

    def list_gpus(self) -> list[str]:
        """The GPUs: none is used.

        ``GET /rest/v2/gpu-status``
        """
        return self._ask(list[str], "GET", "/rest/v2/gpu-status")

    def get_network_status(self) -> NetworkStatus:
        """What goes over the network cards.

        ``GET /rest/v2/network-status``
        """
        return self._ask(NetworkStatus, "GET", "/rest/v2/network-status")

    def get_server_time(self) -> ServerTime:
        """For how long this process has run.

        ``GET /rest/v2/server-time``
        """
        return self._ask(ServerTime, "GET", "/rest/v2/server-time")

    def count_live_clients(self) -> LiveClients:
        """How many publish and watch in the cluster.

        ``GET /rest/v2/live-clients-size``
        """
        return self._ask(LiveClients, "GET", "/rest/v2/live-clients-size")

    def get_system_resources(self) -> SystemResources:
        """Most of that, and the license, in one answer.

        ``GET /rest/v2/system-resources``
        """
        return self._ask(SystemResources, "GET", "/rest/v2/system-resources")

    def get_system_resources_history(self) -> ResourceHistory:
        """How busy this server was: a value each five seconds of the last five minutes.

        ``GET /rest/v2/system-resources/history``
        """
        return self._ask(ResourceHistory, "GET", "/rest/v2/system-resources/history")

    def get_app_metrics_history(self, app: str) -> AppHistory:
        """Viewers and streams of an app: a value each 30 seconds of the last twelve hours.

        ``GET /rest/v2/applications/{app}/metrics-history``

        `app`: The app.
        """
        return self._ask(AppHistory, "GET", f"/rest/v2/applications/{part(app)}/metrics-history")

    def count_threads(self) -> Threads:
        """How many threads there are.

        ``GET /rest/v2/threads``
        """
        return self._ask(Threads, "GET", "/rest/v2/threads")

    def get_thread_dump(self) -> str:
        """Where each thread of Python is in the code.

        ``GET /rest/v2/thread-dump``
        """
        return self._ask.text("GET", "/rest/v2/thread-dump")

    def list_threads(self) -> list[ThreadState]:
        """Each thread.

        ``GET /rest/v2/thread-dump-json``
        """
        return self._ask(list[ThreadState], "GET", "/rest/v2/thread-dump-json")

    def collect_garbage(self) -> Result:
        """Looks for memory that nothing refers to, at most each ten seconds.

        ``POST /rest/v2/system/gc``
        """
        return self._ask(Result, "POST", "/rest/v2/system/gc")

    def read_log(self, log_offset: int, chars: int, *, log_type: str | None = None) -> LogPage:
        """A part of this instance's log: of the last million bytes, or of the errors among them.

        ``GET /rest/v2/log-file/{log_offset}/{chars}``

        `log_offset`: The first byte of the log to be shown; -1 = the last ones.
        `chars`: How many bytes at most. More than 512000 count as that.
        `log_type`: `error` for errors alone; `server` or `null` for everything.
        """
        query: Query = {"logType": log_type}
        return self._ask(LogPage, "GET", f"/rest/v2/log-file/{part(log_offset)}/{part(chars)}", query=query)

    def get_shutdown_status(self, *, app_names: str | None = None) -> Result:
        """Whether nothing is to be mended after an end without order. There never is.

        ``GET /rest/v2/shutdown-proper-status``

        `app_names`: The apps, with commas in between.
        """
        query: Query = {"appNames": app_names}
        return self._ask(Result, "GET", "/rest/v2/shutdown-proper-status", query=query)

    def declare_shutdown(self, *, app_names: str | None = None) -> bool:
        """Declares that. It ends no server.

        ``GET /rest/v2/shutdown-properly``

        `app_names`: The apps, with commas in between.
        """
        query: Query = {"appNames": app_names}
        return self._ask(bool, "GET", "/rest/v2/shutdown-properly", query=query)
