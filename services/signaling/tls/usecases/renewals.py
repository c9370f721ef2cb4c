"""Keeps the certificate of an authority fresh: one instance orders, all show it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NamedTuple

from rillcast.contracts.errors import RillcastError
from rillcast.runtime.http.certificate import CertificateFault, KeyPair, ServerCertificate, starts_later
from rillcast.runtime.telemetry.logs import get_logger
from services.signaling import metrics
from services.signaling.tls.domain.renewal import FIRST_RETRY_S, Turn, after_failure, is_due, next_turn
from services.signaling.tls.ports import Authority, AuthorityFault, Store

log = get_logger(__name__)

LOOK_EVERY_S = 10.0
"""How often each instance looks into the store."""
KEEP_ATTEMPTS = 3
"""In one look, while others write in between."""


class Issued(NamedTuple):
    """A certificate that is not in the store yet, and the turn in which it was ordered."""

    pair: KeyPair
    turn: int
    """The revision of the turn, over which nobody has written if it is still ours."""


class Renewals:
    """One per signaling instance."""

    def __init__(
        self,
        node: str,
        names: Sequence[str],
        *,
        store: Store,
        authority: Authority,
        certificate: ServerCertificate,
        wall_clock: Callable[[], float],
    ) -> None:
        """`node`: this instance. `names`: of the certificate. `wall_clock`: Unix seconds."""
        self._node = node
        self._names = tuple(names)
        self._store = store
        self._authority = authority
        self._certificate = certificate
        self._wall_clock = wall_clock
        self._unkept: Issued | None = None
        """Nothing is ordered before it is in the store: authorities count certificates."""
        self._rests_until = 0.0
        """After the store failed in the middle of an order."""

    async def run(self) -> None:
        """Look, and order when it is time, until cancelled."""
        while True:
            try:
                await self.look()
            except RillcastError as error:
                log.warning("Cannot look after the certificate", reason=error.message)
            await asyncio.sleep(LOOK_EVERY_S)

    async def look(self) -> None:
        """Show the certificate in the store; order one if that is due and nobody else does. Raises `RillcastError`."""
        if self._unkept is not None and not await self._keep(self._unkept):
            return
        stored, _ = await self._store.certificate()
        self._show(stored)
        if not self._is_due() or self._wall_clock() < self._rests_until:
            return
        before, revision = await self._store.turn()
        turn = next_turn(before, self._node, self._wall_clock())
        if turn is None:
            return
        taken = await self._store.take_turn(turn, revision)
        if taken is not None:
            await self._order(turn, taken)

    def _show(self, pair: KeyPair | None) -> None:
        loaded = self._certificate.loaded
        if pair is None or (loaded is not None and loaded.pair == pair):
            return
        try:
            shown = self._certificate.use(pair)
        except CertificateFault as error:
            log.error("The certificate in the store cannot be used", reason=str(error))
        else:
            log.info("Shows a new certificate", names=", ".join(shown.names))

    def _is_due(self) -> bool:
        loaded = self._certificate.loaded
        return loaded is None or is_due(
            self._names,
            loaded.names,
            starts_at=loaded.starts_at,
            expires_at=loaded.expires_at,
            now=self._wall_clock(),
        )

    async def _order(self, turn: Turn, revision: int) -> None:
        try:
            pair = await self._obtain()
        except AuthorityFault as error:
            metrics.CERTIFICATE_ORDERS.labels("failed").inc()
            wait = after_failure(turn, self._wall_clock())
            await self._store.take_turn(wait, revision)
            log.error(
                "There is no new certificate",
                reason=str(error),
                tries_again_in_s=round(wait.until - self._wall_clock()),
            )
        else:
            metrics.CERTIFICATE_ORDERS.labels("ok").inc()
            self._unkept = Issued(pair, revision)
            self._show(pair)
            await self._keep(self._unkept)

    async def _keep(self, issued: Issued) -> bool:
        """Whether there is nothing left to be kept. Others write as well when an order took longer than its turn, or
        the store was away. The certificate that holds from later on stays."""
        for _ in range(KEEP_ATTEMPTS):
            stored, revision = await self._store.certificate()
            if stored is not None and starts_later(stored, issued.pair):
                break
            if await self._store.keep(issued.pair, revision):
                break
        else:
            return False
        self._unkept = None
        await self._store.end_turn(issued.turn)
        return True

    async def _obtain(self) -> KeyPair:
        account_key = await self._store.account_key()
        self._rests_until = self._wall_clock() + FIRST_RETRY_S
        order = await self._authority.order(account_key, self._names)
        await self._store.publish(order.proofs)
        try:
            pair = await order.finish()
        finally:
            with suppress(RillcastError):  # what stays is of no use to anybody, and the next order replaces it
                await self._store.withdraw(order.proofs)
        self._rests_until = 0.0
        return pair
