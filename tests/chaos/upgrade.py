"""Two versions in one cluster:  python -m tests.chaos.upgrade --base REVISION   (as root)

Starts a cluster of that revision and, under viewers and publishers, replaces its nodes by those of this clone, one
after the other in the order of docs/operations.md. An edge and a signaling instance go back to the former version in
between, as with somebody who does not like what he sees. Prints a line for each step and writes no page. The exit code
is 1 when a viewer was lost or a session was left over.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from rillcast.contracts.words import NodeKind
from tests.bench.code_under_test import Unbuilt, code_of
from tests.bench.machine import ROOT
from tests.chaos.__main__ import browsers, consul_servers
from tests.chaos.cluster import ChaosCluster, Node, Size, chaos_cluster
from tests.chaos.faults import Fault
from tests.chaos.measure import repetition, settled
from tests.chaos.network import missing
from tests.chaos.results import Goal, Repetition
from tests.chaos.scene import Scene
from tests.chaos.viewers import Stage, Watchers, stage
from tests.e2e.publishers import make_source

ORDER = (NodeKind.LICENSE, NodeKind.SIGNALING, NodeKind.ORIGIN, NodeKind.EDGE, NodeKind.TRANSCODER)
"""As docs/operations.md has it."""
OWN_DOING = "the SDK tears its media down when its socket closes"
ENOUGH = Watchers(sdk=20, whip=15, whep=10)


def say(sentence: str) -> None:
    """One line, with the time."""
    print(f"{time.strftime('%H:%M:%S')} {sentence}", file=sys.stderr, flush=True)


def step(what: str, nodes: list[Node], code: Path) -> Fault:
    """These nodes, one after the other, are drained and run this code from then on."""

    @asynccontextmanager
    async def replaced(scene: Scene) -> AsyncIterator[None]:
        yield
        for node in nodes:
            await node.drain()
            node.runs(code)
            await node.start()
            if node.kind is NodeKind.SIGNALING:
                scene.cluster.learn_token(node.name)
            await asyncio.sleep(2.0)

    signaling = any(node.kind is NodeKind.SIGNALING for node in nodes)
    return Fault(what, what, replaced, Goal(), OWN_DOING if signaling else "", watchers=ENOUGH, short=False)


def steps(cluster: ChaosCluster, old: Path) -> list[Fault]:
    """All of them, in their order."""
    found = [step(f"{kind.value}: to this version", cluster.of(kind), ROOT) for kind in ORDER[:3]]
    edges, signaling = cluster.of(NodeKind.EDGE), cluster.of(NodeKind.SIGNALING)
    half = len(edges) // 2 + 1
    # Edges before signaling: viewers of `rillcast bench` whose socket has closed cannot be moved any more.
    found.append(step("half of the edges: to this version", edges[:half], ROOT))
    found.append(step("one edge and one signaling: back to the former one", [edges[0], signaling[0]], old))
    found.append(step("all that is left: to this version", [edges[0], *edges[half:], signaling[0]], ROOT))
    found.append(step("transcoder: to this version", cluster.of(NodeKind.TRANSCODER), ROOT))
    return found


async def upgrade(old: Path, folder: Path) -> int:
    """How many steps did harm."""
    async with chaos_cluster(folder, Size(consul=consul_servers(say)), code=old) as cluster:
        say(f"a cluster of the former version is up, its logs are in {folder}")
        async with AsyncExitStack() as stack:
            strangers = await browsers(stack, folder)
            on = await stack.enter_async_context(stage(cluster, strangers, await make_source(folder)))
            return sum([await _made(on, one) for one in steps(cluster, old)])


async def _made(on: Stage, one: Fault) -> bool:
    await settled(on)
    found = await repetition(on, one, random.Random(1), 0.0, ENOUGH)
    gaps = ", ".join(f"{gap:.0f}" for gap in found.gaps_ms) or "nobody concerned"
    newcomers = f"{found.joined} newcomers came in, {found.refused} were told when to come again"
    say(
        f"{one.name}: Chromium {gaps} ms, bench at most {max(found.standstills_ms, default=0):.0f} ms; {newcomers};"
        f" as before after {found.recovery_s} s"
    )
    for sentence in _harm(found):
        say(f"    {sentence}")
    return bool(_harm(found))


def _harm(found: Repetition) -> list[str]:
    harm = [*found.lost, *(f"a traceback at {node}" for node in found.tracebacks)]
    if found.recovery_s is None:
        harm.append(found.left_over)
    return harm + [f"{count} newcomers heard {what}" for what, count in found.unclear.items()]


def main() -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.upgrade", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--base", required=True, help="the former version: a revision, or the folder of a clone")
    parser.add_argument("--keep", type=Path, help="an empty folder for the logs")
    options = parser.parse_args()
    if why := missing():
        say(f"not on this machine: {why}")
        return 2
    folder = options.keep or Path(tempfile.mkdtemp(prefix="rillcast-upgrade-"))
    try:
        with code_of(options.base) as old:
            harmed = asyncio.run(upgrade(old.folder, folder))
    except Unbuilt as error:
        say(str(error))
        return 2
    say("nobody was lost" if not harmed else f"{harmed} steps did harm")
    return 1 if harmed else 0


if __name__ == "__main__":
    sys.exit(main())
