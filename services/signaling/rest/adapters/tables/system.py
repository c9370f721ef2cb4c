"""How this server does."""

from __future__ import annotations

from services.signaling.core.domain.result import Result
from services.signaling.rest.adapters.endpoint import Endpoint, Table, refused
from services.signaling.rest.adapters.tables.guards import ADMIN, ANYBODY, OPERATOR
from services.signaling.rest.domain.answered import PlainText
from services.signaling.rest.domain.refusal import Refusal
from services.signaling.rest.domain.system import (
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
from services.signaling.rest.usecases.system import NO_NAMES, NO_TYPE, UNKNOWN_NAME, System

ROOT = "/rest/v2"
NO_HEAP = "the memory of this process holds what clients and operators keep secret, so it is given to nobody"
NO_SUPPORT = "this server sends nothing to anybody; ask where you got it from"

TABLE = Table(
    tag="system",
    about="The instance that answers, and its machine. Streams and viewers are those of the whole cluster.",
    resource=System,
    input="system",
    rows=(
        Endpoint("GET", f"{ROOT}/liveness", ANYBODY, System.liveness, "That this server answers.", answer=Liveness),
        Endpoint("GET", f"{ROOT}/system-status", OPERATOR, System.system, "What the machine is.", answer=SystemInfo),
        Endpoint(
            "GET",
            f"{ROOT}/jvm-memory-status",
            OPERATOR,
            System.process_memory,
            "The memory of this process, which is no Java.",
            answer=ProcessMemory,
        ),
        Endpoint(
            "GET",
            f"{ROOT}/system-memory-status",
            OPERATOR,
            System.memory,
            "The memory of the machine.",
            answer=SystemMemory,
        ),
        Endpoint("GET", f"{ROOT}/file-system-status", OPERATOR, System.disk, "The disk.", answer=FileSystem),
        Endpoint("GET", f"{ROOT}/cpu-status", OPERATOR, System.cpu, "The processors.", answer=CpuUsage),
        Endpoint("GET", f"{ROOT}/gpu-status", OPERATOR, System.gpus, "The GPUs: none is used.", answer=list[str]),
        Endpoint(
            "GET",
            f"{ROOT}/network-status",
            OPERATOR,
            System.network,
            "What goes over the network cards.",
            answer=NetworkStatus,
        ),
        Endpoint(
            "GET",
            f"{ROOT}/server-time",
            OPERATOR,
            System.time,
            "For how long this process has run.",
            answer=ServerTime,
        ),
        Endpoint(
            "GET",
            f"{ROOT}/live-clients-size",
            OPERATOR,
            System.live_clients,
            "How many publish and watch in the cluster.",
            answer=LiveClients,
        ),
        Endpoint(
            "GET",
            f"{ROOT}/system-resources",
            OPERATOR,
            System.resources,
            "Most of that, and the license, in one answer.",
            answer=SystemResources,
        ),
        Endpoint(
            "GET",
            f"{ROOT}/system-resources/history",
            OPERATOR,
            System.history,
            "How busy this server was: a value each five seconds of the last five minutes.",
            answer=ResourceHistory,
        ),
        Endpoint(
            "GET",
            f"{ROOT}/applications/{{app}}/metrics-history",
            OPERATOR,
            System.app_history,
            "Viewers and streams of an app: a value each 30 seconds of the last twelve hours.",
            answer=AppHistory,
            errors=(Refusal(404, "there is no such app"),),
        ),
        Endpoint("GET", f"{ROOT}/threads", OPERATOR, System.threads, "How many threads there are.", answer=Threads),
        Endpoint(
            "GET",
            f"{ROOT}/thread-dump",
            ADMIN,
            System.thread_dump,
            "Where each thread of Python is in the code.",
            answer=PlainText,
            produces="text/plain",
        ),
        Endpoint(
            "GET",
            f"{ROOT}/thread-dump-json",
            ADMIN,
            System.thread_states,
            "Each thread.",
            answer=list[ThreadState],
        ),
        Endpoint("GET", f"{ROOT}/heap-dump", ADMIN, refused(NO_HEAP), "Not done.", answer=Result, name="heap_dump"),
        Endpoint(
            "POST",
            f"{ROOT}/system/gc",
            ADMIN,
            System.collect,
            "Looks for memory that nothing refers to, at most each ten seconds.",
            answer=Result,
        ),
        Endpoint(
            "GET",
            f"{ROOT}/log-file/{{log_offset}}/{{chars}}",
            OPERATOR,
            System.log,
            "A part of this instance's log: of the last million bytes, or of the errors among them.",
            answer=LogPage,
            errors=(NO_TYPE,),
        ),
        Endpoint(
            "GET",
            f"{ROOT}/shutdown-proper-status",
            OPERATOR,
            System.ended_well,
            "Whether nothing is to be mended after an end without order. There never is.",
            answer=Result,
            errors=(NO_NAMES, UNKNOWN_NAME),
        ),
        Endpoint(
            "GET",
            f"{ROOT}/shutdown-properly",
            OPERATOR,
            System.declare_ended_well,
            "Declares that. It ends no server.",
            answer=bool,
            errors=(NO_NAMES,),
        ),
        Endpoint(
            "POST",
            f"{ROOT}/support/request",
            ADMIN,
            refused(NO_SUPPORT),
            "Not done.",
            answer=Result,
            name="ask_for_support",
        ),
    ),
)
