"""Builds the room of the pages."""

from __future__ import annotations

from starlette.routing import BaseRoute, Route

from services.signaling.core.wire import Core
from services.signaling.pages.adapters.http_pages import Pages


def wire(core: Core) -> list[BaseRoute]:
    """Return the routes of the pages. They must be tried last, because ``/{app}/{page}`` matches many paths."""
    pages = Pages(core.apps)
    return [
        Route("/", pages.root, methods=["GET"]),
        Route("/console", pages.console, methods=["GET"]),
        Route("/console/", pages.console_elsewhere, methods=["GET"]),
        Route("/operator", pages.console_elsewhere, methods=["GET"]),
        Route("/static/{path:path}", pages.file, methods=["GET"]),
        Route("/{app}", pages.app_alone, methods=["GET"]),
        Route("/{app}/", pages.app_page, methods=["GET"]),
        Route("/{app}/samples/", pages.sample, methods=["GET"]),
        Route("/{app}/samples/{page}", pages.sample, methods=["GET"]),
        Route("/{app}/{page}", pages.app_page, methods=["GET"]),
    ]
