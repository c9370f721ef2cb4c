"""Which license is in force: the mounted file, what was installed into the store, or the community license.

Every instance looks at both each `CHECK_S`; a valid file newer than the installed license is copied into the store, so
that all instances agree although only one has the file. A document that is refused never displaces a license that
holds.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from contextlib import suppress

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from rillcast.contracts.decoding import Undecodable, decode_json
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.messages import LicenseStatus
from rillcast.contracts.words import LicenseState
from rillcast.licensing.document import (
    ClockFloor,
    InForce,
    License,
    LicenseRefused,
    check_installable,
    check_not_older,
    check_ours,
    describe,
    in_force,
    read_license,
    state_at,
)
from rillcast.licensing.revocations import Revocations, check_supersedes, is_revocations, read_revocations
from rillcast.runtime.telemetry.logs import get_logger
from services.license.metrics import DOCUMENTS_REFUSED
from services.license.ports import Clock, DocumentSource, Entry, KeyValue

log = get_logger(__name__)

INSTALLED = "installed"
CLOCK = "clock"
CLUSTER = "cluster"
REVOKED = "revoked"
CHECK_S = 3.0
CLOCK_STEP_S = 60
"""How far the clock moves before the store is told."""
CAS_ATTEMPTS = 8


class LicenseVault:
    """The license as one instance sees it. `refresh` before the first use; the store being away keeps the last view."""

    def __init__(self, state: KeyValue, key: Ed25519PublicKey | None, file: DocumentSource | None, wall: Clock) -> None:
        self._state = state
        self._key = key
        self._file = file
        self._wall = wall
        self._licenses: list[License] = []
        self._refusals: list[str] = []
        self._floor = ClockFloor()
        self._revoked = Revocations()
        self.cluster = ""
        """The id of this cluster, which the first instance makes up; empty until the store has answered."""
        self._reported: set[tuple[str, str]] = set()
        self._told: tuple[str, LicenseState, str] | None = None
        self.changed = asyncio.Event()
        """Set when the license, its state or its warning is another one; whoever waits for it clears it."""

    def now_s(self) -> float:
        """Unix seconds that never run back behind what the cluster has seen."""
        return self._floor.now(self._wall())

    def wall_s(self) -> float:
        """Unix seconds as this machine's clock has them."""
        return self._wall()

    def in_force(self) -> InForce:
        """The license that the cluster runs under now, and its state."""
        return in_force(self._licenses, self._refusals, self.now_s())

    def check(self, document: bytes) -> LicenseStatus:
        """What a document would be worth now; nothing is changed."""
        try:
            license = self._ours(document)
        except LicenseRefused as refused:
            return LicenseStatus(
                license_id="",
                licensee="",
                community=False,
                state=LicenseState.INVALID,
                limit_total=0,
                reason=f"refused ({refused.reason.value}): {refused.message}",
            )
        state = state_at(license, self.now_s())
        return status_of(license, state, describe(license, state, self.now_s()))

    async def watch(self) -> None:
        """Look at the file and at the store each `CHECK_S`, until this is cancelled."""
        while True:
            await asyncio.sleep(CHECK_S)
            with suppress(RillcastError):
                await self.refresh()

    async def refresh(self) -> None:
        """Look at file and store. Raises STORE_UNAVAILABLE (the file has been looked at even then)."""
        refusals: list[str] = []
        with suppress(RillcastError):  # what is known stands
            await self._read_cluster()
            await self._read_revocations()
        from_file = await self._read_file(refusals)
        held = [license for _, license in from_file]
        try:
            await self._read_floor()
            installed = await self._read_installed(refusals)
            for document, license in from_file:
                if installed is None or license.issued_at_s > installed.issued_at_s:
                    await self._store_installed(document, license)
            held += [installed] if installed is not None and installed not in held else []
        except RillcastError:
            held += [license for license in self._licenses if license not in held]
            raise
        finally:
            self._licenses, self._refusals = held, refusals
            self._tell()
        await self._raise_floor()

    async def install(self, document: bytes) -> None:
        """Put a license in force everywhere, or a list of revoked ones. Raises BAD_REQUEST naming why it can't be;
        STORE_UNAVAILABLE."""
        await self._read_cluster()
        await self._read_revocations()
        try:
            if is_revocations(document):
                await self._store_revocations(document, read_revocations(document, self._key))
                return await self.refresh()
            license = self._ours(document)
            check_installable(license, self._floor.raised(self._wall(), license).now(self._wall()))
            await self._store_installed(document, license, by_operator=True)
        except LicenseRefused as refused:
            DOCUMENTS_REFUSED.labels(refused.reason.value).inc()
            raise RillcastError(ErrorCode.BAD_REQUEST, f"license refused: {refused.message}") from refused
        log.info("A license was installed", license=license.license_id, licensee=license.licensee)
        return await self.refresh()

    async def _read_file(self, refusals: list[str]) -> list[tuple[bytes, License]]:
        if self._file is None:
            return []
        try:
            document = await self._file.read()
        except LicenseRefused as refused:
            self._refuse(self._file.name, b"", refused, refusals)
            return []
        return self._accept(self._file.name, document, refusals)

    async def _read_installed(self, refusals: list[str]) -> License | None:
        entry = await self._state.get(INSTALLED)
        accepted = self._accept("the installed license", entry.value if entry else None, refusals)
        return accepted[0][1] if accepted else None

    def _accept(self, name: str, document: bytes | None, refusals: list[str]) -> list[tuple[bytes, License]]:
        if document is None:
            return []
        try:
            return [(document, self._ours(document))]
        except LicenseRefused as refused:
            self._refuse(name, document, refused, refusals)
            return []

    def _refuse(self, name: str, document: bytes, refused: LicenseRefused, refusals: list[str]) -> None:
        refusals.append(f"{name} was refused: {refused.message}")
        mark = (name, hashlib.sha256(document).hexdigest() + refused.reason)
        if mark not in self._reported:
            self._reported = {known for known in self._reported if known[0] != name} | {mark}
            DOCUMENTS_REFUSED.labels(refused.reason.value).inc()
            log.warning("A license document was refused", document=name, reason=refused.message)

    def _ours(self, document: bytes) -> License:
        """Raises LicenseRefused, also for a license of another cluster and for one that was revoked."""
        license = read_license(document, self._key)
        check_ours(license, self.cluster, self._revoked.license_ids)
        return license

    async def _read_cluster(self) -> None:
        if not self.cluster:
            await self._state.create(CLUSTER, secrets.token_hex(8).encode())
            entry = await self._state.get(CLUSTER)
            self.cluster = entry.value.decode("ascii", "replace") if entry and entry.value else ""

    async def _read_revocations(self) -> Entry | None:
        """Know the list in the store, unless a later one is known. What lies there is returned."""
        entry = await self._state.get(REVOKED)
        if entry is not None and entry.value is not None:
            try:
                read = read_revocations(entry.value, self._key)
            except LicenseRefused as refused:
                log.warning("The list of revoked licenses can't be used", reason=refused.message)
            else:
                self._revoked = read if read.supersedes(self._revoked) else self._revoked
        return entry

    async def _store_revocations(self, document: bytes, list_: Revocations) -> None:
        """Raises LicenseRefused when the store has, or gets meanwhile, a list that this one does not supersede."""
        for _ in range(CAS_ATTEMPTS):
            entry = await self._read_revocations()
            check_supersedes(list_, self._revoked)
            if entry is None or entry.value is None:
                written = await self._state.create(REVOKED, document)
            else:
                written = await self._state.update(REVOKED, document, entry.revision)
            if written is not None:
                log.info("A list of revoked licenses was installed", licenses=len(list_.license_ids))
                return
        raise RillcastError(
            ErrorCode.STORE_UNAVAILABLE, "the list of revoked licenses kept changing; try again", retry_after_s=1.0
        )

    async def _store_installed(self, document: bytes, license: License, *, by_operator: bool = False) -> None:
        """Unless the store has one that was issued later; `by_operator`: raises LicenseRefused then."""
        for _ in range(CAS_ATTEMPTS):
            entry = await self._state.get(INSTALLED)
            if entry is None or entry.value is None:
                if await self._state.create(INSTALLED, document) is not None:
                    return
                continue
            known = self._accept("the installed license", entry.value, [])
            present = known[0][1] if known else None
            if by_operator:
                check_not_older(license, present)
            elif present is not None and present.issued_at_s >= license.issued_at_s:
                return
            if await self._state.update(INSTALLED, document, entry.revision) is not None:
                return
        raise RillcastError(
            ErrorCode.STORE_UNAVAILABLE, "the installed license kept changing; try again", retry_after_s=1.0
        )

    async def _read_floor(self) -> None:
        entry = await self._state.get(CLOCK)
        if entry is not None and entry.value is not None:
            self._floor = _decode_floor(entry.value)

    async def _raise_floor(self) -> None:
        for _ in range(CAS_ATTEMPTS):
            entry = await self._state.get(CLOCK)
            stored = _decode_floor(entry.value) if entry is not None and entry.value is not None else None
            raised = (stored or ClockFloor()).raised(self._wall(), self.in_force().license)
            if (
                stored is not None
                and raised.issued_at_s == stored.issued_at_s
                and raised.highest_s < stored.highest_s + CLOCK_STEP_S
            ):
                self._floor = stored
                return
            value = msgspec.json.encode(raised)
            if entry is None or entry.value is None:
                written = await self._state.create(CLOCK, value)
            else:
                written = await self._state.update(CLOCK, value, entry.revision)
            if written is not None:
                self._floor = raised
                return

    def _tell(self) -> None:
        now = self.in_force()
        told = (now.license.license_id, now.state, now.reason)
        if told == self._told:
            return
        self._told = told
        self.changed.set()
        say = log.info if now.state is LicenseState.VALID and not now.reason else log.warning
        say(
            "License in force",
            license=now.license.license_id,
            licensee=now.license.licensee,
            state=now.state,
            seats=now.limit_total,
            reason=now.reason,
        )


def status_of(license: License, state: LicenseState, reason: str) -> LicenseStatus:
    """A license as others are told, nothing of it used."""
    return LicenseStatus(
        license_id=license.license_id,
        licensee=license.licensee,
        community=license.community,
        state=state,
        reason=reason,
        not_after_s=license.not_after_s,
        not_before_s=license.not_before_s,
        grace_s=license.grace_s,
        features=license.features,
        limit_total=license.limit_total,
        limits_by_kind=license.limits_by_kind,
    )


def _decode_floor(value: bytes) -> ClockFloor:
    try:
        return decode_json(value, ClockFloor)
    except Undecodable:
        return ClockFloor()
