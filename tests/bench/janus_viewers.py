"""How the generator's viewers join Janus: create, attach, watch, answer its offer, start."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

import aiohttp

from rillcast.load.description import Agreed, LocalPeer, PublishedTrack, view_answer
from rillcast.load.session import OnOffer, Refused
from rillcast.testing.eventually import within
from tests.bench.janus_server import MOUNTPOINT

ANSWER_TIMEOUT_S = 30.0


class JanusJoining:
    """Janus' HTTP API, a session per viewer."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ANSWER_TIMEOUT_S))
        self._sessions: list[str] = []

    async def view(self, local: LocalPeer, on_offer: OnOffer | None = None) -> Agreed:
        session = f"{self._url}/{(await self._ask(self._url, 'create'))['data']['id']}"
        self._sessions.append(session)
        plugin = await self._ask(session, "attach", plugin="janus.plugin.streaming")
        handle = f"{session}/{plugin['data']['id']}"
        await self._ask(handle, "message", body={"request": "watch", "id": MOUNTPOINT})
        sdp, found = view_answer(local, await self._offer(session))
        await self._ask(handle, "message", body={"request": "start"}, jsep={"type": "answer", "sdp": sdp})
        return found

    async def publish(self, local: LocalPeer, stream: str, tracks: Sequence[PublishedTrack]) -> Agreed:
        raise Refused("the streaming plugin is fed by RTP")

    def ended(self) -> Mapping[str, int]:
        return {}  # nobody asks for Janus' events after the answer

    async def close(self) -> None:
        try:
            for start in range(0, len(self._sessions), 32):
                leaving = (self._ask(s, "destroy") for s in self._sessions[start : start + 32])
                await asyncio.gather(*leaving, return_exceptions=True)
        finally:
            await self._http.close()

    async def _offer(self, session: str) -> str:
        """Events come one per request; keep-alives and acknowledgements are among them."""
        async with within(ANSWER_TIMEOUT_S, "the offer of Janus"):
            while True:
                event = await self._get(session)
                if "jsep" in event:
                    return str(event["jsep"]["sdp"])
                if "error" in event or event.get("plugindata", {}).get("data", {}).get("error"):
                    raise Refused(f"Janus: {event}")

    async def _ask(self, url: str, what: str, **content: object) -> dict[str, Any]:
        body = {"janus": what, "transaction": secrets.token_hex(6), **content}
        try:
            async with self._http.post(url, json=body) as answer:
                found: dict[str, Any] = await answer.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Refused(f"Janus: {type(error).__name__} {error}".strip()) from error
        if found.get("janus") == "error":
            raise Refused(f"Janus: {found['error'].get('reason')}")
        return found

    async def _get(self, session: str) -> dict[str, Any]:
        try:
            async with self._http.get(session, params={"maxev": 1}) as answer:
                found = await answer.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Refused(f"Janus: {type(error).__name__} {error}".strip()) from error
        event: dict[str, Any] = found[0] if isinstance(found, list) else found
        return event
