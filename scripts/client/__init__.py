"""Writes the Python client of REST from its OpenAPI document: `rillcast/client/api` and `rillcast/client/shapes`."""
