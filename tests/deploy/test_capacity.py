"""What `rillcast plan` reckons with is what was measured, within a tenth, and its page shows what it says."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rillcast.cli.capacity.costs import Costs, Media
from rillcast.cli.capacity.need import Wish, need
from rillcast.cli.capacity.prices import EXAMPLE, Use, read

ROOT = Path(__file__).resolve().parents[2]
BENCHMARKS = ROOT / "docs/benchmarks"
RESULTS: dict[str, Any] = json.loads((BENCHMARKS / "results.json").read_text(encoding="utf-8"))
COSTS, MEDIA = Costs(), Media()
BENCH_KBPS = 1_000


def within_a_tenth(measured: float) -> Any:
    return pytest.approx(measured, rel=0.1)


PACED = [one for one in RESULTS["fanout"]["paced"] if one["variant"] == "edge"]


@pytest.mark.parametrize("run", PACED, ids=lambda run: f"{run['viewers']} viewers")
def test_the_cores_of_an_edge_are_those_of_the_paced_runs(run: dict[str, Any]) -> None:
    packets = run["packets"] / run["seconds"]
    cores = COSTS.edge_share + COSTS.edge_share_per_stream + packets * COSTS.edge_us_per_packet / 1e6
    assert cores == within_a_tenth(run["busy"])


def test_streams_cost_what_the_runs_with_many_of_them_cost_more() -> None:
    runs = [one for one in RESULTS["fanout"]["by_streams"] if one["variant"] == "edge"]
    by_streams: dict[int, list[float]] = {}
    for one in runs:
        by_streams.setdefault(one["streams"], []).append(one["ns_per_packet"])
    median = {streams: sorted(found)[len(found) // 2] for streams, found in by_streams.items()}
    most, viewers = max(median), runs[0]["viewers"]
    packets = PACED[0]["packets"] / PACED[0]["seconds"] / PACED[0]["viewers"] * viewers
    measured = (median[most] - median[1]) / 1e9 * packets / most
    assert COSTS.edge_share_per_stream == within_a_tenth(measured)


def test_joins_cost_what_was_measured() -> None:
    measured = RESULTS["crowd"]["join_cpu_ms"]
    assert COSTS.edge_ms_per_join == within_a_tenth(measured["edge"])
    assert COSTS.signaling_ms_per_join == within_a_tenth(measured["signaling"])


def test_viewers_get_as_many_packets_as_in_the_benchmark() -> None:
    for step in RESULTS["loopback"]["steps"]:
        assert MEDIA.packets(BENCH_KBPS) == within_a_tenth(step["packets"] / step["seconds"] / step["connected"])


@pytest.mark.parametrize(
    ("name", "page", "pattern"),
    [
        ("edge_kib_per_viewer", "results.md", r"\*\*([\d.]+) KiB per viewer\*\*"),
        ("transcoder_cores_per_ladder", "ladder.md", r"in real time, on any CPU \| \d+ \| \d+ \| ([\d.]+)"),
        ("transcoder_mib_per_ladder", "ladder.md", r"each further one (\d+) MiB"),
    ],
)
def test_a_figure_stands_on_a_page_of_benchmarks(name: str, page: str, pattern: str) -> None:
    found = re.search(pattern, (BENCHMARKS / page).read_text(encoding="utf-8"))
    assert found is not None
    assert getattr(COSTS, name) == within_a_tenth(float(found[1]))


def test_memory_of_a_socket_is_that_of_its_page() -> None:
    found = re.search(r"(\d+) kB with TLS", (ROOT / "docs/tls.md").read_text(encoding="utf-8"))
    assert found is not None
    assert COSTS.signaling_kib_per_socket == within_a_tenth(float(found[1]))


def test_the_first_core_of_an_edge_carries_as_many_as_the_benchmark_found() -> None:
    table = read(EXAMPLE)
    edge = type(table.machines[Use.EDGE])(name="one core", cores=1, memory_gib=8, network_gbps=100, per_hour=0)
    alone = type(table)(
        currency="USD", egress_per_gb=0, machines=dict(table.machines) | {Use.EDGE: edge}, costs=COSTS, media=MEDIA
    )
    busiest = max(PACED, key=lambda run: int(run["viewers"]))
    kbps = busiest["packets"] / busiest["seconds"] / busiest["viewers"] - MEDIA.audio_packets
    wish = Wish(
        viewers=busiest["viewers"],
        kbps=kbps * MEDIA.video_bytes_per_packet / 125,
        busy=busiest["busy"] * 1.1,
        spare=0,
        arriving_s=1e6,
    )
    (edges,) = [group for group in need(wish, alone).groups if group.kind is Use.EDGE]
    assert edges.needed == 1
    assert edges.share is not None
    assert edges.share.cores == within_a_tenth(busiest["busy"])


def test_the_page_shows_what_the_command_says() -> None:
    text = (ROOT / "docs/capacity.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```\n\$ rillcast (plan .*?)\n(.*?)```", text, re.DOTALL)
    assert blocks
    for words, shown in blocks:
        argv = [sys.executable, "-m", "rillcast.cli", *shlex.split(words)]
        env = dict(os.environ, COLUMNS="80")
        said = subprocess.run(argv, capture_output=True, text=True, check=True, cwd=ROOT, env=env, timeout=60).stdout
        lines = [line.rstrip() for line in said.splitlines()]
        wanted = [line.rstrip() for line in shown.splitlines() if line.strip() != "…"]
        assert [line for line in wanted if line not in lines] == []
