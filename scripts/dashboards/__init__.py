"""Writes the dashboards in deploy/grafana/dashboards: `python -m scripts.dashboards`.

Each dashboard is a module with rows of panels (`panel`), which name their expressions by `promql`; `built` turns them
into Grafana's JSON.
"""
