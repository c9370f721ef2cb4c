"""The settings of the servers as Ant Media's panel reads and posts them, and which of them can be changed here.

A key that is posted as it was read changes nothing. `serverName` and `logLevel` act, on all instances. All others say
what holds, so whoever sets one to something else is refused, with the words where it is set.
"""

from __future__ import annotations

from typing import Any

import msgspec

from rillcast.contracts.server_records import ServerRecord
from rillcast.contracts.words import LogLevel


class ServerSettings(msgspec.Struct, kw_only=True, frozen=True, rename="camel"):
    """Ant Media's names and, where nothing here corresponds, its defaults."""

    allowed_dashboard_cidr: str = msgspec.field(name="allowedDashboardCIDR", default="0.0.0.0/0")
    """From which networks REST may be asked."""
    host_address: str
    server_name: str = ""
    """Under which sessions of operators hold too, besides addresses and the names of the settings."""
    licence_key: str = ""
    """The id of the license in force; empty while it is the community's, or unknown."""
    build_for_market: bool = False
    marketplace: str = ""
    log_level: LogLevel
    """How much all nodes write to their logs."""
    offline_license: bool = False
    native_log_level: str = "ERROR"
    heartbeat_enabled: bool = False
    """Nothing is sent to anybody."""
    use_global_ip: bool = False
    proxy_address: str | None = None
    node_group: str = "default"
    """The region of this node."""
    cpu_measurement_period_ms: int = 1_000
    cpu_measurement_window_size: int = 5
    default_http_port: int
    jwt_server_control_enabled: bool
    jwt_server_secret_key: str = ""
    """Clients are never told what it is."""
    jwks_url: str = msgspec.field(name="jwksURL")
    origin_server_port: int = 5_000
    """Ant Media's number, as the two below for RTMP and SRT: nothing listens there."""
    srt_port: int = 4_200
    app_ingests_srt_streams_without_stream_id: str = "LiveApp"
    ssl_enabled: bool
    rtmp_port: int = 1_935
    server_status_web_hook_url: str | None = msgspec.field(name="serverStatusWebHookURL", default=None)
    local_licence_server_ips: str | None = None
    host_address_from_environment: str | None = None
    webrtc_log_level: str = msgspec.field(name="webRTCLogLevel", default="LS_ERROR")


class PostedSettings(msgspec.Struct, kw_only=True, frozen=True, rename="camel"):
    """Those keys that were posted; null counts as not posted. Unknown keys are ignored, as with Ant Media."""

    allowed_dashboard_cidr: str | None = msgspec.field(name="allowedDashboardCIDR", default=None)
    host_address: str | None = None
    server_name: str | None = None
    licence_key: str | None = None
    build_for_market: bool | None = None
    marketplace: str | None = None
    log_level: str | None = None
    offline_license: bool | None = None
    native_log_level: str | None = None
    heartbeat_enabled: bool | None = None
    use_global_ip: bool | None = None
    proxy_address: str | None = None
    node_group: str | None = None
    cpu_measurement_period_ms: int | None = None
    cpu_measurement_window_size: int | None = None
    default_http_port: int | None = None
    jwt_server_control_enabled: bool | None = None
    jwt_server_secret_key: str | None = None
    jwks_url: str | None = msgspec.field(name="jwksURL", default=None)
    origin_server_port: int | None = None
    srt_port: int | None = None
    app_ingests_srt_streams_without_stream_id: str | None = None
    ssl_enabled: bool | None = None
    rtmp_port: int | None = None
    server_status_web_hook_url: str | None = msgspec.field(name="serverStatusWebHookURL", default=None)
    local_licence_server_ips: str | None = None
    host_address_from_environment: str | None = None
    webrtc_log_level: str | None = msgspec.field(name="webRTCLogLevel", default=None)


class SettingsRefused(Exception):
    """What was posted can't be done; the message says why."""


_ACT = frozenset({"server_name", "log_level"})
_WHERE = {
    "licence_key": "a license is put in force with `rillcast license install`",
    "allowed_dashboard_cidr": "it is set with RILLCAST_SIGNALING_REMOTE_ALLOWED_CIDR",
    "host_address": "it is set with RILLCAST_ADVERTISE_ADDRESS",
    "node_group": "the region of a node is set with RILLCAST_REGION",
    "default_http_port": "it is set with RILLCAST_SIGNALING_PORT",
    "jwt_server_control_enabled": "it is set with RILLCAST_SIGNALING_JWT_SERVER_CONTROL_ENABLED",
    "jwt_server_secret_key": "it is set with RILLCAST_SIGNALING_JWT_SERVER_SECRET_KEY",
    "jwks_url": "it is set with RILLCAST_SIGNALING_JWT_SERVER_JWKS_URL",
    "server_status_web_hook_url": "no webhook is told how servers do; their metrics say it",
    "ssl_enabled": "certificates are set with RILLCAST_SIGNALING_TLS_CERTIFICATE or RILLCAST_SIGNALING_ACME_NAMES",
}
NO_NAME = "serverName must be a host name, such as live.example.com. Nothing was changed"
_NOTHING = "nothing here corresponds to it"
_LEVELS = ", ".join(LogLevel)
_NAMES = {field.name: field.encode_name for field in msgspec.structs.fields(PostedSettings)}


def refusal_of(held: ServerSettings, posted: PostedSettings) -> str:
    """Why what was posted is not done; empty when it can be. Nothing of it is done if one key is refused."""
    for name, key in _NAMES.items():
        value = getattr(posted, name)
        if name in _ACT or value is None or _same(value, getattr(held, name)):
            continue
        return f"{key} cannot be changed by REST: {_WHERE.get(name, _NOTHING)}. Nothing was changed"
    if posted.log_level is not None and posted.log_level not in LogLevel.__members__:
        return f"logLevel must be one of {_LEVELS}. Nothing was changed"
    return ""


def changed(record: ServerRecord, posted: PostedSettings) -> ServerRecord:
    """The record with what was posted. Raises `SettingsRefused` for a name that is none."""
    given: dict[str, Any] = {}
    if posted.server_name is not None:
        given["serverName"] = posted.server_name.strip()
    if posted.log_level is not None:
        given["logLevel"] = posted.log_level
    try:
        return msgspec.convert(msgspec.to_builtins(record) | given, ServerRecord)
    except msgspec.ValidationError as error:
        raise SettingsRefused(
            "serverName must be a host name, such as live.example.com. Nothing was changed"
        ) from error


def _same(posted: object, held: object) -> bool:
    """Null and nothing are one: clients post either for a key that they don't set."""
    return posted == held or (posted == "" and held is None)
