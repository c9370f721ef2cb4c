"""What the test itself asks the API server, as an administrator."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import msgspec

Json = dict[str, Any]
MERGE, STRATEGIC = "application/merge-patch+json", "application/strategic-merge-patch+json"


class Refused(Exception):
    """The server did not do it; the text has its words. `status`: of HTTP."""

    def __init__(self, words: str, status: int) -> None:
        super().__init__(words)
        self.status = status


class Api:
    """One API server. Paths begin with ``/api`` or ``/apis``."""

    def __init__(self, base: str, authority: Path, certificate: tuple[Path, Path]) -> None:
        context = ssl.create_default_context(cafile=authority)
        context.load_cert_chain(*certificate)
        self._http = httpx.AsyncClient(base_url=base, verify=context, timeout=30, trust_env=False)

    async def close(self) -> None:
        """Asks nothing more."""
        await self._http.aclose()

    async def get(self, path: str, **query: str) -> Json:
        """An object, or a list of them."""
        return await self._asked("GET", path, query=query)

    async def items(self, path: str, **query: str) -> list[Json]:
        """Those of a list."""
        found: list[Json] = (await self.get(path, **query))["items"]
        return found

    async def create(self, path: str, body: Json, **query: str) -> Json:
        """Make an object in this collection."""
        return await self._asked("POST", path, body, query=query)

    async def patch(self, path: str, body: Json, kind: str = MERGE) -> Json:
        """Change some of an object."""
        return await self._asked("PATCH", path, body, kind=kind)

    async def delete(self, path: str, body: Json | None = None) -> Json:
        """Have an object deleted. `body`: of kind DeleteOptions."""
        return await self._asked("DELETE", path, body)

    async def text(self, path: str) -> str:
        """What a path answers that is no object, such as ``/readyz``."""
        answer = await self._http.get(path)
        return answer.raise_for_status().text

    async def watch(self, path: str, version: str) -> AsyncIterator[Json]:
        """Events of a collection since a version of it, until the server ends the stream."""
        query = {"watch": "1", "resourceVersion": version, "timeoutSeconds": "300"}
        async with self._http.stream("GET", path, params=query, timeout=330) as answer:
            async for line in answer.aiter_lines():
                if line:
                    yield msgspec.json.decode(line)

    async def _asked(
        self, method: str, path: str, body: Json | None = None, *, query: dict[str, str] | None = None, kind: str = ""
    ) -> Json:
        headers = {"Content-Type": kind or "application/json"}
        content = None if body is None else msgspec.json.encode(body)
        answer = await self._http.request(method, path, params=query, headers=headers, content=content)
        if not answer.is_success:
            raise Refused(f"{method} {path}: {answer.status_code} {answer.text[:500]}", answer.status_code)
        found: Json = answer.json()
        return found
