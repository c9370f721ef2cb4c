"""The Helm chart at a real API server, with real processes for pods:  python -m tests.kubernetes   (make kubernetes)

Starts etcd, the API server with its controllers and scheduler, kwok, Prometheus and prometheus-adapter in namespaces of
their own, proves the chart there, and writes docs/benchmarks/kubernetes.md, .json and a plot. It ends by itself and
leaves nothing, also after Ctrl-C. The exit code is 1 when a viewer was lost or something did not come to its end, and 2
when this machine can't do it.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import msgspec

from tests.bench.machine import ROOT, facts
from tests.kubernetes.api import Refused
from tests.kubernetes.chart import EVERY, make_definitions, prove
from tests.kubernetes.control_plane import LIVE, VOLUMES_FOR_CHART, Cluster, control_plane, make_volumes, scheduler
from tests.kubernetes.enclosure import LAB, TOOLS, enter, furnish, is_inside, missing
from tests.kubernetes.growth import grow_and_shrink
from tests.kubernetes.handover import prove_handover
from tests.kubernetes.helm import RELEASE
from tests.kubernetes.live import Say, discovery, live
from tests.kubernetes.metrics import known_metrics, metrics
from tests.kubernetes.page import NAME, document, draw
from tests.kubernetes.results import Began, Results
from tests.kubernetes.rollouts import roll_all

PARTS = ("chart", "handover", "crowd", "rollouts")
FAILURES = (AssertionError, RuntimeError, OSError, TimeoutError, httpx.HTTPError, Refused)
"""What ends a part and is told: something did not come up, or was not as it should be."""


async def proved(options: argparse.Namespace, folder: Path, say: Say) -> Results:
    """All parts that are wished; SIGTERM ends it as Ctrl-C does."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    began, machine = time.monotonic(), facts()
    results = Results(
        facts=machine,
        versions=versions(),
        discovery=discovery(),
    )
    async with control_plane(folder) as cluster:
        say(f"the cluster is up, its logs are in {folder}")
        if {"chart", "handover"} & set(options.parts):
            results = await _chart(cluster, results, options, say)
        if {"crowd", "rollouts"} & set(options.parts):
            results = await _live(cluster, results, options.parts, say)
    run = Began(
        at=machine.at,
        commit=machine.commit,
        command=options.command,
        scheduler=scheduler(),
        took_s=round(time.monotonic() - began, 1),
        load_before=machine.load,
        load_after=os.getloadavg(),
    )
    return msgspec.structs.replace(results, runs=(run,))


async def _chart(cluster: Cluster, results: Results, options: argparse.Namespace, say: Say) -> Results:
    await make_volumes(cluster.api, LAB / "simulated", VOLUMES_FOR_CHART, "simulated")
    await make_definitions(cluster.api, Path(os.environ[TOOLS]))
    try:
        if "chart" in options.parts:
            wanted = [one for one in EVERY if not options.values or one.name in options.values]
            results = msgspec.structs.replace(results, chart=tuple(await prove(cluster, say, wanted)))
        if "handover" in options.parts:
            results = msgspec.structs.replace(results, handover=await prove_handover(cluster, say))
    except FAILURES as error:
        say(f"chart: {error}"[:3_000])
        return _failed(results, "the chart", error)
    return results


async def _live(cluster: Cluster, results: Results, parts: list[str], say: Say) -> Results:
    errors: dict[str, str] = {}
    try:
        async with AsyncExitStack() as stack:
            on, start = await stack.enter_async_context(live(cluster, say))
            results = msgspec.structs.replace(results, start=start)
            rules = await cluster.api.get(f"/api/v1/namespaces/{LIVE}/configmaps/{RELEASE}-adapter-rules")
            await stack.enter_async_context(metrics(cluster, rules["data"]["config.yaml"]))
            if "crowd" in parts:
                results = msgspec.structs.replace(results, growth=await grow_and_shrink(on, say))
                known = sorted(await known_metrics(cluster))
                results = msgspec.structs.replace(results, metrics=tuple(known))
            if "rollouts" in parts:
                rollouts = await roll_all(on, say, errors)
                results = msgspec.structs.replace(results, rollouts=tuple(rollouts))
            results = msgspec.structs.replace(results, restarted=tuple(on.pods.restarted()))
            errors |= {f"pod {number}": why for number, why in enumerate(on.pods.failures())}
    except (*FAILURES, ExceptionGroup) as error:
        say(f"live: {type(error).__name__}: {error}"[:3_000])
        results = _failed(results, "the release of processes", error)
    return msgspec.structs.replace(results, errors=results.errors | errors)


def _failed(results: Results, part: str, error: Exception) -> Results:
    told = error.exceptions[0] if isinstance(error, ExceptionGroup) else error
    why = f"{type(told).__name__}: {told}"[:1_000]
    return msgspec.structs.replace(results, errors={**results.errors, part: why})


def versions() -> dict[str, str]:
    """Of the programs that are not ours."""
    found = {}
    for name, *command in (
        ("Kubernetes", "kube-apiserver", "--version"),
        ("etcd", "etcd", "--version"),
        ("kwok", "kwok", "--version"),
        ("Prometheus", "prometheus", "--version"),
        ("helm", str(Path(os.environ[TOOLS]) / "bin/helm"), "version", "--template={{.Version}}"),
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        words = (done.stdout or done.stderr).split("\n", 1)[0].replace(",", " ").split()
        found[name] = next((word for word in words if word.lstrip("v")[:1].isdigit()), "?")
    return found


def write(results: Results, folder: Path, *, add: bool = False) -> Path:
    """Page, plot and raw figures. `add`: with the parts that are there already."""
    folder.mkdir(parents=True, exist_ok=True)
    if add and (folder / f"{NAME}.json").exists():
        results = results.after(msgspec.json.decode((folder / f"{NAME}.json").read_bytes(), type=Results))
    raw = msgspec.json.format(msgspec.json.encode(results), indent=1)
    (folder / f"{NAME}.json").write_bytes(raw + b"\n")
    if results.growth:
        draw(results.growth, folder)
    page = folder / f"{NAME}.md"
    page.write_text(document(results), encoding="utf-8")
    return page


def harm(results: Results) -> bool:
    """Whether somebody was lost, or something did not come to its end."""
    lost = [*(results.growth.lost if results.growth else ()), *(one for r in results.rollouts for one in r.lost)]
    return bool(lost or results.errors or results.restarted)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.kubernetes", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--parts", default=",".join(PARTS), help="separated by commas; all are the default")
    parser.add_argument(
        "--values", default="", help="of the part chart only these: " + ", ".join(o.name for o in EVERY)
    )
    parser.add_argument("--out", type=Path, default=ROOT / "docs/benchmarks")
    parser.add_argument("--keep", type=Path, help="an empty folder for the logs")
    parser.add_argument(
        "--add", action="store_true", help="keep the parts that kubernetes.json has, and these have not"
    )
    parser.add_argument("--render", type=Path, metavar="JSON", help="measure nothing; write page and plot anew")
    options = parser.parse_args()
    options.parts = [part for part in options.parts.split(",") if part]
    options.values = [one for one in options.values.split(",") if one]
    for what, given, there in (("part", options.parts, PARTS), ("values", options.values, [o.name for o in EVERY])):
        if unknown := set(given) - set(there):
            parser.error(f"no such {what}: {', '.join(sorted(unknown))}")
    kept = (
        a for before, a in zip(["", *sys.argv[1:]], sys.argv[1:], strict=False) if not {before, a} & {"--keep", "--out"}
    )
    options.command = shlex.join(["python", "-m", "tests.kubernetes", *kept])
    return options


def main() -> int:
    """Returns the exit code."""
    options = _options()
    if options.render:
        print(write(msgspec.json.decode(options.render.read_bytes(), type=Results), options.render.parent))
        return 0
    if why := missing():
        print(f"kubernetes: not on this machine: {why}", file=sys.stderr)
        return 2
    if not is_inside():
        return enter(sys.argv[1:])

    def say(sentence: str) -> None:
        print(f"{time.strftime('%H:%M:%S')} {sentence}", file=sys.stderr, flush=True)

    furnish()
    folder = options.keep or Path(tempfile.mkdtemp(prefix="rillcast-kubernetes-"))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        results = asyncio.run(proved(options, folder, say))
    except (KeyboardInterrupt, asyncio.CancelledError):
        say("stopped, nothing written")
        return 130
    print(write(results, options.out, add=options.add))
    return 1 if harm(results) else 0


if __name__ == "__main__":
    sys.exit(main())
