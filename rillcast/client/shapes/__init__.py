"""What REST takes and answers, as structs.

Written by `make reference` from the tables of REST. Do not change it by hand.
"""

from __future__ import annotations

from rillcast.client.shapes.account import Me, OwnSession
from rillcast.client.shapes.ant_media_settings import AntMediaSettings
from rillcast.client.shapes.app_settings import AppSettings
from rillcast.client.shapes.app_settings_patch import AppSettingsPatch
from rillcast.client.shapes.applications import AppInfo, AppNames, WatchedStream
from rillcast.client.shapes.backups import BackupSettings, BackupWishesPatch
from rillcast.client.shapes.broadcasts import KeptBroadcastPatch
from rillcast.client.shapes.cluster import ClusterNode
from rillcast.client.shapes.common import AccountsRole, Broadcast, LadderRung, Licence, Result, SimpleStat, Version
from rillcast.client.shapes.drains import DrainShare, NodeDrain
from rillcast.client.shapes.figures_of_broadcasts import (
    AppBroadcastStatistics,
    AudioReceiveStats,
    AudioSendStats,
    BasicStreamInfo,
    BroadcastStatistics,
    ReceiveStats,
    SendStats,
    VideoReceiveStats,
    VideoSendStats,
    WebRtcClientStats,
)
from rillcast.client.shapes.meanings_of_settings import Effect, Kind, SettingWords
from rillcast.client.shapes.media_of_broadcasts import PostedEndpoint
from rillcast.client.shapes.push_notifications import PostedPush
from rillcast.client.shapes.recordings import VoD
from rillcast.client.shapes.reports_of_players import PlayerReport, WatchReport
from rillcast.client.shapes.servers import PostedSettings, ServerSettings
from rillcast.client.shapes.sessions import JoinMove, JoinStatus
from rillcast.client.shapes.subscribers import ConnectionEvent, NewSubscriber, Subscriber
from rillcast.client.shapes.system import (
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
from rillcast.client.shapes.tokens import Token
from rillcast.client.shapes.traces import FoundTraces, TracedSpan, TraceStatus
from rillcast.client.shapes.users import ShownUser, SignInBody, User
from rillcast.contracts.broadcast_records import Destination, HlsParameters, PlayListItem
from rillcast.contracts.health import Trouble
from rillcast.contracts.messages.drains import DrainCount, DrainProgress
from rillcast.contracts.messages.license import LicenseStatus, LicenseUsage, UsageDay, UsageReport
from rillcast.contracts.messages.nodes import (
    CarriedStream,
    Condition,
    MachineMemory,
    NodeInfo,
    NodeLoad,
    NodeReport,
    RelayLink,
    StreamTrouble,
    TreePlace,
)
from rillcast.contracts.messages.traces import SpanRole
from rillcast.contracts.status import AppStatus, CarriedBy, ClusterStatus, NodeStatus, ServedStream, StreamStatus
from rillcast.contracts.words import DrainPhase, LicenseState, LogLevel, NodeKind, Role, SpareCodec

__all__ = [
    "AccountsRole",
    "AntMediaSettings",
    "AppBroadcastStatistics",
    "AppHistory",
    "AppInfo",
    "AppNames",
    "AppSettings",
    "AppSettingsPatch",
    "AppStatus",
    "AudioReceiveStats",
    "AudioSendStats",
    "BackupSettings",
    "BackupWishesPatch",
    "BasicStreamInfo",
    "Broadcast",
    "BroadcastStatistics",
    "CarriedBy",
    "CarriedStream",
    "ClusterNode",
    "ClusterStatus",
    "Condition",
    "ConnectionEvent",
    "CpuUsage",
    "Destination",
    "DrainCount",
    "DrainPhase",
    "DrainProgress",
    "DrainShare",
    "Effect",
    "FileSystem",
    "FoundTraces",
    "HlsParameters",
    "JoinMove",
    "JoinStatus",
    "KeptBroadcastPatch",
    "Kind",
    "LadderRung",
    "Licence",
    "LicenseState",
    "LicenseStatus",
    "LicenseUsage",
    "LiveClients",
    "Liveness",
    "LogLevel",
    "LogPage",
    "MachineMemory",
    "Me",
    "NativeMemory",
    "NetworkStatus",
    "NewSubscriber",
    "NodeDrain",
    "NodeInfo",
    "NodeKind",
    "NodeLoad",
    "NodeReport",
    "NodeStatus",
    "OwnSession",
    "PlayListItem",
    "PlayerReport",
    "PostedEndpoint",
    "PostedPush",
    "PostedSettings",
    "ProcessMemory",
    "ReceiveStats",
    "RelayLink",
    "ResourceHistory",
    "Result",
    "Role",
    "SendStats",
    "ServedStream",
    "ServerSettings",
    "ServerTime",
    "SettingWords",
    "ShownUser",
    "SignInBody",
    "SimpleStat",
    "SpanRole",
    "SpareCodec",
    "StreamStatus",
    "StreamTrouble",
    "Subscriber",
    "SystemInfo",
    "SystemMemory",
    "SystemResources",
    "ThreadState",
    "Threads",
    "Token",
    "TraceStatus",
    "TracedSpan",
    "TreePlace",
    "Trouble",
    "UsageDay",
    "UsageReport",
    "User",
    "Version",
    "VideoReceiveStats",
    "VideoSendStats",
    "VoD",
    "WatchReport",
    "WatchedStream",
    "WebRtcClientStats",
]
