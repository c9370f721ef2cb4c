"""Who says how many pods there are: helm, until autoscaling is turned on, and then nobody but the autoscaler."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from tests.kubernetes.control_plane import Cluster, make_namespace
from tests.kubernetes.helm import CHART, RELEASE, Refused, chosen, helm, run

Say = Callable[[str], None]
NAMESPACE = "handover"
EDGE = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments"
ON, OFF = ("edge.autoscaling.enabled=true",), ("edge.replicas=3",)


async def prove_handover(cluster: Cluster, say: Say) -> dict[str, str]:
    """What each step did to the number of edges, as ``3`` or ``3, 1, 2``."""
    found: dict[str, str] = {}
    await make_namespace(cluster.api, NAMESPACE)

    async def step(what: str, *command: str) -> None:
        refused = ""
        async with _counted(cluster) as counts:
            try:
                if command[0] == "scale":
                    scaled = ("scale", f"deployment/{RELEASE}-edge", *command[1:], "--namespace", NAMESPACE)
                    await run(cluster, "kubectl", *scaled)
                else:
                    await helm(cluster, *command, "--namespace", NAMESPACE)
            except Refused as error:
                if "conflict" not in str(error):
                    raise
                refused = "; refused as a conflict"
        found[what] = ", ".join(map(str, counts)) + refused
        say(f"{what}: {found[what]}")

    release = (RELEASE, str(CHART))
    await step("install with three edges", "install", *release, *chosen(sets=OFF))
    await step("autoscaling is turned on", "upgrade", *release, *chosen(sets=ON))
    await step("an upgrade before the autoscaler has acted", "upgrade", *release, *chosen(sets=(*ON, LEVEL)))
    await step("it wishes five", "scale", "--replicas=5")
    await step("an upgrade after that", "upgrade", *release, *chosen(sets=ON))
    await step("rollback to that upgrade", "rollback", RELEASE, "4")
    await step("rollback to the one before the autoscaler has acted", "rollback", RELEASE, "3")
    off = ("upgrade", *release, *chosen(sets=("edge.replicas=4",)))
    await step("autoscaling is turned off, with four edges", *off)
    await step("the same with --force-conflicts", *off, "--force-conflicts")
    await helm(cluster, "uninstall", RELEASE, "--namespace", NAMESPACE)
    return found


LEVEL = "settings.LOG_LEVEL=warning"


@asynccontextmanager
async def _counted(cluster: Cluster) -> AsyncIterator[list[int]]:
    """The numbers of edges that were wished meanwhile, one after the other."""
    counts: list[int] = []

    def seen(deployment: dict[str, object]) -> None:
        assert isinstance(deployment["metadata"], dict)
        assert isinstance(deployment["spec"], dict)
        replicas = deployment["spec"]["replicas"]
        if deployment["metadata"]["name"] == f"{RELEASE}-edge" and [replicas] != counts[-1:]:
            counts.append(replicas)

    listed = await cluster.api.get(EDGE)
    for one in listed["items"]:
        seen(one)

    async def follow() -> None:
        async for event in cluster.api.watch(EDGE, listed["metadata"]["resourceVersion"]):
            seen(event["object"])

    following = asyncio.create_task(follow())
    try:
        yield counts
        final = (await cluster.api.get(EDGE))["items"]
        for one in final:
            seen(one)
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
