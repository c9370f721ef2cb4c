"""Two faults of `make chaos` in a small cluster with three nats-servers, which are frozen first; a seed has chosen the
other one. Nobody is lost, and all is as before. ``RILLCAST_CHAOS_SEED=N`` chooses another one."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from rillcast.testing.services import MAX_LOOP_LAG_MS
from tests.chaos.cluster import Size, chaos_cluster
from tests.chaos.faults import FAULTS
from tests.chaos.measure import repetition, settled
from tests.chaos.network import missing
from tests.chaos.viewers import SDK, Watchers, stage
from tests.e2e.browser import Strangers
from tests.e2e.conftest import need

SIZE = Size(consul=0, signaling=1, origin=1, edge=2, transcoder=0)
ALWAYS = "nats-frozen"
MAY_HAPPEN = ("edge-killed", "edge-gone", "edge-frozen", "nats-killed", "one-nats-killed", "routes-cut")
USUAL_SEED = 1
HOLD_S = 8.0
"""Longer than a lease, and shorter than the patience of the client of NATS (9 s)."""


@pytest.mark.timeout(300)
async def test_nobody_is_lost_by_faults_that_a_seed_has_chosen(
    strangers: Strangers, source: Path, tmp_path: Path
) -> None:
    need(not missing(), f"network of machines: {missing()}")
    seed = int(os.environ.get("RILLCAST_CHAOS_SEED", USUAL_SEED))
    rng = random.Random(seed)
    names = (ALWAYS, rng.choice(MAY_HAPPEN))
    patient = {"MAX_LOOP_LAG_MS": str(MAX_LOOP_LAG_MS)}
    async with (
        chaos_cluster(tmp_path, SIZE, media_settings=patient) as cluster,
        stage(cluster, strangers, source, watch=(SDK,)) as on,
    ):
        for name in names:
            fault = next(fault for fault in FAULTS if fault.name == name)
            await settled(on)
            seen = await repetition(on, fault, rng, HOLD_S, Watchers(sdk=10, whip=0, whep=0))
            told = f"RILLCAST_CHAOS_SEED={seed}, {name}: {seen}"
            assert seen.lost == (), told
            assert seen.left_over == "", told
            assert seen.tracebacks == (), told
            assert seen.unclear == {}, told
