"""Shapes of calls about servers.

Written by `make reference` from the tables of REST. Do not change it by hand.
"""

from __future__ import annotations

import msgspec

from rillcast.contracts.words import LogLevel


class PostedSettings(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
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
    web_rtc_log_level: str | None = msgspec.field(name="webRTCLogLevel", default=None)


class ServerSettings(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Ant Media's names and, where nothing here corresponds, its defaults."""

    allowed_dashboard_cidr: str = msgspec.field(name="allowedDashboardCIDR", default="0.0.0.0/0")
    host_address: str
    server_name: str = ""
    licence_key: str = ""
    build_for_market: bool = False
    marketplace: str = ""
    log_level: LogLevel
    offline_license: bool = False
    native_log_level: str = "ERROR"
    heartbeat_enabled: bool = False
    use_global_ip: bool = False
    proxy_address: str | None = None
    node_group: str = "default"
    cpu_measurement_period_ms: int = 1000
    cpu_measurement_window_size: int = 5
    default_http_port: int
    jwt_server_control_enabled: bool
    jwt_server_secret_key: str = ""
    jwks_url: str = msgspec.field(name="jwksURL")
    origin_server_port: int = 5000
    srt_port: int = 4200
    app_ingests_srt_streams_without_stream_id: str = "LiveApp"
    ssl_enabled: bool
    rtmp_port: int = 1935
    server_status_web_hook_url: str | None = msgspec.field(name="serverStatusWebHookURL", default=None)
    local_licence_server_ips: str | None = None
    host_address_from_environment: str | None = None
    web_rtc_log_level: str = msgspec.field(name="webRTCLogLevel", default="LS_ERROR")
