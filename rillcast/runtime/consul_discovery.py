"""`Discovery` on a Consul agent by four HTTP calls: register, look whether that still stands, deregister, health query.

Each node has an HTTP check on its /readyz. What was known stays known while the agent is away, and for a while after it
came back: an agent that lost its data forgets nodes that are alive and about to register again.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable

import httpx
import msgspec

from rillcast.contracts.ids import NodeId
from rillcast.contracts.messages import NodeInfo
from rillcast.contracts.words import NodeKind
from rillcast.runtime import metrics
from rillcast.runtime.supervisor import Supervisor
from rillcast.runtime.telemetry import get_logger

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


class _Service(msgspec.Struct, rename="pascal"):
    meta: dict[str, str] | None = None


class _Check(msgspec.Struct, rename="pascal"):
    status: str = ""
    output: str = ""


class _Instance(msgspec.Struct, rename="pascal"):
    service: _Service
    checks: list[_Check] = []


_instances = msgspec.json.Decoder(list[_Instance])
_service = msgspec.json.Decoder(_Service)


class ConsulDiscovery:
    """See `rillcast.runtime.ports.Discovery`. Call `open` first and `close` last."""

    def __init__(
        self,
        url: str,
        token: str = "",
        clock: Callable[[], float] = time.monotonic,
        look_every_s: float = _LOOK_EVERY_S,
        supervisor: Supervisor | None = None,
    ) -> None:
        self._url = url
        self._supervisor = supervisor or Supervisor()
        self._clock = clock
        self._look_every_s = look_every_s
        self._client = httpx.AsyncClient(
            base_url=url,
            headers={"X-Consul-Token": token} if token else {},
            timeout=_CALL_TIMEOUT_S,
            trust_env=False,
            limits=httpx.Limits(max_connections=16),
        )
        self._nodes: dict[NodeKind, dict[NodeId, NodeInfo]] = {kind: {} for kind in NodeKind}
        self._reachable = False
        self._settled_at = 0.0
        self._tasks: list[asyncio.Task[None]] = []
        self._keeper: asyncio.Task[None] | None = None
        self._info: NodeInfo | None = None
        self._refusal = ""

    @property
    def reachable(self) -> bool:
        """Whether the agent answers right now."""
        return self._reachable

    def nodes(self, kind: NodeKind) -> dict[NodeId, NodeInfo]:
        """See `Discovery.nodes`."""
        return dict(self._nodes[kind])

    async def open(self) -> None:
        """Start following who is there."""
        self._tasks = [self._supervisor.spawn(self._follow(kind), f"consul {kind}") for kind in NodeKind]

    async def close(self) -> None:
        """Stop everything; a registration stays."""
        await self._supervisor.end(*self._tasks, *([self._keeper] if self._keeper else []))
        await self._client.aclose()

    # ---- this node

    async def register(self, info: NodeInfo) -> None:
        """See `Discovery.register`. Returns after the first try; later ones go on in the background."""
        meta = _meta(info)
        self._info = info
        await self._keep(info, meta)
        if self._keeper is None:
            self._keeper = self._supervisor.spawn(self._keep_forever(info, meta), "consul registration")

    async def deregister(self) -> None:
        """See `Discovery.deregister`."""
        if self._keeper is not None:
            keeper, self._keeper = self._keeper, None
            await self._supervisor.end(keeper)
        if self._info is None:
            return
        try:
            answer = await self._client.put(f"/v1/agent/service/deregister/{self._info.node}")
            answer.raise_for_status()
        except httpx.HTTPError as error:
            log.warning("Consul did not take the goodbye, its check will", reason=_reason(error))
        self._info = None

    async def _keep_forever(self, info: NodeInfo, meta: dict[str, str]) -> None:
        while True:
            await asyncio.sleep(self._look_every_s * (0.8 + random.random() * 0.4))
            await self._keep(info, meta)

    async def _keep(self, info: NodeInfo, meta: dict[str, str]) -> None:
        try:
            answer = await self._client.get(f"/v1/agent/service/{info.node}")
            if answer.status_code == 200 and _service.decode(answer.content).meta == meta:
                return
            answer = await self._client.put(
                "/v1/agent/service/register", content=msgspec.json.encode(_service_of(info, meta))
            )
            answer.raise_for_status()
        except httpx.HTTPStatusError as error:
            if self._refusal != (refusal := error.response.text.strip()[:200]):
                self._refusal = refusal
                log.error("Consul refuses to register this node", status=error.response.status_code, reason=refusal)
        except (httpx.HTTPError, msgspec.MsgspecError) as error:
            self._away(_reason(error))
        else:
            self._refusal = ""
            metrics.DISCOVERY_REGISTRATIONS.inc()
            log.info("Registered in Consul", service=f"rillcast-{info.kind}")

    # ---- the others

    async def _follow(self, kind: NodeKind) -> None:
        index = 0
        while True:
            try:
                index = await self._ask(kind, index)
            except (httpx.HTTPError, msgspec.MsgspecError, ValueError) as error:
                index = 0
                self._away(_reason(error))
                await asyncio.sleep(0.3 + random.random() * 0.7)

    async def _ask(self, kind: NodeKind, index: int) -> int:
        """One blocking query; the index for the next one."""
        params = {"stale": "", "index": str(index), "wait": f"{_WAIT_S}s"} if index else {"stale": ""}
        answer = await self._client.get(
            f"/v1/health/service/rillcast-{kind}",
            params=params,
            timeout=_WAIT_S + _CALL_TIMEOUT_S if index else _CALL_TIMEOUT_S,
        )
        answer.raise_for_status()
        new_index = int(answer.headers.get("X-Consul-Index", "0"))
        self._back()
        if new_index < index:  # the agent's state was reset
            self._settled_at = self._clock() + _SETTLING_S
            new_index = 0
        self._take(kind, _instances.decode(answer.content))
        settling = self._settled_at - self._clock()
        if settling > 0:  # ask again once what is remembered may be dropped
            await asyncio.sleep(min(settling, 1.0))
            return 0
        if new_index in {index, 0}:  # nothing new, or an index we must not wait on
            await asyncio.sleep(0.1)
        return new_index

    def _take(self, kind: NodeKind, instances: list[_Instance]) -> None:
        before = self._nodes[kind]
        settling = self._clock() < self._settled_at
        now: dict[NodeId, NodeInfo] = {}
        listed: set[NodeId] = set()
        for instance in instances:
            info = _info(instance.service.meta or {})
            if info is None:
                continue
            listed.add(info.node)
            never_checked = any(c.status == "critical" and not c.output for c in instance.checks)
            passing = all(c.status in {"passing", "warning"} for c in instance.checks)
            if passing or (never_checked and info.node in before):
                now[info.node] = info
        if settling:
            now.update({node: info for node, info in before.items() if node not in listed})
        self._nodes[kind] = now

    def _away(self, reason: str) -> None:
        if self._reachable or self._settled_at == 0.0:
            log.warning("Consul does not answer, keeping what is known", url=self._url, reason=reason)
        self._reachable = False
        self._settled_at = self._clock() + _SETTLING_S
        metrics.DISCOVERY_REACHABLE.set(0)

    def _back(self) -> None:
        if not self._reachable:
            log.info("Consul answers", url=self._url)
            if self._settled_at:
                self._settled_at = self._clock() + _SETTLING_S
        self._reachable = True
        metrics.DISCOVERY_REACHABLE.set(1)


def _service_of(info: NodeInfo, meta: dict[str, str]) -> dict[str, object]:
    host, _, port = info.admin_address.rpartition(":")
    return {
        "ID": info.node,
        "Name": f"rillcast-{info.kind}",
        "Address": host.strip("[]"),
        "Port": int(port),
        "Meta": meta,
        "Check": {
            "CheckID": f"rillcast-{info.node}",
            "Name": "readyz",
            "HTTP": f"http://{info.admin_address}/readyz",
            "Interval": CHECK_INTERVAL,
            "Timeout": CHECK_TIMEOUT,
            "DeregisterCriticalServiceAfter": DEREGISTER_AFTER,
        },
    }


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
