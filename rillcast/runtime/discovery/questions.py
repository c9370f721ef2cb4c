"""Asking a node whether it lives: on the bus, and at its admin listener. See `suspicion` for what the answers mean."""

from __future__ import annotations

import asyncio
import errno
import secrets
from collections.abc import Callable

import aiohttp

from rillcast.contracts.errors import RillcastError
from rillcast.contracts.ids import NodeId
from rillcast.contracts.messages import NodeConfirm, NodeConfirmed, NodeInfo
from rillcast.contracts.subjects import node_confirm
from rillcast.runtime import metrics
from rillcast.runtime.discovery.suspicion import QUESTION_S, AdminSays, BusSays
from rillcast.runtime.errors import RequestOutcome, Unanswered
from rillcast.runtime.ports import Bus

NODE_HEADER, INCARNATION_HEADER = "Rillcast-Node", "Rillcast-Incarnation"
"""In the answers of /livez: whose they are."""
AGE_HEADER = "Rillcast-Up-Seconds"
"""There too: for how many seconds this process has been the one with its node id."""
FIRST_TRY_S = 0.05
"""On the bus we ask twice. When a process has just died, the bus may not know it yet: then the first request goes into
the void, and the second one is answered that nobody listens."""
_NO_WAY = frozenset({errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ETIMEDOUT})
_OUR_FAULT = frozenset({RequestOutcome.DISCONNECTED, RequestOutcome.STALLED, RequestOutcome.DENIED})
"""Outcomes of a request that say nothing about the node."""

IsSigned = Callable[[str, str, bytes], bool]
"""Whether who has this public key has made this signature of these bytes
(`rillcast.runtime.process.identity.is_signed_by`)."""


class CannotAsk(Exception):
    """The question did not get as far as to the node: there is no answer to judge."""


def confirmation(challenge: str, node: NodeId, incarnation: str) -> bytes:
    """What a node signs when it confirms that it lives."""
    return b"rillcast node confirm\0" + "\0".join((challenge, node, incarnation)).encode()


class Questions:
    """One per node that asks. `close` ends what is open."""

    def __init__(self, bus: Bus, is_signed: IsSigned) -> None:
        """To be made inside the event loop."""
        self._bus = bus
        self._is_signed = is_signed
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, force_close=True),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=QUESTION_S, sock_read=QUESTION_S),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
        )

    async def close(self) -> None:
        """Close every connection."""
        await self._http.close()

    async def ask_both(self, info: NodeInfo) -> tuple[BusSays, AdminSays]:
        """Both answers, within about twice `QUESTION_S`. Raises `CannotAsk`."""
        asking_admin = asyncio.ensure_future(self.ask_admin(info))
        try:
            bus = await self.ask_bus(info)
            return bus, await asking_admin
        finally:
            asking_admin.cancel()

    async def ask_bus(self, info: NodeInfo) -> BusSays:
        """Ask on the subject that only this node serves. Raises `CannotAsk` when our own bus does not take the
        request."""
        says = BusSays.SILENT
        for timeout_s in (FIRST_TRY_S, QUESTION_S - FIRST_TRY_S):
            says = await self._ask_bus(info, timeout_s)
            if says is not BusSays.SILENT:
                break
        return says

    async def _ask_bus(self, info: NodeInfo, timeout_s: float) -> BusSays:
        question = NodeConfirm(challenge=secrets.token_hex(16))
        subject = node_confirm(info.kind, info.node)
        try:
            answer = await self._bus.request(subject, question, NodeConfirmed, timeout_s=timeout_s)
        except Unanswered as error:
            if error.outcome is RequestOutcome.NOBODY:
                return BusSays.NOBODY
            if error.outcome in _OUR_FAULT:
                raise CannotAsk(error.message) from error
            return BusSays.SILENT
        except RillcastError:  # it makes no sense, or is refused: this is not signed
            return BusSays.SILENT
        signed = confirmation(question.challenge, info.node, info.incarnation)
        if self._is_signed(info.identity, answer.signature, signed):
            return BusSays.ANSWERED
        metrics.NODE_ANSWERS_REFUSED.inc()
        return BusSays.SILENT

    async def ask_admin(self, info: NodeInfo) -> AdminSays:
        """Ask for /livez, on a connection of its own."""
        try:
            async with self._http.get(f"http://{info.admin_address}/livez", allow_redirects=False) as answer:
                return _whose(answer, info)
        except aiohttp.ConnectionTimeoutError:
            return AdminSays.UNREACHABLE
        except aiohttp.ClientConnectorError as error:
            if error.errno == errno.ECONNREFUSED:
                return AdminSays.REFUSED
            return AdminSays.UNREACHABLE if error.errno in _NO_WAY else AdminSays.SILENT
        except (aiohttp.ClientError, OSError, ValueError):
            # Accepted and not answered, closed at once, or no descriptor left here.
            return AdminSays.SILENT


def _whose(answer: aiohttp.ClientResponse, info: NodeInfo) -> AdminSays:
    node, incarnation = answer.headers.get(NODE_HEADER), answer.headers.get(INCARNATION_HEADER)
    if node != info.node or incarnation is None:
        return AdminSays.SILENT
    return AdminSays.SAME if incarnation == info.incarnation else AdminSays.OTHER
