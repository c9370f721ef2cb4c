"""Every page by its file name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from scripts.reference import (
    app_settings,
    cli,
    clouds,
    errors,
    helm,
    helm_schema,
    helm_users,
    messages,
    metrics,
    plane,
    rest,
    setting_meanings,
    settings,
    websocket,
)

FOLDER = "docs/reference"
PAGES: Mapping[str, Callable[[], str]] = {
    "settings.md": settings.render,
    "metrics.md": metrics.render,
    "messages.md": messages.render,
    "rest.md": rest.render,
    "websocket.md": websocket.render,
    app_settings.NAME: app_settings.render,
    "plane.md": plane.render,
    "errors.md": errors.render,
    "cli.md": cli.render,
    "clouds.md": clouds.render,
    "helm.md": helm.render,
}
ELSEWHERE: Mapping[str, Callable[[], str]] = {
    helm_schema.PATH: helm_schema.render,
    helm_users.PATH: helm_users.render,
    setting_meanings.PATH: setting_meanings.render,
}
"""Files that programs read, by their paths."""
