"""Every kind of pod is replaced while people watch, as `kubectl rollout restart` does it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from http import HTTPStatus

from rillcast.contracts.words import NodeKind
from rillcast.testing.eventually import eventually
from tests.chaos.viewers import crowd
from tests.kubernetes.api import MERGE, Refused
from tests.kubernetes.control_plane import LIVE
from tests.kubernetes.helm import CHART, RELEASE, helm
from tests.kubernetes.kubelet import PODS
from tests.kubernetes.live import STREAM, Live, Say, discovery, gaps_ms, losses, options, settled, watch_ends
from tests.kubernetes.results import Rollout

VIEWERS = 24
KINDS = ("license", "transcoder", "costs", "edge", "origin", "signaling", "nats", "consul")
STATEFUL = frozenset({"nats", "consul"})
ROLLOUT_S = 600.0
STEADY_S = 5.0
TWO_EDGES = ("edge.autoscaling.minReplicas=2",)
"""With one alone there is nowhere to go."""


EVICTED = "edge, evicted"
"""Not a rollout: a machine is emptied, and the budget of the chart lets one edge go at a time."""


async def roll_all(on: Live, say: Say, errors: dict[str, str]) -> list[Rollout]:
    """Each kind, one after the other. What does not come to its end is told in `errors`."""
    sets = [f"--set={one}" for one in TWO_EDGES]
    await helm(on.cluster, "upgrade", RELEASE, CHART, f"--namespace={LIVE}", *options(), *sets)
    await settled(on, ROLLOUT_S)
    found = []
    for kind in (*KINDS, EVICTED):
        if kind == "consul" and discovery() != "consul":
            continue
        try:
            found.append(await _under_viewers(on, kind, _evict if kind == EVICTED else _restart))
        except (AssertionError, Refused) as error:
            errors[f"rollout of {kind}"] = str(error)[:1_000]
            say(f"{kind}: {error}"[:300])
            continue
        one = found[-1]
        say(f"{kind}: {one.took_s} s, lost {len(one.lost)}, largest gap {max(one.gaps_ms)} ms {one.lost[:2]}")
    return found


async def _restart(on: Live, kind: str) -> int:
    """Begin to replace all pods of a kind; how many they are."""
    path = f"/apis/apps/v1/namespaces/{LIVE}/{'statefulsets' if kind in STATEFUL else 'deployments'}/{RELEASE}-{kind}"
    stamp = {"kubectl.kubernetes.io/restartedAt": datetime.now(UTC).isoformat()}
    template = {"metadata": {"annotations": stamp}}
    wished = await on.cluster.api.patch(path, {"spec": {"template": template}}, MERGE)
    count: int = wished["spec"]["replicas"]
    return count


async def _evict(on: Live, _kind: str) -> int:
    """Evict all edges at once; how many the budget let go."""
    gone = 0
    for run in on.pods.runs(NodeKind.EDGE):
        meta = {"name": run.name, "namespace": LIVE}
        try:
            await on.cluster.api.create(
                f"{PODS}/{run.name}/eviction", {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": meta}
            )
        except Refused as error:
            assert error.status == HTTPStatus.TOO_MANY_REQUESTS, error
        else:
            gone += 1
    assert gone == 1, f"the budget let {gone} edges go at once"
    await eventually(lambda: _is_ending(on), 30, "the edge is told to end")
    return gone


def _is_ending(on: Live) -> bool:
    return any(run.asked_to_end is not None for run in on.pods.runs(NodeKind.EDGE))


async def _under_viewers(on: Live, kind: str, act: Callable[[Live, str], Awaitable[int]]) -> Rollout:
    async with AsyncExitStack() as stack:
        there = await stack.enter_async_context(crowd(f"before {kind}", on.socket, STREAM, VIEWERS))
        watching = asyncio.create_task(watch_ends(on))
        stack.callback(watching.cancel)
        await asyncio.sleep(STEADY_S)
        began, before, started = time.monotonic(), len(on.pods.ended), on.ffmpeg.started
        pods = await act(on, kind)
        await settled(on, ROLLOUT_S)
        took_s = time.monotonic() - began
        await asyncio.sleep(STEADY_S)
        return Rollout(
            kind=kind,
            pods=pods,
            took_s=round(took_s, 1),
            viewers=VIEWERS,
            lost=tuple(losses([there], socket_may_close=kind == "signaling")),
            moved=there.run.moves,
            gaps_ms=gaps_ms([there], round(began * 1e6)),
            published_again=on.ffmpeg.started - started,
            ended=on.moves(before),
        )
