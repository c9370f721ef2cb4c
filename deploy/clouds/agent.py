"""Writes the configuration of the CloudWatch agent: it asks the node for the figures by which its group is scaled."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path

from metadata import CloudFault, machine_env

NAMESPACE = "Rillcast"
DIMENSION = "AutoScalingGroupName"
ADMIN = "127.0.0.1:9100"


def scraping(env: Mapping[str, str]) -> dict[str, object]:
    """What Prometheus' own configuration file says. Other figures are not kept, since each costs money."""
    job = {
        "job_name": "rillcast",
        "static_configs": [{"targets": [ADMIN], "labels": {DIMENSION: env["GROUP"]}}],
        "metric_relabel_configs": [
            {"source_labels": ["__name__"], "regex": env["METRICS"].replace(",", "|"), "action": "keep"}
        ],
    }
    return {"global": {"scrape_interval": "60s", "scrape_timeout": "10s"}, "scrape_configs": [job]}


def agent(env: Mapping[str, str], scraping_file: Path) -> dict[str, object]:
    """What the agent is told. Figures of several media threads count as several samples of their group."""
    declared = {
        "source_labels": ["job"],
        "label_matcher": "^rillcast$",
        "dimensions": [[DIMENSION]],
        "metric_selectors": [f"^{name}$" for name in env["METRICS"].split(",")],
    }
    prometheus = {
        "log_group_name": env["FIGURES_GROUP"],
        "prometheus_config_path": str(scraping_file),
        "emf_processor": {"metric_namespace": NAMESPACE, "metric_declaration": [declared]},
    }
    return {
        "agent": {"region": env["REGION"]},
        "logs": {"metrics_collected": {"prometheus": prometheus}, "force_flush_interval": 5},
    }


def main() -> None:
    """Write both files into the folder that is named."""
    try:
        env = machine_env()
    except CloudFault as error:
        sys.exit(str(error))
    folder = Path(sys.argv[1])
    scraping_file = folder / "prometheus.yaml"
    scraping_file.write_text(json.dumps(scraping(env)), encoding="utf-8")  # JSON is YAML
    (folder / "agent.json").write_text(json.dumps(agent(env, scraping_file)), encoding="utf-8")


if __name__ == "__main__":
    main()
