"""How this server does, for dashboards and for whoever looks for a fault."""

from __future__ import annotations

import gc
from collections.abc import Callable

from msgspec import UNSET

from rillcast.contracts.ids import AppName, NodeId
from services.signaling.core.domain.result import Result
from services.signaling.core.ports import Apps, Audience
from services.signaling.rest.domain import shapes
from services.signaling.rest.domain.answered import PlainText
from services.signaling.rest.domain.parameters import App, AppNames, LogChars, LogOffset, LogType
from services.signaling.rest.domain.refusal import Refusal, Refused
from services.signaling.rest.domain.shapes import Version
from services.signaling.rest.domain.system import (
    AppHistory,
    CpuUsage,
    FileSystem,
    LiveClients,
    Liveness,
    LogPage,
    NativeMemory,
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
from services.signaling.rest.ports import KeptLog, Licenses, Machine, PublishedStreams
from services.signaling.rest.usecases.histories import Histories

MOST_LOG_BYTES = 512_000
"""Of one answer, as with Ant Media."""
COLLECT_EVERY_S = 10.0
"""A collection stops everything else of this process for some hundredths of a second."""
TOO_SOON = Result(success=False, message=f"this was done within the last {COLLECT_EVERY_S:.0f} s")
NO_NAMES = Refusal(400, "Bad parameter for appNames. ")
UNKNOWN_NAME = Refusal(
    404, "Either server may not be initialized or application name that does not exist is requested. "
)
NO_TYPE = Refusal(400, "logType must be given: server, null or error")
NO_LOG = LogPage(log_content="There is no log yet")


class System:
    """One per signaling instance."""

    def __init__(
        self,
        node: NodeId,
        version: str,
        machine: Machine,
        histories: Histories,
        *,
        streams: PublishedStreams,
        audience: Audience,
        apps: Apps,
        licenses: Licenses,
        log: KeptLog,
        clock: Callable[[], float],
    ) -> None:
        """`clock`: monotonic seconds."""
        self._node = node
        self._version = version
        self._machine = machine
        self._histories = histories
        self._streams = streams
        self._audience = audience
        self._apps = apps
        self._licenses = licenses
        self._log = log
        self._clock = clock
        self._collected_at = -COLLECT_EVERY_S

    async def liveness(self) -> Liveness:
        """That this server answers."""
        return Liveness(host=self._machine.host)

    async def system(self) -> SystemInfo:
        """What the machine is."""
        return self._machine.system()

    async def process_memory(self) -> ProcessMemory:
        """How much memory this instance has taken."""
        return self._machine.process_memory()

    async def memory(self) -> SystemMemory:
        """How much memory there is, and how much is free."""
        return self._machine.memory()

    async def disk(self) -> FileSystem:
        """How much room there is where this instance works."""
        return self._machine.disk()

    async def cpu(self) -> CpuUsage:
        """How busy the processors are."""
        return self._machine.cpu()

    async def gpus(self) -> list[str]:
        """The GPUs that are used: none."""
        return []

    async def time(self) -> ServerTime:
        """For how long this process has run."""
        return self._machine.time()

    async def network(self) -> NetworkStatus:
        """What goes over the network cards."""
        return self._histories.network

    async def live_clients(self) -> LiveClients:
        """How many publish and watch in the cluster."""
        streams, viewers = self._live()
        return LiveClients(total_connection_size=streams + viewers, total_live_stream_size=streams)

    async def resources(self) -> SystemResources:
        """Most of that in one answer."""
        machine, (streams, viewers), memory = self._machine, self._live(), self._machine.process_memory()
        status = self._licenses.status
        return SystemResources(
            instance_id=self._node,
            cpu_usage=machine.cpu(),
            jvm_memory_usage=memory,
            system_info=machine.system(),
            system_memory_info=machine.memory(),
            file_system_info=machine.disk(),
            jvm_native_memory_usage=NativeMemory(in_use_memory=memory.in_use_memory, max_memory=memory.max_memory),
            software_version=Version(version_name=self._version),
            db_average_query_time_ms=self._histories.store_ms,
            local_webrtc_live_streams=streams,
            local_live_streams=streams,
            local_webrtc_viewers=viewers,
            server_timing=machine.time(),
            total_live_stream_size=streams,
            license=UNSET if status is None else shapes.license(status),
        )

    async def history(self) -> ResourceHistory:
        """How busy this server was in the last five minutes."""
        return self._histories.resources()

    async def app_history(self, app: App) -> AppHistory:
        """How many watched and published in an app. Raises `Refused` when there is no such app."""
        if self._apps.settings(app) is None:
            raise Refused(Refusal(404, f"there is no app {app!r} here"))
        return self._histories.of_app(app)

    async def threads(self) -> Threads:
        """How many threads this process has."""
        return self._machine.threads()

    async def thread_states(self) -> list[ThreadState]:
        """What every thread of this instance is doing."""
        return self._machine.thread_states()

    async def thread_dump(self) -> PlainText:
        """Where each thread of Python is."""
        return PlainText(self._machine.thread_dump())

    async def collect(self) -> Result:
        """Look for memory that nothing refers to."""
        now = self._clock()
        if now - self._collected_at < COLLECT_EVERY_S:
            return TOO_SOON
        self._collected_at = now
        gc.collect()
        return Result(success=True)

    async def log(self, log_offset: LogOffset, chars: LogChars, log_type: LogType = "") -> LogPage:
        """A part of this instance's log. Raises `Refused` without a type."""
        if not log_type:
            raise Refused(NO_TYPE)
        lines = self._log.errors if log_type.lower() == "error" else self._log.all
        if not len(lines):
            return NO_LOG
        page = lines.page(log_offset, min(chars, MOST_LOG_BYTES))
        return LogPage(log_content=page.text, log_content_size=page.size, log_file_size=page.total)

    async def ended_well(self, app_names: AppNames = "") -> Result:
        """Whether nothing is to be mended in these apps after an end without order: there never is, since records of
        what was live expire by themselves. Raises `Refused` for an app that there is not."""
        if not app_names:
            raise Refused(NO_NAMES)
        if any(self._apps.settings(name) is None for name in _names(app_names)):
            raise Refused(UNKNOWN_NAME)
        return Result(success=True)

    async def declare_ended_well(self, app_names: AppNames = "") -> bool:
        """To declare that it is as `ended_well` says it always is. It ends no server. Raises `Refused` without
        names."""
        if not app_names:
            raise Refused(NO_NAMES)
        return True

    def _live(self) -> tuple[int, int]:
        """Streams and viewers of the cluster."""
        viewers = [self._audience.viewers(live.app, live.stream) for live in self._streams.all()]
        return len(viewers), sum(viewers)


def _names(text: str) -> list[AppName]:
    return [AppName(name) for name in text.split(",")]
