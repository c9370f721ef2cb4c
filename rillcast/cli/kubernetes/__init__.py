"""What runs beside the nodes in a Kubernetes cluster; the chart in `deploy/helm/rillcast` calls it."""
