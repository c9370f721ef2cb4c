"""The list of metrics that no dashboard needs to show."""

from __future__ import annotations

from rillcast.runtime.telemetry.diagnostic import DIAGNOSTIC
from scripts.reference.found import modules_called
from scripts.reference.metrics import exposed_name, instruments


def test_each_of_them_is_a_metric() -> None:
    known = {exposed_name(one) for module in modules_called("metrics") for one in instruments(module)}
    assert len(known) > 100
    assert known >= DIAGNOSTIC
