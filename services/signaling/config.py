"""Settings of signaling: ``RILLCAST_SIGNALING_<FIELD>``."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import NoDecode

from rillcast.cluster.placement import RegionOrder
from rillcast.contracts.ids import is_app_name
from rillcast.runtime.settings import NodeSettings, env_prefix
from services.signaling.core.domain.geo import parse_geo_regions
from services.signaling.core.domain.region import parse_networks
from services.signaling.operators.domain.operator_jwt import SHORTEST_SECRET
from services.signaling.operators.domain.passwords import fault_of

_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,252}[A-Za-z0-9])?")

_HOST_NAME = re.compile(r"([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?")


class SignalingSettings(NodeSettings):
    """What signaling needs besides what every node needs."""

    model_config = env_prefix("signaling")

    host: str = "0.0.0.0"
    """Where clients connect."""
    port: int = Field(default=5080, ge=0, le=65_535)
    """0 = any free one. With TLS, this port leads clients from other machines to the one with TLS."""

    tls_port: int = Field(default=5443, ge=0, le=65_535)
    """Where clients connect by https and wss, if there is a certificate; 0 = any free one."""
    public_tls_port: int = Field(default=0, ge=0, le=65_535)
    """Under which clients reach that port, e.g. 443 if it is mapped so; 0 = the same."""
    tls_certificate: str = ""
    """File with the certificate and its chain, in PEM. A new one is used without a restart."""
    tls_key: str = ""
    """File with its key, in PEM, without a password."""
    acme_names: Annotated[list[str], NoDecode] = Field(default=[])
    """Names for which an authority shall issue a certificate, separated by commas. It asks on port 80 of each whether
    the name leads here, so that port 80 must lead to the plain port."""
    acme_terms_agreed: bool = False
    """Whether you agree to the authority's terms. It is asked for nothing before."""
    acme_contact: str = ""
    """E-mail address that the authority may write to."""
    acme_directory: str = "https://acme-v02.api.letsencrypt.org/directory"
    """Of the authority (RFC 8555). It is contacted only with ``acme_names``."""
    acme_ca_file: str = ""
    """File with the certificates that the authority's own server is known by; empty = the usual ones."""

    apps: Annotated[list[str], NoDecode] = Field(default=["live", "LiveApp", "WebRTCAppEE"])
    """Apps that exist from the start, separated by commas."""
    apps_file: str = ""
    """JSON file: app name → Ant Media app settings. For apps whose settings the store does not have yet; secrets and
    whatever else protects an app hold always, whatever the store has."""

    remote_allowed_cidr: str = "0.0.0.0/0,::/0"
    """From where REST and ``/rillcast/v1/…`` may be asked at all. It only narrows: an account or a token is needed from
    everywhere, this machine included."""
    allowed_hosts: Annotated[list[str], NoDecode] = Field(default=[])
    """Host names, separated by commas, under which operators sign in; IP addresses, localhost and the name of the
    machine always work. A trusted proxy answers for its hosts itself."""
    admin_password: SecretStr = SecretStr("")
    """The password of the account ``admin``, which the first start of a cluster makes. Empty: a random one is made, and
    shown once. Later starts do not read it."""
    first_password_path: str = ""
    """File that the random password is written to, readable by this user alone, for whoever starts this process.
    Empty: one line on standard error."""
    local_token_path: str = ""
    """File that a fresh token is written to at each start, readable by this user alone. `rillcast status` and other
    commands on this machine show it. Empty: none is written."""
    session_lifetime_s: float = Field(default=43_200.0, ge=60, le=2_592_000)
    """How long an operator stays signed in."""
    jwt_server_control_enabled: bool = False
    """Take JWT in the header ProxyAuthorization for administrators, as Ant Media's `server.jwtServerControlEnabled`.
    Either a secret or a JWKS must be given."""
    jwt_server_secret_key: SecretStr = SecretStr("")
    """The secret of such JWT (HS256), at least 32 bytes."""
    jwt_server_jwks_url: str = ""
    """Where an identity provider publishes the keys of such JWT (RS256, ES256); it counts before the secret. Whoever
    has a token of that provider is an administrator, so an audience must be given too."""
    jwt_server_audience: str = ""
    """What ``aud`` of such JWT must name. Empty: it is not looked at."""
    jwt_server_without_end: bool = False
    """Take such JWT also without ``exp``."""

    webhook_refused_cidr: str = "169.254.0.0/16,fe80::/10,100.100.100.200,fd00:ec2::254"
    """Networks to which no webhook is sent, whatever names lead there. By default those are left out where clouds tell
    a machine its secrets; all others may have a webhook, this machine and its neighbours included, as with Ant Media.
    Empty: none is left out."""

    trusted_proxies: str = ""
    """CIDRs of load balancers whose X-Forwarded-For, X-Real-IP and region header are believed."""
    region_header: str = ""
    """Header in which a trusted proxy names the client's region or country, e.g. CloudFront-Viewer-Country."""
    region_table: str = ""
    """File with a line ``CIDR region [zone]`` per network."""
    geo_database: str = ""
    """MaxMind database (.mmdb) with country data."""
    geo_regions: str = ""
    """ISO country or continent codes and the regions they belong to: ``DE=eu-central,EU=eu-west,NA=us-east``."""
    region_order: str = ""
    """Which region comes next when one has no room: ``eu-west>eu-central,us-east;us-east>us-west``."""

    max_sockets: int = Field(default=20_000, ge=1)
    """WebSockets at one time. For one more, one that does nothing is closed; if there is none, it is answered 503. A
    start with too little memory for so many lowers the number and says so. With TLS each takes much more."""
    max_connections_per_address: int = Field(default=4_000, ge=1)
    """Connections at one time of one IPv4 address, or one IPv6 /64, but never more than half of all. Many viewers may
    share an address, in a school or behind a carrier's NAT. Trusted proxies may have more; of their clients each may
    have so many WebSockets."""
    sockets_per_s_per_address: float = Field(default=50.0, gt=0)
    """WebSockets that one address (an IPv4 address, or an IPv6 /64) may open steadily; more are answered 429."""
    socket_burst_per_address: int = Field(default=1_000, ge=1)
    """WebSockets that one address may open at once: so many viewers in one school begin in the same moment."""
    joins_per_s_per_address: float = Field(default=50.0, gt=0)
    """Requests to publish or to play, by any protocol, that one address may make steadily. More are answered 429, on a
    WebSocket highResourceUsage. Asking for a stream that is not live counts a twentieth."""
    join_burst_per_address: int = Field(default=1_000, ge=1)
    """Requests to publish or to play that one address may make at once."""
    changes_per_s_per_address: float = Field(default=100.0, gt=0)
    """Changes of sessions that one address may make steadily: PATCH and DELETE of WHIP and WHEP, further offers, forced
    renditions, toggles. More are answered 429, or ignored on a WebSocket."""
    change_burst_per_address: int = Field(default=4_000, ge=1)
    """Changes of sessions that one address may make at once, as when a whole school closes its pages."""
    unlimited_networks: str = "127.0.0.0/8,::1"
    """CIDRs for which no limit per address holds, such as those of load generators. An address counts that a trusted
    proxy names; a proxy that is not trusted counts as one client, which may do ten times as much if it is in here."""
    max_streams_per_socket: int = Field(default=64, ge=1, le=1_000)
    """Sessions of one socket, and streams it may wait for."""
    messages_per_s: float = Field(default=50.0, gt=0)
    """Frames a socket may send steadily; more are dropped, and a socket that doesn't stop is closed."""
    message_burst: int = Field(default=500, ge=10)
    """Frames a socket may send at once; a page that opens many streams sends many candidates."""
    max_admitting: int = Field(default=1_000, ge=1)
    """Clients about whom somebody is asked at one time before they are let in; more are refused with
    highResourceUsage. One address may have half of them at most."""
    admission_timeout_s: float = Field(default=5.0, gt=0, le=60)
    """In this time whoever is asked must have answered, or the client is refused."""
    max_opening: int = Field(default=500, ge=1)
    """Sessions for which a node is being asked at one time; more are refused with highResourceUsage. Joins that wait
    for a node do not count. One address may have half of them at most."""
    node_wait_s: float = Field(default=3.0, ge=0, le=30)
    """How long a join waits for a node when there is none, as right after the cluster's start. An SDK starts anew after
    about 3 s. 0 = refuse at once."""
    max_node_waits: int = Field(default=500, ge=0)
    """Joins that wait for a node at one time; more are refused at once. One address may have half of them at most."""
    max_waiting: int = Field(default=100_000, ge=0)
    """Viewers waiting for streams that are not live yet. One address may have half of the places at most; whoever finds
    none asks again by itself."""
    max_consoles: int = Field(default=500, ge=1, le=10_000)
    """Operators' consoles that this instance shows the cluster live, at one time; one more is answered 503. One address
    may have half of them at most."""
    streaming_started_per_s: float = Field(default=500.0, gt=0)
    """How many waiting viewers of one stream are told per second that it began."""
    node_full: float = Field(default=1.0, gt=0, le=1)
    """Share of its limits at which a node gets no new session."""

    @property
    def has_tls(self) -> bool:
        """Whether there is a listener with TLS."""
        return bool(self.tls_certificate or self.acme_names)

    @model_validator(mode="after")
    def _certificate_has_one_source(self) -> SignalingSettings:
        if bool(self.tls_certificate) != bool(self.tls_key):
            raise ValueError("tls_certificate and tls_key belong together: one of them is missing")
        if self.tls_certificate and self.acme_names:
            raise ValueError("tls_certificate or acme_names, not both")
        if self.acme_names and not self.acme_terms_agreed:
            raise ValueError(f"acme_names needs acme_terms_agreed=true; see the terms of {self.acme_directory}")
        return self

    @field_validator("acme_names")
    @classmethod
    def _are_host_names(cls, value: list[str]) -> list[str]:
        for name in value:
            if len(name) > 253 or _HOST_NAME.fullmatch(name) is None:
                raise ValueError(f"{name!r} is no full host name such as live.example.org")
        return value

    @field_validator("apps", "acme_names", "allowed_hosts", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    @field_validator("apps")
    @classmethod
    def _are_app_names(cls, value: list[str]) -> list[str]:
        for name in value:
            if not is_app_name(name):
                raise ValueError(f"{name!r} is no app name: 1 to 32 letters, digits, '_' and '-'")
        return value

    @field_validator("remote_allowed_cidr", "trusted_proxies", "unlimited_networks", "webhook_refused_cidr")
    @classmethod
    def _are_networks(cls, value: str) -> str:
        parse_networks(value)
        return value

    @field_validator("allowed_hosts")
    @classmethod
    def _are_hosts(cls, value: list[str]) -> list[str]:
        for name in value:
            if _HOST.fullmatch(name) is None:
                raise ValueError(f"{name!r} is no host name, such as live.example.com (without scheme and port)")
        return [name.lower() for name in value]

    @field_validator("admin_password")
    @classmethod
    def _is_password(cls, value: SecretStr) -> SecretStr:
        if value.get_secret_value() and (fault := fault_of(value.get_secret_value())):
            raise ValueError(fault)
        return value

    @field_validator("jwt_server_secret_key")
    @classmethod
    def _is_long_enough(cls, value: SecretStr) -> SecretStr:
        if 0 < len(value.get_secret_value().encode()) < SHORTEST_SECRET:
            raise ValueError(f"must have at least {SHORTEST_SECRET} bytes")
        return value

    @field_validator("jwt_server_jwks_url")
    @classmethod
    def _is_url(cls, value: str) -> str:
        if value and not value.startswith(("http://", "https://")):
            raise ValueError("must start with http:// or https://")
        return value

    @model_validator(mode="after")
    def _jwt_can_be_checked(self) -> SignalingSettings:
        secret, url = self.jwt_server_secret_key.get_secret_value(), self.jwt_server_jwks_url
        if self.jwt_server_control_enabled and not (secret or url):
            raise ValueError("jwt_server_control_enabled needs jwt_server_secret_key or jwt_server_jwks_url")
        if not self.jwt_server_control_enabled and (secret or url):
            raise ValueError("jwt_server_secret_key and jwt_server_jwks_url need jwt_server_control_enabled=true")
        if url and not self.jwt_server_audience:
            raise ValueError("jwt_server_jwks_url needs jwt_server_audience")
        return self

    @field_validator("geo_regions")
    @classmethod
    def _are_geo_regions(cls, value: str) -> str:
        parse_geo_regions(value)
        return value

    @field_validator("region_order")
    @classmethod
    def _is_region_order(cls, value: str) -> str:
        RegionOrder.parse(value)
        return value
