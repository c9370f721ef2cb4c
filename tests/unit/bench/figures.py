"""Figures that tests of the report are made of."""

from __future__ import annotations

import msgspec

from rillcast.load.run import Latency
from tests.bench.machine import Facts
from tests.bench.results import Sample, Step

FACTS = Facts(
    at="now", commit="c", kernel="k", cpu="p", cpus=2, flags=("aes",), memory_gib=1, load=(0, 0, 0), versions={"a": "1"}
)


def sample(variant: str, ns: float, quiet: bool = True) -> Sample:
    return Sample(
        variant=variant, viewers=10, streams=1, ns_per_packet=ns, user_ns=ns / 4, system_ns=ns * 3 / 4, quiet=quiet
    )


def step(**changes: object) -> Step:
    good = Step(
        viewers=1_000,
        connected=1_000,
        failures={},
        seconds=2,
        packets=400_000,
        lost=0,
        bad_decrypts=0,
        longest_gap_ms=20,
        latency=Latency(10, 900, 2_000, 3_000, 4_000),
        first_copy=Latency(10, 1, 1, 1, 1),
        last_copy=Latency(10, 2, 2, 2, 2),
        cores={"edge": 0.5, "origin": 0.1, "janus": 0.5},
        rss_kib=80_000,
        saturation=(),
        others_cores=0,
    )
    return msgspec.structs.replace(good, **changes)
