"""What the benchmark concludes from its figures."""

from __future__ import annotations

import msgspec
import pytest

from rillcast.load.run import Latency
from tests.bench.loopback import faults, keeps_up, kib_per_viewer
from tests.bench.page import document
from tests.bench.reach import lines, worker_gain
from tests.bench.results import Fanout, Loopback, Results, Rival, Workers, costs
from tests.bench.scale import FULL, QUICK
from tests.unit.bench.figures import FACTS, sample, step


def fanout() -> Fanout:
    packet = [sample(v, ns) for _ in range(3) for v, ns in (("bound", 100), ("edge", 150), ("naive", 450))]
    rates = [Workers(workers=n, viewers=10, packets_per_s=rate) for n, rate in ((1, 100), (2, 170), (1, 50), (2, 90))]
    return Fanout(
        offloads={"x": True},
        packet=tuple(packet),
        by_viewers=tuple(packet[:2]),
        by_streams=tuple(packet[:2]),
        workers=tuple(rates),
        workers_others_cores=0.5,
        paced=(),
    )


def test_the_ratio_to_the_bound_is_taken_within_quiet_rounds() -> None:
    rounds = [(100.0, 150.0, True), (100.0, 160.0, True), (100.0, 900.0, False)]
    samples = [sample(v, ns, q) for b, e, q in rounds for v, ns in (("bound", b), ("edge", e))]
    bound, edge = costs(tuple(samples))
    assert bound.over_bound is None
    assert edge.over_bound == pytest.approx(1.55)
    assert (edge.quiet, edge.rounds) == (2, 3)


def test_cost_per_packet_counts_the_roles_asked_for() -> None:
    assert step().us_per_packet("edge") == pytest.approx(2.5)
    assert step().us_per_packet("edge", "origin") == pytest.approx(3)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"connected": 999}, "999 of 1000 connected"),
        ({"lost": 3}, "3 packets lost"),
        ({"latency": Latency(10, 0, 0, 150_000, 0)}, "within 150 ms only"),
        ({"saturation": ("its thread was 99% busy",)}, "generator: its thread"),
    ],
)
def test_a_step_does_not_count_with(changes: dict[str, object], fault: str) -> None:
    assert keeps_up(step())
    assert fault in "; ".join(faults(step(**changes)))


def test_memory_is_compared_from_five_hundred_viewers_on() -> None:
    steps = [step(connected=n, rss_kib=kib) for n, kib in ((100, 70_000), (500, 90_000), (1_000, 96_000))]
    assert kib_per_viewer(tuple(steps)) == pytest.approx(12)
    assert kib_per_viewer((step(),)) is None


def test_two_workers_gain_the_median_of_the_rounds() -> None:
    assert worker_gain(fanout()) == pytest.approx(1.75)


def test_the_page_says_what_was_reached_missed_and_left_out() -> None:
    loopback = Loopback(offloads={}, apart=True, steps=(step(),), most=1_000)
    rivals = (
        Rival(name="Rillcast", version="1", roles=("edge", "origin"), step=step()),
        Rival(name="Janus", version="1", roles=("janus",), step=step(packets=40_000)),
    )
    results = Results(
        facts=FACTS, scale=FULL, fanout=fanout(), loopback=loopback, rivals=rivals, notes={"crowd": "no reason"}
    )
    verdicts = {line.what: line.met for line in lines(results)}
    assert verdicts["fan-out CPU per packet, null device"] is True
    assert verdicts["end to end over loopback, every packet checked"] is None  # more were not tried
    assert verdicts["packets per CPU-second against Janus"] is True
    page = document(results, "results", ["results-packet.png"])
    assert "not measured: crowd: no reason" in page
    assert "| 1.50 | 3/3 |" in page
    assert msgspec.json.decode(msgspec.json.encode(results), type=Results) == results


def test_a_run_cut_down_asks_for_no_more_viewers() -> None:
    small = QUICK.at_most(20)
    sizes = (small.fanout, small.crowd, small.janus, small.stream_viewers, *small.viewers, *small.paced, *small.steps)
    assert max(sizes) == 20
    assert small.viewers == (1, 20)
