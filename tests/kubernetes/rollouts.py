"""Every kind of pod is replaced while people watch, as `kubectl rollout restart` does it."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from datetime import UTC, datetime

from tests.chaos.viewers import crowd
from tests.kubernetes.api import MERGE
from tests.kubernetes.control_plane import LIVE
from tests.kubernetes.helm import CHART, RELEASE, helm
from tests.kubernetes.live import STREAM, Live, Say, discovery, gaps_ms, losses, options, settled, watch_ends
from tests.kubernetes.results import Rollout

VIEWERS = 24
KINDS = ("license", "transcoder", "costs", "edge", "origin", "signaling", "nats", "consul")
STATEFUL = frozenset({"nats", "consul"})
ROLLOUT_S = 600.0
STEADY_S = 5.0
TWO_EDGES = ("edge.autoscaling.minReplicas=2",)
"""With one alone there is nowhere to go."""


async def roll_all(on: Live, say: Say, errors: dict[str, str]) -> list[Rollout]:
    """Each kind, one after the other. What does not come to its end is told in `errors`."""
    sets = [f"--set={one}" for one in TWO_EDGES]
    await helm(on.cluster, "upgrade", RELEASE, CHART, f"--namespace={LIVE}", *options(), *sets)
    await settled(on, ROLLOUT_S)
    found = []
    for kind in KINDS:
        if kind == "consul" and discovery() != "consul":
            continue
        try:
            found.append(await _roll(on, kind))
        except AssertionError as error:
            errors[f"rollout of {kind}"] = str(error)[:1_000]
            say(f"{kind}: {error}"[:300])
            continue
        one = found[-1]
        say(f"{kind}: {one.took_s} s, lost {len(one.lost)}, largest gap {max(one.gaps_ms)} ms {one.lost[:2]}")
    return found


async def _roll(on: Live, kind: str) -> Rollout:
    path = f"/apis/apps/v1/namespaces/{LIVE}/{'statefulsets' if kind in STATEFUL else 'deployments'}/{RELEASE}-{kind}"
    async with AsyncExitStack() as stack:
        there = await stack.enter_async_context(crowd(f"before {kind}", on.socket, STREAM, VIEWERS))
        watching = asyncio.create_task(watch_ends(on))
        stack.callback(watching.cancel)
        await asyncio.sleep(STEADY_S)
        began, before, started = time.monotonic(), len(on.pods.ended), on.ffmpeg.started
        stamp = {"kubectl.kubernetes.io/restartedAt": datetime.now(UTC).isoformat()}
        template = {"metadata": {"annotations": stamp}}
        wished = await on.cluster.api.patch(path, {"spec": {"template": template}}, MERGE)
        await settled(on, ROLLOUT_S)
        took_s = time.monotonic() - began
        await asyncio.sleep(STEADY_S)
        return Rollout(
            kind=kind,
            pods=wished["spec"]["replicas"],
            took_s=round(took_s, 1),
            viewers=VIEWERS,
            lost=tuple(losses([there], socket_may_close=kind == "signaling")),
            moved=there.run.moves,
            gaps_ms=gaps_ms([there], round(began * 1e6)),
            published_again=on.ffmpeg.started - started,
            ended=on.moves(before),
        )
