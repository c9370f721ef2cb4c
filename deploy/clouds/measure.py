"""Tells Azure Monitor each minute the figures by which the scale set of this machine is scaled, as custom metrics. For
Python 3.11 or newer."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from metadata import Azure, CloudFault, ask, machine_env, needed

NAMESPACE = "Rillcast"
EVERY_S = 60.0
"""Custom metrics have a grain of one minute."""
NODE = "http://127.0.0.1:9100/metrics"
AUDIENCE = "https://monitoring.azure.com/"
_SAMPLE = re.compile(r"^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{[^}]*\})? (\S+)", re.MULTILINE)


def samples(text: str, names: Sequence[str]) -> dict[str, list[float]]:
    """The values of the wanted metrics in Prometheus' text format, one for each media thread where a node has some."""
    found: dict[str, list[float]] = {}
    for name, value in _SAMPLE.findall(text):
        if name in names:
            found.setdefault(name, []).append(float(value))
    return found


def message(name: str, values: Sequence[float], now: datetime) -> dict[str, object]:
    """One metric as Azure Monitor takes it."""
    series = {"dimValues": [], "min": min(values), "max": max(values), "sum": sum(values), "count": len(values)}
    data = {"metric": name, "namespace": NAMESPACE, "dimNames": [], "series": [series]}
    return {"time": now.isoformat(), "data": {"baseData": data}}


def tell(here: Azure, names: Sequence[str]) -> None:
    """Ask the node, and pass on what it says. Raises CloudFault."""
    text = needed(ask(NODE), "what the node measures")
    region, resource = here.resource()
    for name, values in samples(text, names).items():
        body = json.dumps(message(name, values, datetime.now(UTC))).encode()
        headers = {**here.login(AUDIENCE), "Content-Type": "application/json"}
        ask(f"https://{region}.monitoring.azure.com{resource}/metrics", method="POST", headers=headers, body=body)


def minutes(env: Mapping[str, str]) -> None:
    """Never returns. What could not be told is lost, and said: the next minute has new figures."""
    here, names = Azure(env), env["METRICS"].split(",")
    while True:
        try:
            tell(here, names)
        except CloudFault as error:
            print(error, flush=True)
        time.sleep(EVERY_S)


if __name__ == "__main__":
    minutes(machine_env())
