"""The built-in pages and their files."""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from rillcast.contracts.ids import AppName
from services.signaling.core.ports import Apps
from services.signaling.pages.adapters.bookmarks import ABSENT, LEADS_TO, SAMPLES

STATIC = Path(__file__).resolve().parent.parent / "static"
PAGES = {
    "index.html": "index.html",
    "publish.html": "publish.html",
    "watch.html": "watch.html",
    "play.html": "watch.html",
}
_HOST = re.compile(r"[A-Za-z0-9.\-\[\]:]{1,255}")


@dataclass(frozen=True)
class File:
    """Kept in memory, some 70 KB altogether: threads that read files would let each client wait for all others."""

    content: bytes
    media_type: str

    @classmethod
    def read(cls, path: Path) -> File:
        """As it is on the disk."""
        return cls(path.read_bytes(), mimetypes.guess_type(path.name)[0] or "text/plain")

    def response(self, headers: Mapping[str, str]) -> Response:
        """An answer that holds the file."""
        return Response(self.content, media_type=self.media_type, headers={"Cache-Control": "no-cache", **headers})


class Pages:
    """Serves `static/`, as it was at the start."""

    def __init__(self, apps: Apps, folder: Path = STATIC) -> None:
        self._apps = apps
        files = (path for path in folder.rglob("*") if path.is_file())
        self._files = {path.relative_to(folder).as_posix(): File.read(path) for path in files}
        """All that there are. A client's path is looked up, and never given to the file system."""

    async def root(self, request: Request) -> Response:
        """Answers ``/`` with the page that leads to the others."""
        return self._page(request, "index.html")

    async def operator(self, request: Request) -> Response:
        """Answers ``/operator`` with the page on which operators sign in. It shows nothing by itself."""
        return self._page(request, "operator.html")

    async def app_alone(self, request: Request) -> Response:
        """Answers ``/{app}``, to whose page the links are relative, with the way to ``/{app}/``."""
        app = request.path_params["app"]
        if self._apps.settings(AppName(app)) is None:
            raise _nothing()
        return _way(request, f"/{app}/")

    async def app_page(self, request: Request) -> Response:
        """Answers ``/{app}/`` and ``/{app}/{page}``: with the page, or with the way from one of Ant Media's to ours, or
        to its folder ``samples/``. 404 where there is no such app or page, and 501 where Ant Media has one and we have
        not."""
        name = request.path_params.get("page") or "index.html"
        if self._apps.settings(AppName(request.path_params["app"])) is None:
            raise _nothing()
        if name == SAMPLES:
            return _way(request, f"{SAMPLES}/")
        return self._page(request, PAGES[name]) if name in PAGES else _lead(request, name, "")

    async def sample(self, request: Request) -> Response:
        """Answers ``/{app}/samples/`` and ``/{app}/samples/{page}`` likewise."""
        if self._apps.settings(AppName(request.path_params["app"])) is None:
            raise _nothing()
        return _lead(request, request.path_params.get("page") or "index.html", "../")

    async def file(self, request: Request) -> Response:
        """Answers ``/static/{path}`` with a file of the folder, or 404."""
        found = self._files.get(request.path_params["path"])
        if found is None:
            raise _nothing()
        return found.response({})

    def _page(self, request: Request, name: str) -> Response:
        found = self._files.get(name)
        if found is None:
            raise _nothing()
        headers = {"Content-Security-Policy": _policy(request)}
        headers["Permissions-Policy"] = "camera=(self), microphone=(self), display-capture=(self)"
        if name != "watch.html":
            headers["X-Frame-Options"] = "DENY"
        return found.response(headers)


def _policy(request: Request) -> str:
    """Everything from here only. Not every browser counts our WebSocket as ``'self'``, so it is named."""
    host = request.headers.get("host", "")
    sockets = f" ws://{host} wss://{host}" if _HOST.fullmatch(host) else ""
    return (
        f"default-src 'self'; connect-src 'self'{sockets}; media-src 'self' blob:; img-src 'self' data:; "
        "object-src 'none'; base-uri 'none'; form-action 'self'"
    )


def _lead(request: Request, name: str, up: str) -> Response:
    """To the page of ours that does what Ant Media's does, with the query. `up`: from the folder of theirs to that of
    the app. The way is relative, so that it holds behind a proxy that adds to the path."""
    if name in ABSENT:
        raise HTTPException(501, ABSENT[name])
    if name not in LEADS_TO:
        raise _nothing()
    return _way(request, f"{up}{LEADS_TO[name]}")


def _way(request: Request, to: str) -> Response:
    query = f"?{request.url.query}" if request.url.query else ""
    return RedirectResponse(f"{to}{query}", 302)


def _nothing() -> HTTPException:
    """Answered as whatever has no route."""
    return HTTPException(404)
