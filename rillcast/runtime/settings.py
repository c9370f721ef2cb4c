"""Settings of a node from environment variables: ``RILLCAST_<SERVICE>_<FIELD>``, else ``RILLCAST_<FIELD>``.

A service subclasses `NodeSettings` or `MediaSettings` with ``model_config = env_prefix("edge")``. A field can also come
from a file named by ``…_FILE`` (for secrets). `load_settings` turns every fault into one line and exit code 2.
"""

from __future__ import annotations

import ipaddress
import os
import re
import secrets
import sys
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from rillcast.runtime.telemetry.logs import LogFormat

SHARED_PREFIX = "RILLCAST_"
_NODE_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,252}[A-Za-z0-9])?")
_LONGEST_PLACE = 64

Port = Annotated[int, Field(ge=0, le=65_535)]


def env_prefix(service: str) -> SettingsConfigDict:
    """The `model_config` of a service's settings class: its variables begin with the name of the service."""
    return SettingsConfigDict(env_prefix=f"{SHARED_PREFIX}{service.upper()}_", extra="forbid")


class NodeSettings(BaseSettings):
    """What every node needs to know. Defaults run on one machine."""

    model_config = SettingsConfigDict(env_prefix=SHARED_PREFIX, extra="ignore")

    node_id: str = ""
    """Unique in the cluster; letters, digits, ``_`` and ``-``. Default: the kind and eight random characters."""
    region: str = ""
    """The region of this node, e.g. ``eu-central``. Viewers are sent to nodes of their region while one has room."""
    zone: str = ""
    """The zone within the region. It counts like the region, one level below."""

    nats_url: str = "nats://127.0.0.1:4222"
    """One or more servers, separated by commas."""
    nats_nkey: SecretStr = SecretStr("")
    """The seed of an nkey, with which this node proves to NATS which user it is. `rillcast nats-config` makes them."""
    nats_user: str = ""
    """The user by whose name and password this node connects to NATS."""
    nats_password: SecretStr = SecretStr("")
    """The password of `nats_user`."""
    nats_credentials: str = ""
    """Path of a NATS credentials file (a JWT and its nkey)."""
    nats_token: SecretStr = SecretStr("")
    """The token that NATS asks for. Whoever has it may do everything, so it is no way to part the kinds of node."""
    nats_ca: str = ""
    """Path of the certificates (PEM) that vouch for the NATS servers. With it, only TLS will do. Empty: those of the
    system, for ``tls://`` URLs and for servers that demand TLS."""
    nats_certificate: str = ""
    """Path of the certificate (PEM) that this node shows NATS. It is read again at each connect."""
    nats_certificate_key: str = ""
    """Path of the private key (PEM) of `nats_certificate`."""
    nats_server_name: str = ""
    """The name that the servers' certificate must have. Default: the host in the URL."""
    connect_timeout_s: float = Field(default=30.0, gt=0)
    """How long to wait for NATS at the start before giving up."""
    kv_storage: Literal["memory", "file"] = "file"
    """Where NATS keeps buckets that this node is the first to need."""
    kv_replicas: int = Field(default=1, ge=1, le=5)
    """Copies of each bucket: 3 in production, on at least as many NATS servers."""

    discovery: Literal["nats", "consul"] = "nats"
    """Where nodes find each other: by heartbeats over NATS alone, or in Consul."""
    consul_url: str = "http://127.0.0.1:8500"
    """The Consul agent of this machine. It counts with ``discovery=consul`` only."""
    consul_token: SecretStr = SecretStr("")
    """The ACL token for Consul. Empty: none is sent."""
    consul_ca: str = ""
    """Path of the certificates (PEM) that vouch for the agent, with an ``https://`` URL. Empty: those of the system."""
    consul_certificate: str = ""
    """Path of the certificate (PEM) that this node shows the agent. A renewed one is used for new connections."""
    consul_certificate_key: str = ""
    """Path of the private key (PEM) of `consul_certificate`."""

    admin_host: str = "127.0.0.1"
    """Where /livez, /readyz and /metrics listen. Never a public address."""
    admin_port: Port = 0
    """The port of that listener; 0 = any free one."""
    admin_hosts: Annotated[list[str], NoDecode] = []
    """Host names, separated by commas, under which that listener may be asked; IP addresses, localhost, the name of the
    node and that of its machine always work. Others are refused, since they may be those of another site's page."""
    advertise_address: str = ""
    """IP under which nodes and clients reach this machine. Default: its address on the network, else 127.0.0.1."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Messages below this level are not written."""
    log_format: LogFormat = "text"
    """Lines for people, or one JSON object a line for machines."""
    otlp_endpoint: str = ""
    """Base URL of an OTLP/HTTP receiver, e.g. http://127.0.0.1:4318. Empty: no traces leave the node."""
    trace_spans: int = Field(default=4_000, ge=0, le=1_000_000)
    """Finished spans that are kept in memory for `rillcast trace`, about 1 KB each; 0 = none."""
    trace_ratio: float = Field(default=1.0, ge=0, le=1)
    """Share of the traces beginning here that is exported. Of others, failed and slow ones are, while in memory."""
    trace_slow_s: float = Field(default=3.0, ge=0)
    """A trace that takes longer counts as slow; 0 = none does."""
    drain_timeout_s: float = Field(default=10.0, ge=0)
    """Time for leaving without harm after SIGTERM."""

    @field_validator("node_id")
    @classmethod
    def _node_id_is_a_subject_token(cls, value: str) -> str:
        if value and _NODE_ID.fullmatch(value) is None:
            raise ValueError("may hold 1 to 64 letters, digits, '_' and '-'")
        return value

    @field_validator("region", "zone")
    @classmethod
    def _place_is_short(cls, value: str) -> str:
        if len(value) > _LONGEST_PLACE:
            raise ValueError(f"may have at most {_LONGEST_PLACE} characters")
        return value

    @field_validator("advertise_address")
    @classmethod
    def _address_is_an_ip(cls, value: str) -> str:
        if value:
            ipaddress.ip_address(value)
        return value

    @field_validator("admin_hosts", mode="before")
    @classmethod
    def _admin_hosts_are_many(cls, value: object) -> object:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    @field_validator("admin_hosts")
    @classmethod
    def _admin_hosts_are_names(cls, value: list[str]) -> list[str]:
        for name in value:
            if _HOST.fullmatch(name) is None:
                raise ValueError(f"{name!r} is no host name, such as edge-1.example.com (without scheme and port)")
        return [name.lower() for name in value]

    @field_validator("consul_url", "otlp_endpoint")
    @classmethod
    def _is_http_url(cls, value: str) -> str:
        if value and not value.startswith(("http://", "https://")):
            raise ValueError("must start with http:// or https://")
        return value.rstrip("/")

    @field_validator("consul_url")
    @classmethod
    def _is_only_an_address(cls, value: str) -> str:
        if urlsplit(value).path:
            raise ValueError("must be scheme, host and port only, such as http://127.0.0.1:8500")
        return value

    @field_validator("nats_url")
    @classmethod
    def _is_nats_url(cls, value: str) -> str:
        for url in value.split(","):
            if not url.strip().startswith(("nats://", "tls://", "ws://", "wss://")):
                raise ValueError("must be one or more nats:// or tls:// URLs separated by commas")
        return value

    @model_validator(mode="after")
    def _all_of_nats_uses_tls_or_none(self) -> NodeSettings:
        """One server in the clear is enough for whoever can make the others unreachable."""
        encrypted = {url.startswith(("tls://", "wss://")) for url in self.nats_servers}
        if len(encrypted) > 1 and not (self.nats_ca or self.nats_certificate):
            raise ValueError(
                "RILLCAST_NATS_URL: some servers have tls:// and others have not, so TLS would be demanded of none; "
                "write tls:// before all of them, or set RILLCAST_NATS_CA"
            )
        return self

    @model_validator(mode="after")
    def _default_node_id(self) -> NodeSettings:
        if not self.node_id:
            kind = str(self.model_config.get("env_prefix", "")).removeprefix(SHARED_PREFIX).strip("_").lower() or "node"
            self.node_id = f"{kind}-{secrets.token_hex(4)}"
        return self

    @model_validator(mode="after")
    def _one_way_into_nats(self) -> NodeSettings:
        ways = {
            "nats_nkey": self.nats_nkey.get_secret_value(),
            "nats_user": self.nats_user,
            "nats_credentials": self.nats_credentials,
            "nats_token": self.nats_token.get_secret_value(),
        }
        given = [f"RILLCAST_{name.upper()}" for name, value in ways.items() if value]
        if len(given) > 1:
            raise ValueError(f"only one of {' and '.join(given)} can be sent to NATS")
        if bool(self.nats_user) != bool(self.nats_password.get_secret_value()):
            raise ValueError("RILLCAST_NATS_USER and RILLCAST_NATS_PASSWORD belong together: one of them is missing")
        if bool(self.nats_certificate) != bool(self.nats_certificate_key):
            raise ValueError(
                "RILLCAST_NATS_CERTIFICATE and RILLCAST_NATS_CERTIFICATE_KEY belong together: one of them is missing"
            )
        return self

    @model_validator(mode="after")
    def _tls_to_consul_is_whole(self) -> NodeSettings:
        if bool(self.consul_certificate) != bool(self.consul_certificate_key):
            names = "RILLCAST_CONSUL_CERTIFICATE and RILLCAST_CONSUL_CERTIFICATE_KEY"
            raise ValueError(f"{names} belong together: one of them is missing")
        if self.discovery == "consul" and not self.consul_url.startswith("https://"):
            for name in ("consul_ca", "consul_certificate"):
                if getattr(self, name):
                    raise ValueError(f"RILLCAST_{name.upper()} is of no use unless RILLCAST_CONSUL_URL has https://")
        return self

    @property
    def nats_servers(self) -> list[str]:
        """The servers that `nats_url` names, in its order."""
        return [url.strip() for url in self.nats_url.split(",")]

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, _Environment(settings_cls)


class MediaSettings(NodeSettings):
    """What nodes with a media plane need besides."""

    workers: int = Field(default=1, ge=1, le=256)
    """Media threads, each with one UDP port."""
    media_port: Port = 0
    """First worker's port for publishers or viewers, the next worker has the next one; 0 = any free ones."""
    media_bind: Annotated[list[str], NoDecode] = ["0.0.0.0", "::"]
    """At most one IPv4 and one IPv6 address, separated by commas."""
    ice_tcp_connections: int = Field(default=0, ge=0, le=100_000)
    """TCP connections of clients whose network lets no UDP through (ICE over TCP), for each worker, at the number of
    its media port; 0 = none. One address may have half of them at most. Browsers open one also where UDP works, and
    leave it again."""
    relay_port: Port = 0
    """The port of the first worker for relays between nodes; the next worker has the next one; 0 = any free ones."""
    relay_bind: str = ""
    """Address of the relay sockets; empty = all of the family of `advertise_address`, IPv4 if that is empty."""
    advertise_media_addresses: Annotated[list[str], NoDecode] = []
    """IPs put into ICE candidates, separated by commas. Default: `advertise_address`."""
    gso: bool = True
    """Hand several datagrams to the kernel at once (UDP GSO) where it can do that; a packet then costs less CPU."""
    pin: bool = False
    """Pin media threads to CPUs."""
    max_sessions: int = Field(default=20_000, ge=1)
    """Sessions of publishers and viewers at one time. A node that has them all takes no new one. One address (an IPv4
    address, or an IPv6 /64) may have half of them at most."""
    max_egress_bps: int = Field(default=10_000_000_000, ge=1)
    """What the network card can send. The bit rate sent counts as a share of it in the node's load."""
    max_pps: int = Field(default=1_000_000, ge=1)
    """Packets per second that the machine can send. The packets sent count likewise in the load of the node."""
    max_loop_lag_ms: float = Field(default=50.0, gt=0)
    """Delay of a media thread's timers at which the node takes no more. Beyond it viewers feel the neighbours."""

    @field_validator("media_bind", "advertise_media_addresses", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    @field_validator("media_bind", "advertise_media_addresses")
    @classmethod
    def _are_ips(cls, value: list[str]) -> list[str]:
        for address in value:
            ipaddress.ip_address(address)
        return value

    @field_validator("relay_bind")
    @classmethod
    def _relay_bind_is_an_ip(cls, value: str) -> str:
        if value:
            ipaddress.ip_address(value)
        return value

    @property
    def relays_listen_at(self) -> str:
        """`relay_bind` or its default: other nodes are told `advertise_address`, so it must be reached there."""
        return self.relay_bind or ("::" if ":" in self.advertise_address else "0.0.0.0")

    @model_validator(mode="after")
    def _ports_fit(self) -> MediaSettings:
        for name in ("media_port", "relay_port"):
            first = getattr(self, name)
            if first and first + self.workers - 1 > 65_535:
                raise ValueError(f"{name} + workers goes beyond port 65535")
        return self


class _Environment(PydanticBaseSettingsSource):
    """Reads ``<prefix><FIELD>``, ``<prefix><FIELD>_FILE``, then the same with the shared prefix."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        for prefix in _prefixes(self.settings_cls):
            key, *in_file = (f"{prefix}{name}" for name in _variables(self.settings_cls, field_name))
            if key in os.environ:
                return os.environ[key], field_name, self.field_is_complex(field)
            if in_file and os.environ.get(in_file[0]):
                return _read_secret(in_file[0]), field_name, self.field_is_complex(field)
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for name, field in self.settings_cls.model_fields.items():
            value, key, is_complex = self.get_field_value(field, name)
            if value is not None:
                values[key] = self.prepare_field_value(name, field, value, is_complex)
        values.update(_unknown_keys(self.settings_cls))
        return values


class SettingsError(ValueError):
    """A setting that can't be read at all."""

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(f"{key}: {reason}")


def _prefixes(settings_cls: type[BaseSettings]) -> list[str]:
    own = str(settings_cls.model_config.get("env_prefix") or SHARED_PREFIX)
    return [own] if own == SHARED_PREFIX else [own, SHARED_PREFIX]


def _variables(cls: type[BaseSettings], field_name: str) -> list[str]:
    """Without prefix: the one that holds the field's value, and the one that names a file that does, unless the latter
    is another field's."""
    own = field_name.upper()
    return [own] if f"{field_name}_file" in cls.model_fields else [own, f"{own}_FILE"]


def _read_secret(key: str) -> str:
    path = os.environ[key]
    try:
        return Path(path).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(key, f"cannot read {path}: {error}") from error


def _unknown_keys(settings_cls: type[BaseSettings]) -> dict[str, str]:
    """Variables with the service's own prefix that mean nothing: slips of the keyboard, which validation refuses."""
    prefix = _prefixes(settings_cls)[0]
    if prefix == SHARED_PREFIX:
        return {}
    found = {}
    for key in os.environ:
        if key.startswith(prefix):
            name = key.removeprefix(prefix).lower()
            if name not in settings_cls.model_fields and name.removesuffix("_file") not in settings_cls.model_fields:
                found[name] = "?"
    return found


Settings = TypeVar("Settings", bound=BaseSettings)


def load_settings(cls: type[Settings]) -> Settings:
    """Read the settings from the environment. If a value makes no sense, print one line for each bad key to standard
    error and end with exit code 2."""
    try:
        return cls()
    except SettingsError as error:
        print(error, file=sys.stderr)
    except ValidationError as error:
        print("\n".join(describe_faults(cls, error)), file=sys.stderr)
    sys.exit(2)


def describe_faults(cls: type[BaseSettings], error: ValidationError) -> list[str]:
    """One line per fault: the variable's name and what is wrong with it. Secret values are not shown."""
    lines = []
    for fault in error.errors(include_url=False, include_context=False):
        name = str(fault["loc"][0]) if fault["loc"] else ""
        if fault["type"] == "extra_forbidden":
            lines.append(f"{_prefixes(cls)[0]}{name.upper()}: there is no such setting")
            continue
        reason = fault["msg"].removeprefix("Value error, ")
        field = cls.model_fields.get(name)
        if field is not None and isinstance(fault["input"], str) and "Secret" not in str(field.annotation):
            reason += f" (got {fault['input']!r})"
        lines.append(f"{_key_in_use(cls, name)}: {reason}" if name else reason)
    return lines


def _key_in_use(cls: type[BaseSettings], name: str) -> str:
    keys = [f"{prefix}{variable}" for prefix in _prefixes(cls) for variable in _variables(cls, name)]
    return next((key for key in keys if key in os.environ), keys[0])
