"""The public keys that an identity provider publishes (JWKS, RFC 7517), fetched when they are needed and kept."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable

import httpx
import jwt
import msgspec

from rillcast.runtime.telemetry.logs import get_logger
from rillcast.runtime.urls import without_secrets
from services.signaling.operators.domain.operator_jwt import ALGORITHMS

MAX_BYTES = 256 * 1024
MAX_KEYS = 100
MAX_URLS = 100
"""The one that was used least lately is forgotten."""
TIMEOUT_S = 3.0
FRESH_S = 600.0
"""For so long a set is used without a look."""
PAUSE_S = 30.0
"""Between two looks, whoever asks for whatever key: a stranger's token must not make us ask for each."""

log = get_logger(__name__)


class _KeySet(msgspec.Struct):
    keys: dict[str, jwt.PyJWK]
    looked_at_s: float
    lock: asyncio.Lock


class JwksKeys:
    """`ports.PublicKeys`. One per signaling instance."""

    def __init__(self, clock: Callable[[], float], transport: httpx.AsyncBaseTransport | None = None) -> None:
        """`clock`: monotonic, in seconds. `transport`: for tests."""
        self._clock = clock
        self._transport = transport
        self._sets: OrderedDict[str, _KeySet] = OrderedDict()

    async def get(self, url: str, key_id: str) -> jwt.PyJWK | None:
        """See `PublicKeys.get`."""
        known = self._sets.setdefault(url, _KeySet({}, -FRESH_S, asyncio.Lock()))
        self._sets.move_to_end(url)
        if len(self._sets) > MAX_URLS:
            self._sets.popitem(last=False)
        async with known.lock:
            age_s = self._clock() - known.looked_at_s
            if age_s >= FRESH_S or (age_s >= PAUSE_S and _chosen(known.keys, key_id) is None):
                known.looked_at_s = self._clock()
                known.keys = await self._fetch(url) or known.keys
        return _chosen(known.keys, key_id)

    async def _fetch(self, url: str) -> dict[str, jwt.PyJWK]:
        """Empty when nobody answers, or with nonsense: then the former keys stay."""
        try:
            async with (
                asyncio.timeout(TIMEOUT_S),
                httpx.AsyncClient(transport=self._transport, trust_env=False, timeout=TIMEOUT_S) as http,
                http.stream("GET", url) as answer,
            ):
                answer.raise_for_status()
                body = bytearray()
                async for chunk in answer.aiter_bytes():
                    body += chunk
                    if len(body) > MAX_BYTES:
                        raise ValueError(f"it has more than {MAX_BYTES} bytes")
            return _parsed(bytes(body))
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, ValueError, jwt.PyJWTError) as error:
            log.warning("Cannot get the keys of a JWKS", url=without_secrets(url), reason=_reason(error))
            return {}


def _reason(error: Exception) -> str:
    """What httpx says of a bad status holds the whole address."""
    if isinstance(error, httpx.HTTPStatusError):
        return f"it answers {error.response.status_code}"
    return str(error) or type(error).__name__


def _parsed(body: bytes) -> dict[str, jwt.PyJWK]:
    """The keys for signatures that we can use, by id. Keys that are secrets are none of them."""
    described = msgspec.json.decode(body, type=dict[str, msgspec.Raw]).get("keys")
    if described is None:
        raise ValueError("it has no keys")
    found: dict[str, jwt.PyJWK] = {}
    for one in msgspec.json.decode(described, type=list[dict[str, object]])[:MAX_KEYS]:
        algorithm = ALGORITHMS.get(str(one.get("kty")))
        if algorithm is None or one.get("use", "sig") != "sig" or one.get("alg", algorithm) != algorithm:
            continue
        try:
            found[str(one.get("kid", ""))] = jwt.PyJWK(one, algorithm)
        except (jwt.PyJWTError, ValueError, TypeError):
            continue
    return found


def _chosen(keys: dict[str, jwt.PyJWK], key_id: str) -> jwt.PyJWK | None:
    if key_id:
        return keys.get(key_id)
    return next(iter(keys.values())) if len(keys) == 1 else None
