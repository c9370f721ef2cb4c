"""The built-in pages and their files."""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from rillcast.contracts.ids import AppName
from services.signaling.core.domain.conditional import has_already, takes_gzip
from services.signaling.core.ports import Apps
from services.signaling.pages.adapters.bookmarks import ABSENT, LEADS_TO, SAMPLES

STATIC = Path(__file__).resolve().parent.parent / "static"
CONSOLE = "console/index.html"
PAGES = {
    "index.html": "index.html",
    "publish.html": "publish.html",
    "watch.html": "watch.html",
    "play.html": "watch.html",
}
_CAMERA = "camera=(self), microphone=(self), display-capture=(self)"
_NO_CAMERA = "camera=(), microphone=(), display-capture=()"
_HOST = re.compile(r"[A-Za-z0-9.\-\[\]:]{1,255}")


@dataclass(frozen=True)
class File:
    """Kept in memory, some 1 MB altogether: threads that read files would let each client wait for all others."""

    content: bytes
    compressed: bytes
    """The same by gzip."""
    media_type: str
    tag: str
    """Its ETag: another one for any other content."""
    compressed_tag: str
    """That of the compressed form, which is other bytes."""

    @classmethod
    def read(cls, path: Path) -> File:
        """As it is on the disk."""
        content = path.read_bytes()
        tag = hashlib.sha256(content).hexdigest()[:32]
        compressed = gzip.compress(content, mtime=0)
        media_type = mimetypes.guess_type(path.name)[0] or "text/plain"
        return cls(content, compressed, media_type, f'"{tag}"', f'"{tag}-gzip"')

    def response(self, request: Request, headers: Mapping[str, str]) -> Response:
        """An answer that holds the file, or says that the client has it already. Clients ask each time, so that none
        has files of two versions."""
        packed = takes_gzip(",".join(request.headers.getlist("accept-encoding")))
        tag = self.compressed_tag if packed else self.tag
        headers = {"Cache-Control": "no-cache", "ETag": tag, "Vary": "Accept-Encoding", **headers}
        if has_already(",".join(request.headers.getlist("if-none-match")), tag):
            return Response(status_code=304, headers=headers)
        if packed:
            headers["Content-Encoding"] = "gzip"
            return Response(self.compressed, media_type=self.media_type, headers=headers)
        return Response(self.content, media_type=self.media_type, headers=headers)


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

    async def console(self, request: Request) -> Response:
        """Answers ``/console`` with the page on which operators sign in. It shows nothing by itself."""
        return self._page(request, CONSOLE)

    async def console_elsewhere(self, request: Request) -> Response:
        """Answers ``/console/``, and ``/operator`` where the page was before, with the way to ``/console``."""
        return _way(request, "../console" if request.url.path.endswith("/") else "console")

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
        """Answers ``/static/{path}`` with a file of the folder, or 404. Pages are not there: they come with a policy,
        from where they belong."""
        path = request.path_params["path"]
        found = self._files.get(path)
        if found is None or path.endswith(".html"):
            raise _nothing()
        return found.response(request, {})

    def _page(self, request: Request, name: str) -> Response:
        found = self._files.get(name)
        if found is None:
            raise _nothing()
        headers = {"Content-Security-Policy": _policy(request)}
        headers["Permissions-Policy"] = _NO_CAMERA if name == CONSOLE else _CAMERA
        if name != "watch.html":
            headers["X-Frame-Options"] = "DENY"
        return found.response(request, headers)


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
