"""`Discovery` on a Consul agent: register, look whether that still stands, deregister, and follow who is healthy.

Each node has an HTTP check on its /readyz, and tells the agent of every change by itself, so that nobody waits for the
check. What was known stays known while the agent is away, and for a while after it came back: an agent that lost its
data forgets nodes that are alive and about to register again.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import aiohttp
import consul
import msgspec
from consul.callback import CB

from rillcast.contracts.ids import NodeId
from rillcast.contracts.messages import NodeInfo
from rillcast.contracts.registry import service_name
from rillcast.contracts.words import NodeKind
from rillcast.runtime import metrics
from rillcast.runtime.discovery.consul_refusals import Refusals, is_refusal
from rillcast.runtime.discovery.consul_tls import ConsulTls, consul_client, crosses_in_the_clear, tls_fault
from rillcast.runtime.errors import StartError
from rillcast.runtime.tasks.supervisor import Supervisor
from rillcast.runtime.telemetry.logs import get_logger
from rillcast.runtime.urls import without_secrets

log = get_logger(__name__)

CHECK_INTERVAL = "1s"
CHECK_TIMEOUT = "2s"
DEREGISTER_AFTER = "1m"
"""The shortest that Consul knows. A living node that stays not ready for longer registers again by itself."""
_LOOK_EVERY_S = 3.0
_WAIT_S = 20
_CALL_TIMEOUT_S = 3.0
_SETTLING_S = 15.0
_META_LIMIT = 512
_FAULTS = (aiohttp.ClientError, OSError, TimeoutError, consul.ConsulException, msgspec.MsgspecError, ValueError)
"""What a call raises when the agent is away, refuses, or answers nonsense."""


class _Service(msgspec.Struct, rename="pascal"):
    meta: dict[str, str] | None = None


class _Check(msgspec.Struct, rename="pascal"):
    status: str = ""


class _Instance(msgspec.Struct, rename="pascal"):
    service: _Service
    checks: list[_Check] = []


class ConsulDiscovery:
    """See `rillcast.runtime.ports.Discovery`. Make it inside the event loop, call `open` first and `close` last."""

    def __init__(
        self,
        url: str,
        token: str = "",
        *,
        tls: ConsulTls | None = None,
        clock: Callable[[], float] = time.monotonic,
        look_every_s: float = _LOOK_EVERY_S,
        supervisor: Supervisor | None = None,
        on_refused: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`tls` is needed for an https URL. `on_refused` is called with a sentence when Consul lastingly refuses
        something, and with nothing once it allows everything again."""
        self._url = url
        self._shown_url = without_secrets(url)
        self._supervisor = supervisor or Supervisor()
        self._clock = clock
        self._look_every_s = look_every_s
        self._tls = tls
        self._consul = consul_client(url, tls)
        # In each call, since the client prefers the variable CONSUL_HTTP_TOKEN to a token of its own.
        self._token = token or None
        self._headers = {"X-Consul-Token": token} if token else {}
        self._nodes: dict[NodeKind, dict[NodeId, NodeInfo]] = {kind: {} for kind in NodeKind}
        self._reachable = False
        self._settled_at = 0.0
        self._tasks: list[asyncio.Task[None]] = []
        self._keeper: asyncio.Task[None] | None = None
        self._info: NodeInfo | None = None
        self._ready = False
        self._announcements = 0
        self._writing = asyncio.Lock()
        self._fault = ""
        self._refusals = Refusals(bool(token), on_refused)

    @property
    def reachable(self) -> bool:
        """Whether the agent answers right now."""
        return self._reachable

    def nodes(self, kind: NodeKind) -> Mapping[NodeId, NodeInfo]:
        """See `Discovery.nodes`."""
        return self._nodes[kind]

    async def open(self) -> None:
        """Begin to follow who is there. The first answers come soon after; until then nobody is known."""
        self._tasks = [self._supervisor.spawn(self._follow(kind), f"consul {kind}") for kind in NodeKind]

    async def close(self) -> None:
        """End the queries and the client. A registration that was not taken back stays in Consul."""
        await self._supervisor.end(*self._tasks, *([self._keeper] if self._keeper else []))
        await self._consul.close()

    # ---- this node

    async def register(self, info: NodeInfo) -> None:
        """See `Discovery.register`. Returns after the first try; later ones go on in the background. Raises
        `StartError` with what is missing when Consul refuses it, or when no TLS connection comes about."""
        _meta(info)  # raises for a node that Consul can't describe
        self._info = info
        if refused := await self._keep(info):
            self._info = None
            raise StartError(refused)
        await self._say_how_open()
        if self._keeper is None:
            self._keeper = self._supervisor.spawn(self._keep_forever(info), "consul registration")

    async def announce(self, ready: bool) -> None:
        """See `Discovery.announce`."""
        if ready == self._ready:
            return
        self._ready = ready
        self._announcements += 1
        if self._info is not None:
            await self._write(self._info)

    async def abandon(self) -> None:
        """See `Discovery.abandon`."""
        self._info = None
        if self._keeper is not None:
            keeper, self._keeper = self._keeper, None
            await self._supervisor.end(keeper)

    async def deregister(self) -> None:
        """See `Discovery.deregister`."""
        info = self._info
        await self.abandon()
        if info is None:
            return
        node = info.node
        try:
            await _within(self._consul.agent.service.deregister(node, token=self._token))
        except consul.ACLPermissionDenied as error:
            self._refusals.take("deregister", f"deregister {node}", str(error))
        except _FAULTS as error:
            log.warning("Consul did not take the goodbye, its check will", reason=_reason(error))

    async def _keep_forever(self, info: NodeInfo) -> None:
        while True:
            await asyncio.sleep(self._look_every_s * (0.8 + random.random() * 0.4))
            await self._keep(info)

    async def _keep(self, info: NodeInfo) -> str:
        """Write the registration unless it stands. Returns in words what must be mended: a refusal, or a fault of TLS;
        empty when there was none."""
        if self._tls is not None:
            self._tls.renew()
        try:
            there = await self._look(info)
        except _FAULTS as error:
            self._away(_reason(error))
            wrong = tls_fault(error)
            return f"Consul at {self._url}: {wrong}" if wrong else ""
        stands = there == _meta(info) and not self._refusals.stands(f"register {service_name(info.kind)}")
        return "" if stands else await self._write(info)

    async def _look(self, info: NodeInfo) -> dict[str, str] | None:
        """The metadata registered for the node. Not by the client's own method, which sends no token."""
        try:
            found = await _within(
                self._consul.http.get(CB.json(), f"/v1/agent/service/{info.node}", headers=self._headers)
            )
        except consul.ConsulException:  # writing will say why
            return None
        return None if found is None else msgspec.convert(found, _Service).meta

    async def _write(self, info: NodeInfo) -> str:
        """See `_keep`."""
        name = service_name(info.kind)
        host, _, port = info.admin_address.rpartition(":")
        try:
            async with self._writing:
                await _within(
                    self._consul.agent.service.register(
                        name,
                        service_id=info.node,
                        address=host.strip("[]"),
                        port=int(port),
                        meta=_meta(info),
                        check=self._check(info),
                        token=self._token,
                        replace_existing_checks=True,
                    )
                )
        except consul.ACLPermissionDenied as error:
            if is_refusal(str(error)):
                return self._refusals.take("register", f"register {name}", str(error))
            self._away(_reason(error))
        except consul.ConsulException as error:
            if self._fault != (fault := str(error).strip()[:200]):
                self._fault = fault
                log.error("Consul does not register this node", reason=fault)
        except _FAULTS as error:
            self._away(_reason(error))
        else:
            self._fault = ""
            self._refusals.allow(f"register {name}")
            metrics.DISCOVERY_REGISTRATIONS.inc()
            log.info("Registered in Consul", service=name, ready=self._ready)
        return ""

    async def _say_how_open(self) -> None:
        """Warn of a Consul that knows no access list: it takes every token, and heeds none. And of a token that whoever
        listens on the way reads."""
        if self._token is not None and crosses_in_the_clear(self._url):
            words = "RILLCAST_CONSUL_URL has no https://, so the token crosses the network in the clear"
            log.warning(
                "Consul is on another machine and is spoken to without TLS",
                url=self._shown_url,
                reason=words,
            )
        try:
            await _within(self._consul.http.get(CB.json(), "/v1/acl/token/self", headers=self._headers))
        except consul.ACLDisabled:
            words = "whoever reaches it can hide nodes from the others"
            log.warning("Consul asks nobody for a token", reason=words, ours_is_ignored=self._token is not None)
        except _FAULTS as error:
            log.debug("Consul does not tell about its access list", reason=_reason(error))

    def _check(self, info: NodeInfo) -> dict[str, str]:
        """A check begins with the status given here, but one that exists keeps what it had: so each announcement is a
        check of its own, in place of the one before."""
        return {
            "CheckID": f"rillcast-{info.node}-{self._announcements}",
            "Name": "readyz",
            "HTTP": f"http://{info.admin_address}/readyz?node={info.node}",
            "Interval": CHECK_INTERVAL,
            "Timeout": CHECK_TIMEOUT,
            "DeregisterCriticalServiceAfter": DEREGISTER_AFTER,
            "Status": "passing" if self._ready else "critical",
        }

    # ---- the others

    async def _follow(self, kind: NodeKind) -> None:
        index = 0
        while True:
            try:
                index = await self._ask(kind, index)
            except consul.ACLPermissionDenied as error:
                index = 0
                self._away(_reason(error))
                if is_refusal(str(error)):
                    self._refusals.take("read", f"read {service_name(kind)}", str(error))
                await asyncio.sleep(self._look_every_s * (0.8 + random.random() * 0.4))
            except _FAULTS as error:
                index = 0
                self._away(_reason(error))
                await asyncio.sleep(0.3 + random.random() * 0.7)

    async def _ask(self, kind: NodeKind, index: int) -> int:
        """One blocking query; the index for the next one. Not by the client's own method, which knows no "stale": any
        server may answer, so that all of them share the queries, and none fails while they elect a leader."""
        params = [("stale", ""), *([("index", index), ("wait", f"{_WAIT_S}s")] if index else [])]
        query = self._consul.http.get(
            _indexed, f"/v1/health/service/{service_name(kind)}", params=params, headers=self._headers
        )
        answered, filtered, found = await _within(query, _WAIT_S + _CALL_TIMEOUT_S if index else _CALL_TIMEOUT_S)
        new_index, instances = int(answered), msgspec.convert(found, list[_Instance])
        self._back()
        if filtered:
            self._refusals.take("read", f"read {service_name(kind)}", _hidden(kind))
        else:
            self._refusals.allow(f"read {service_name(kind)}")
        if new_index < index:  # the agent's state was reset
            self._settled_at = self._clock() + _SETTLING_S
            new_index = 0
        self._take(kind, instances)
        settling = self._settled_at - self._clock()
        if settling > 0:  # ask again once what is remembered may be dropped
            await asyncio.sleep(min(settling, 1.0))
            return 0
        if new_index in {index, 0}:  # nothing new, or an index we must not wait on
            await asyncio.sleep(0.1)
        return new_index

    def _take(self, kind: NodeKind, instances: list[_Instance]) -> None:
        before = self._nodes[kind]
        now: dict[NodeId, NodeInfo] = {}
        listed: set[NodeId] = set()
        for instance in instances:
            info = _info(instance.service.meta or {})
            if info is None:
                continue
            listed.add(info.node)
            if all(check.status in {"passing", "warning"} for check in instance.checks):
                now[info.node] = info
        if self._clock() < self._settled_at:
            now.update({node: info for node, info in before.items() if node not in listed})
        self._nodes[kind] = now

    def _away(self, reason: str) -> None:
        if self._reachable or self._settled_at == 0.0:
            log.warning(
                "Consul does not tell who is there, keeping what is known",
                url=self._shown_url,
                reason=reason,
            )
        self._reachable = False
        self._settled_at = self._clock() + _SETTLING_S
        metrics.DISCOVERY_REACHABLE.set(0)

    def _back(self) -> None:
        if not self._reachable:
            log.info("Consul answers", url=self._shown_url)
            if self._settled_at:
                self._settled_at = self._clock() + _SETTLING_S
        self._reachable = True
        metrics.DISCOVERY_REACHABLE.set(1)


async def _within(call: Awaitable[Any], timeout_s: float = _CALL_TIMEOUT_S) -> Any:
    async with asyncio.timeout(timeout_s):
        return await call


def _indexed(response: Any) -> tuple[str, bool, Any]:
    """Of an answer to a query: its index, whether anything was left out for want of a permission, and the rest."""
    index, found = CB.json(index=True)(response)
    return index, response.headers.get("X-Consul-Results-Filtered-By-ACLs") == "true", found


def _hidden(kind: NodeKind) -> str:
    return f"some are hidden since the token lacks service:read on {service_name(kind)} or node:read on their machines"


def _meta(info: NodeInfo) -> dict[str, str]:
    """A node as Consul's service metadata, which holds at most 512 characters a value. Raises ValueError beyond."""
    meta = {name: str(value) for name, value in msgspec.structs.asdict(info).items() if isinstance(value, str)}
    meta["media_addresses"] = ",".join(info.media_addresses)
    for name, value in meta.items():
        if len(value) > _META_LIMIT:
            raise ValueError(f"{name} is too long for Consul: {len(value)} of {_META_LIMIT} characters")
    return meta


def _info(meta: dict[str, str]) -> NodeInfo | None:
    fields: dict[str, object] = {
        **meta,
        "media_addresses": [a for a in meta.get("media_addresses", "").split(",") if a],
    }
    try:
        return msgspec.convert(fields, NodeInfo)
    except msgspec.ValidationError as error:
        log.warning("A service in Consul is not a node of ours", reason=str(error))
        return None


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__
