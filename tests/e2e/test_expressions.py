"""What dashboards and alerts ask, a real Prometheus answers, which has seen a cluster under streams and faults."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.e2e.expressions import Expression, of_dashboards, of_rules
from tests.e2e.prometheus import Prometheus
from tests.e2e.scene import played
from tests.e2e.silent import outdated, reason_of


async def says_nothing(there: Prometheus, asked: Expression) -> bool:
    """Whether an expression has no answer, now or, for curves, at any time of the scene."""
    found = await (there.now(asked.expr) if asked.at_once else there.since_it_began(asked.expr))
    return not found


@pytest.mark.timeout(600)
async def test_every_expression_has_an_answer_or_a_reason_to_have_none(tmp_path: Path) -> None:
    async with played(tmp_path) as (running, there):
        seconds = int(time.time() - there.began_s)
        asked = [*of_dashboards(seconds), *of_rules(seconds)]
        silent = {one.place for one in asked if await says_nothing(there, one)}
        assert running.tracebacks() == []

    assert len(asked) > 250
    unexplained = sorted(place for place in silent if reason_of(place) is None)
    assert unexplained == [], "\n".join(unexplained)
    assert outdated({one.place for one in asked}) == []
    answered = len(asked) - len(silent)
    assert answered > 0.75 * len(asked), f"only {answered} of {len(asked)} have an answer"
