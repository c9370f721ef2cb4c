"""The page and its plot."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from tests.bench.tables import table
from tests.kubernetes.chart import Proof
from tests.kubernetes.results import Began, Growth, Move, Results, Rollout, Start

mpl.use("Agg")
NAME = "kubernetes"
PLOT = f"{NAME}-growth.png"
NO_GAP_MS = 150
"""Below it a standstill is told as 0."""


def document(results: Results) -> str:
    """The whole page in Markdown."""
    facts = results.facts
    about = [
        ("machine", f"{facts.cpus} × {facts.cpu}, {facts.memory_gib:g} GiB, {facts.kernel}"),
        ("versions", ", ".join(f"{name} {version}" for name, version in results.versions.items())),
        ("nodes find each other over", results.discovery),
    ]
    parts = [
        "# Kubernetes",
        "Written by `make kubernetes` itself: the Helm chart at a real API server, with its own controllers and"
        " scheduler. Machines are simulated by kwok. In one namespace each pod is real processes, with the command, the"
        " settings, the volumes and the probes that the chart gives it, in a network namespace of its own or of its"
        " machine, and it gets SIGTERM when its object is deleted. Compare the figures with the load beside them.",
        table(("", ""), about),
        table(("run", "class", "minutes", "commit", "load before", "load after", "at"), map(_run, results.runs)),
    ]
    if results.chart:
        parts += _chart(results.chart)
    if results.handover:
        parts += [
            "## Who says how many edges there are",
            "Numbers that the Deployment wished during each step. The autoscaler has no metrics here; `kubectl scale`"
            " acts where it would.",
            table(("step", "edges"), list(results.handover.items())),
        ]
    if results.start:
        parts += _start(results.start)
    if results.growth:
        parts += _growth(results.growth, results.metrics)
    if results.rollouts:
        parts += _rollouts(results.rollouts)
    parts += ["## What went wrong", "\n".join(_wrong(results)) or "Nothing."]
    return "\n\n".join([*parts, f"Raw figures: [{NAME}.json]({NAME}.json)"]) + "\n"


def _run(run: Began) -> tuple[str, ...]:
    minutes, load = f"{run.took_s / 60:.1f}", (_load(run.load_before), _load(run.load_after))
    return f"`{run.command}`", run.scheduler, minutes, run.commit, *load, run.at


def _load(load: Sequence[float]) -> str:
    return " ".join(f"{value:.1f}" for value in load)


def _chart(found: Sequence[Proof]) -> list[str]:
    head = ("values", "dry run", "objects", "ready pods", "budgets", "autoscalers", "replaced by the upgrade", "s")
    rows = [
        (
            one.values,
            *map(str, (one.dry_run, one.objects, one.pods, one.budgets, one.autoscalers, one.replaced)),
            f"{one.seconds:.0f}",
        )
        for one in found
    ]
    return [
        "## All values",
        "*Dry run*: objects that the server took with strict validation, hooks among them. Then install, upgrade with"
        " other values, rollback and uninstall, each until the controllers had done all of it; here kwok makes the pods"
        " ready. After the rollback the manifest was that of the install, after the uninstall nothing was left but"
        " keys and volumes.",
        table(head, rows),
    ]


def _start(one: Start) -> list[str]:
    rows = [
        ("the keys are there", one.keys),
        ("`helm install` has ended", one.helm),
        ("the first instance of signaling takes clients", one.signaling),
        ("all pods are ready", one.nodes),
        ("a viewer sees a picture", one.picture),
    ]
    return [
        "## From `helm install` to the first stream",
        "A publisher (ffmpeg, WHIP) and a viewer try again and again as soon as signaling takes clients."
        " No image is pulled here.",
        table(("", "s"), [(what, f"{seconds:.1f}") for what, seconds in rows]),
    ]


def _gaps(gaps: Sequence[int]) -> str:
    ordered = sorted(gaps)
    p50, p95 = (ordered[min(len(ordered) - 1, int(len(ordered) * share))] for share in (0.5, 0.95))
    return f"{p50 / 1000:.2f} / {p95 / 1000:.2f} / {ordered[-1] / 1000:.2f} s"


def _growth(one: Growth, metrics: Sequence[str]) -> list[str]:
    rows = [
        ("viewers, by the socket", f"{one.viewers}; {one.stayed} stayed"),
        ("edges at most", str(one.most_edges)),
        ("from the first viewer until all edges were ready", f"{one.grown_s:.0f} s"),
        ("from the moment that the others had left until one edge was left", f"{one.shrunk_s:.0f} s"),
        ("lost", str(len(one.lost))),
        ("moves to another edge", str(one.moved)),
        (f"largest gap of a viewer, p50 / p95 / max (0: below {NO_GAP_MS} ms)", _gaps(one.gaps_ms)),
        ("the emptiest edge went first", "yes" if one.emptiest_first else "no"),
    ]
    return [
        "## A crowd comes and goes",
        "The HorizontalPodAutoscaler of the chart follows `rillcast_edge_viewers` of the real edges: Prometheus reads"
        " them each 10 s, prometheus-adapter with the rules of the chart tells the API server. The target is 20 viewers"
        " for each edge instead of 2,000, and edges go after 30 s of low load, one in 30 s, instead of 300 s and 120 s"
        " (`tests/kubernetes/values.yaml`).",
        f"![Viewers and edges]({PLOT})",
        table(("", ""), rows),
        table(("edge that went", "viewers", "drained in", ""), [_move(move) for move in one.ended]),
        f"The API of metrics knew {', '.join(f'`{name}`' for name in metrics)}.",
    ]


def _move(one: Move) -> tuple[str, ...]:
    viewers = "" if one.viewers < 0 else str(one.viewers)
    return one.pod, viewers, f"{one.took_s:.1f} s", "**killed**" if one.killed else "ended by itself"


def _rollouts(found: Sequence[Rollout]) -> list[str]:
    head = ("kind", "pods", "viewers", "lost", "moves", "largest gap: p50 / p95 / max", "published again", "took")
    rows = [
        (
            one.kind,
            str(one.pods),
            str(one.viewers),
            str(len(one.lost)),
            str(one.moved),
            _gaps(one.gaps_ms),
            str(one.published_again),
            f"{one.took_s:.0f} s{', **killed**' if any(move.killed for move in one.ended) else ''}",
        )
        for one in found
    ]
    return [
        "## All pods of a kind are replaced",
        "As `kubectl rollout restart` does it, with the chart's own strategies and times, under viewers by the socket."
        " At last one edge is evicted, as when a machine is emptied; the budget refuses the other one at the same time."
        " *Published again*: the publisher uses WHIP, so it cannot be moved and a script starts it anew."
        " Viewers of `rillcast bench` open no second socket: at signaling, lost is who lost the picture.",
        table(head, rows),
    ]


def _wrong(results: Results) -> list[str]:
    said = [f"* {what}: {why}" for what, why in results.errors.items()]
    for what, lost in (
        ("the crowd", results.growth.lost if results.growth else ()),
        *((f"the rollout of {one.kind}", one.lost) for one in results.rollouts),
    ):
        if lost:
            said.append(f"* {what}: {'; '.join(lost[:4])}" + (f"; and {len(lost) - 4} more" if lost[4:] else ""))
    if results.restarted:
        said.append(f"* a container ended and was started again in {', '.join(results.restarted)}")
    return said


def draw(one: Growth, folder: Path) -> None:
    """Writes the plot."""
    figure = Figure(figsize=(8.0, 5.0), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True)
    at = [s.at for s in one.samples]
    upper.plot(at, [s.viewers for s in one.samples], label="viewers who see a picture", color="black")
    names = sorted({name for s in one.samples for name in s.by_edge})
    for number, name in enumerate(names):
        upper.plot(at, [s.by_edge.get(name, float("nan")) for s in one.samples], label=f"edge {number + 1}")
    lower.step(at, [s.wished for s in one.samples], where="post", label="edges wished")
    lower.step(at, [s.ready for s in one.samples], where="post", label="edges ready")
    lower.step(at, [s.draining for s in one.samples], where="post", label="edges draining")
    lower.set_xlabel("s")
    for axes in (upper, lower):
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
        axes.legend(loc="upper right", fontsize="small")
    # Without the metadata the same figures make the same file.
    figure.savefig(folder / PLOT, dpi=110, metadata={"Software": None})
