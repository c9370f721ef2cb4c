"""Answers for seats, from any instance: the state is the store's, changed by compare-and-set only (see
`domain.ledger`)."""

from __future__ import annotations

import asyncio
import random
from collections import Counter

import msgspec

from rillcast.contracts.decoding import Undecodable, decode_json
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import NodeId
from rillcast.contracts.messages import LicenseStatus, SeatAnswer, SeatRelease, SeatRequest
from rillcast.contracts.records import SeatRecord
from rillcast.contracts.subjects import SEAT_LEASE_S
from rillcast.contracts.words import NodeKind
from rillcast.runtime.telemetry.logs import get_logger
from services.license.domain.ledger import Ledger
from services.license.metrics import SEAT_ANSWERS
from services.license.ports import Clock, Entry, KeyValue
from services.license.usecases.license_vault import LicenseVault, status_of

log = get_logger(__name__)

LEDGER = "ledger"
CAS_ATTEMPTS = 20


class SeatDesk:
    """The desk of one instance. Any number of them may work on the same store."""

    def __init__(
        self, seats: KeyValue, state: KeyValue, vault: LicenseVault, monotonic: Clock, ttl_s: float = SEAT_LEASE_S
    ) -> None:
        self._seats = seats
        self._state = state
        self._vault = vault
        self._monotonic = monotonic
        self._ttl_s = ttl_s
        self._contact = self._serving_since = monotonic()

    async def acquire(self, request: SeatRequest) -> SeatAnswer:
        """Take or renew a seat. Raises SEAT_REFUSED naming the limit; STORE_UNAVAILABLE."""
        try:
            outcome = "renewed" if await self._renew(request) else await self._admit(request)
        except RillcastError as error:
            self._count_failure(error)
            raise
        SEAT_ANSWERS.labels(outcome).inc()
        now = self._vault.in_force()
        return SeatAnswer(
            ttl_s=self._ttl_s, licensee=now.license.licensee, warning=now.reason, grace_s=now.license.grace_s
        )

    async def release(self, release: SeatRelease, kind: NodeKind) -> None:
        """Give the seat of a node of this kind back. A seat that another incarnation has, or a node of another kind, or
        nobody, is left alone."""
        key = _seat_key(release.node)
        entry = await self._seats.get(key)
        seat = _decode_seat(entry)
        if seat is not None and seat.kind != kind:
            return
        if entry is not None and seat is not None and seat.incarnation == release.incarnation:
            await self._seats.delete(key, entry.revision)
        for _ in range(CAS_ATTEMPTS):
            ledger, revision = await self._ledger()
            after = ledger.without(release.node, release.incarnation, kind)
            if after is ledger or await self._write_ledger(after, revision):
                SEAT_ANSWERS.labels("released").inc()
                return
            await _step_aside()

    async def status(self) -> LicenseStatus:
        """The license in force and the seats taken. Raises STORE_UNAVAILABLE."""
        now = self._vault.in_force()
        return msgspec.structs.replace(
            status_of(now.license, now.state, now.reason),
            limit_total=now.limit_total,
            limits_by_kind=now.limits_by_kind,
            used_by_kind=await self.used_by_kind(),
        )

    async def used_by_kind(self) -> dict[str, int]:
        """Seats renewed within their time to live. Call every few seconds: see `_touch`."""
        seats = await self._seat_records()
        self._touch()
        return dict(Counter(seat.kind for seat in seats))

    async def _renew(self, request: SeatRequest) -> bool:
        entry = await self._seats.get(_seat_key(request.node))
        seat = _decode_seat(entry)
        if entry is None or entry.value is None or seat is None:
            return False
        if seat.incarnation != request.incarnation or seat.kind != request.kind:
            return False
        return await self._seats.update(entry.key, entry.value, entry.revision) is not None

    async def _admit(self, request: SeatRequest) -> str:
        for _ in range(CAS_ATTEMPTS):
            ledger, revision = await self._ledger()
            now_ms = int(self._vault.wall_s() * 1000)  # not `now_s`: it stands still after a clock was set back
            self._touch()
            if self._monotonic() - self._serving_since >= self._ttl_s:
                ledger = ledger.living(await self._seated(), now_ms, int(self._ttl_s * 1000))
            known = request.node in ledger.nodes
            if await self._write_ledger(ledger.admit(request, self._vault.in_force(), now_ms), revision):
                seat = SeatRecord(
                    node=request.node, kind=request.kind, incarnation=request.incarnation, acquired_at_ms=now_ms
                )
                await self._seats.put(_seat_key(request.node), msgspec.json.encode(seat))
                return "replaced" if known else "granted"
            await _step_aside()
        raise RillcastError(
            ErrorCode.STORE_UNAVAILABLE, "too many nodes ask for a seat at once; try again", retry_after_s=1.0
        )

    async def _ledger(self) -> tuple[Ledger, int | None]:
        entry = await self._state.get(LEDGER)
        if entry is None or entry.value is None:
            return Ledger(), None
        try:
            return decode_json(entry.value, Ledger), entry.revision
        except Undecodable:
            log.warning("The ledger can't be read and is made anew of the seats that are taken")
            return Ledger.of_seats(await self._seat_records()), entry.revision

    async def _write_ledger(self, ledger: Ledger, revision: int | None) -> bool:
        value = msgspec.json.encode(ledger)
        if revision is None:
            return await self._state.create(LEDGER, value) is not None
        return await self._state.update(LEDGER, value, revision) is not None

    async def _seated(self) -> set[NodeId]:
        return {seat.node for seat in await self._seat_records()}

    async def _seat_records(self) -> list[SeatRecord]:
        seats = [_decode_seat(entry) for entry in await self._seats.entries()]
        return [seat for seat in seats if seat is not None]

    def _touch(self) -> None:
        """The store answered. If it was away, nodes could not renew meanwhile: for one time to live nobody is judged
        gone."""
        now = self._monotonic()
        if now - self._contact > self._ttl_s / 2:
            self._serving_since = now
        self._contact = now

    def _count_failure(self, error: RillcastError) -> None:
        unavailable = error.code is ErrorCode.STORE_UNAVAILABLE
        SEAT_ANSWERS.labels("unavailable" if unavailable else "refused").inc()


def _seat_key(node: NodeId) -> str:
    return f"seat/{node}"


def _decode_seat(entry: Entry | None) -> SeatRecord | None:
    if entry is None or entry.value is None:
        return None
    try:
        return decode_json(entry.value, SeatRecord)
    except Undecodable:
        return None


async def _step_aside() -> None:
    """A little disorder, so that instances that collided don't collide again."""
    await asyncio.sleep(random.uniform(0.0, 0.02))
