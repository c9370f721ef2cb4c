"""Who may publish or play: one use case for WebSocket, WHIP, WHEP and, over the bus, ingest at origins.

Checks come in a declared order, and those that are answered from memory before those that must ask somebody: a refusal
is to be cheap. The asking ones (a webhook, a one-time token in the store) share one deadline, and only so many
applicants are asked about at one time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Protocol

import msgspec

from rillcast.cluster.shares import SharedPlaces
from rillcast.contracts.access_records import SubscriberRecord
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import AppName, SessionId, StreamId
from rillcast.contracts.records import AppSettings
from rillcast.contracts.words import Role
from services.signaling import metrics
from services.signaling.core.domain.admission_rules import (
    Admitted,
    Applicant,
    check_publisher_address,
    check_registered,
    check_window,
    no_place,
    unknown_app,
)
from services.signaling.core.domain.doors import Lock, locks
from services.signaling.core.domain.locks_from_memory import check_shown
from services.signaling.core.domain.stream_name import valid_stream_id
from services.signaling.core.domain.verified_identity import VerifiedIdentity, strongest
from services.signaling.core.ports import Apps, Broadcasts, LicenseState, Streams
from services.signaling.core.usecases.held_locks import check_not_blocked
from services.signaling.core.usecases.limits import Limits

Refusals = Callable[[Applicant, RillcastError], None]


class Check(Protocol):
    """Answered from memory. Raises `RillcastError` to refuse, and returns whom it verified, if it verifies anybody."""

    def __call__(self, applicant: Applicant, settings: AppSettings) -> VerifiedIdentity | None: ...


class AskingCheck(Protocol):
    """A check that asks somebody outside this process, e.g. by a webhook."""

    def applies(self, applicant: Applicant, settings: AppSettings) -> bool:
        """Whether there is anything to ask, by the app's settings. Called for every applicant."""
        ...

    async def ask(self, applicant: Applicant, settings: AppSettings) -> VerifiedIdentity | None:
        """Whom it verified, if anybody. Raises `RillcastError` to refuse. Cancelled at the deadline, or when the
        applicant leaves."""
        ...


class KnownSubscribers(Protocol):
    """The part of `SubscriberStore` that answers from memory."""

    def known(self, app: AppName, stream: StreamId, subscriber_id: str) -> SubscriberRecord | None: ...


class SessionsHeld(Protocol):
    """The part of `Grants` that admission needs."""

    def __contains__(self, session: object) -> bool: ...

    def note(self, applicant: Applicant, session: SessionId) -> object: ...

    def over(self, session: SessionId) -> None: ...


class LocalChecks:
    """The checks that need nobody, in their order."""

    def __init__(
        self,
        license: LicenseState,
        wall_clock: Callable[[], float],
        *,
        subscribers: KnownSubscribers,
        broadcasts: Broadcasts,
        limits: Limits,
    ) -> None:
        """`wall_clock`: Unix time, for tokens."""
        self._license = license
        self._wall_clock = wall_clock
        self._subscribers = subscribers
        self._broadcasts = broadcasts
        self._limits = limits

    @property
    def in_order(self) -> Sequence[Check]:
        """The rules in the order in which they are asked: Ant Media's, with the limits before what must be asked for
        elsewhere."""
        rules = (self.stream_id, self.address, self.license, self.broadcast, self.shown, self.not_blocked)
        return (*rules, self._limits.check)

    def stream_id(self, applicant: Applicant, settings: AppSettings) -> None:
        """Refuses a stream id that breaks the grammar of ids."""
        valid_stream_id(applicant.stream)

    def address(self, applicant: Applicant, settings: AppSettings) -> None:
        """Refuses to publish from an address that the app does not list."""
        if applicant.role is Role.PUBLISH:
            check_publisher_address(settings, applicant.client)

    def license(self, applicant: Applicant, settings: AppSettings) -> None:
        """Refuses while the cluster's license has expired and its grace time is over."""
        if self._license.suspended:
            raise RillcastError(ErrorCode.LICENSE_SUSPENDED, "the cluster's license has expired; please renew it")

    def broadcast(self, applicant: Applicant, settings: AppSettings) -> None:
        """Refuses to publish a stream that must have been created before and was not, or whose time it is not."""
        if applicant.role is Role.PUBLISH:
            broadcast = self._broadcasts.get(applicant.app, applicant.stream)
            check_registered(settings, broadcast)
            if broadcast is not None:
                check_window(broadcast, self._wall_clock())

    def shown(self, applicant: Applicant, settings: AppSettings) -> VerifiedIdentity | None:
        """Refuses a token that is missing, wrong or expired, where the app asks for one."""
        return check_shown(applicant, settings, self._wall_clock())

    def not_blocked(self, applicant: Applicant, settings: AppSettings) -> None:
        """Refuses who says that it is a subscriber that is blocked. Where codes are asked for, the code comes first."""
        subscriber = applicant.credentials.subscriber_id
        if subscriber and Lock.TOTP not in locks(settings, applicant.role):
            record = self._subscribers.known(applicant.app, applicant.stream, subscriber)
            if record is not None:
                check_not_blocked(record, applicant.role, int(self._wall_clock() * 1_000))


class Admission:
    """Lets in, or raises `RillcastError`. One per signaling instance."""

    def __init__(
        self,
        apps: Apps,
        checks: Sequence[Check],
        asking: Sequence[AskingCheck] = (),
        *,
        streams: Streams,
        grants: SessionsHeld,
        rate: Check | None = None,
        most_asking: int = 1_000,
        timeout_s: float = 5.0,
    ) -> None:
        """`rate`: the very first check, of how often somebody asks. `most_asking`: applicants about whom somebody is
        asked at one time. `timeout_s`: for all answers together."""
        self._apps = apps
        self._checks = checks
        self._asking_checks = asking
        self._streams = streams
        self._grants = grants
        self._rate = rate
        self._places = SharedPlaces(most_asking)
        self._timeout_s = timeout_s
        self._noted: list[Callable[[Applicant], bool]] = []
        self._hear_refused: list[Refusals] = []

    def on_refused(self, hears: Refusals) -> None:
        """Call this with whoever is not let in, and why."""
        self._hear_refused.append(hears)

    def note_where(self, wants: Callable[[Applicant], bool]) -> None:
        """Have the sessions known (`Grants.note`) of those for whom `wants` says so."""
        self._noted.append(wants)

    def knock(self, applicant: Applicant) -> None:
        """Raises the refusal of whoever asks too often, and where there is no such app. For clients of whom more is to
        be read before they are let in by `admit`: nothing is counted or held for them meanwhile."""
        with _counted_refusal(applicant, self._hear_refused):
            self._knock(applicant)

    def at_once(self, applicant: Applicant) -> Admitted | None:
        """Who comes in, if nobody needs to be asked; None where `admit` is to be awaited. Raises the refusal."""
        with _counted_refusal(applicant, self._hear_refused):
            settings = self._settings(applicant)
            if self._open_questions(applicant, settings):  # `admit` is to count it, and once is enough
                self._from_memory(msgspec.structs.replace(applicant, session=None), settings)
                return None
            self._knock(applicant)
            identities = self._from_memory(applicant, settings)
        return self._let_in(applicant, settings, identities, waits=self._waits(applicant))

    async def admit(self, applicant: Applicant, *, knocked: bool = False) -> Admitted:
        """Who comes in. Raises the refusal, HIGH_RESOURCE_USAGE when the answers do not come in time. `knocked`:
        whether `knock` was called before."""
        with _counted_refusal(applicant, self._hear_refused):
            settings = self._settings(applicant) if knocked else self._knock(applicant)
            identities = self._from_memory(applicant, settings)
            questions, waits = self._open_questions(applicant, settings), self._waits(applicant)
            if questions:
                asked = msgspec.structs.replace(applicant, session=None) if waits else applicant
                identities += await self._ask(questions, asked, settings)
        return self._let_in(applicant, settings, identities, waits=waits)

    def would_let_in(self, applicant: Applicant) -> bool:
        """Whether a client comes in by what it shows, as far as nobody needs to be asked for it: nothing is held for
        it, and nothing used up. Counts as one try of it."""
        try:
            settings = self._knock(applicant)
            self._from_memory(msgspec.structs.replace(applicant, session=None), settings)
        except RillcastError:
            return False
        return not self._open_questions(applicant, settings)

    def _knock(self, applicant: Applicant) -> AppSettings:
        settings = self._settings(applicant)
        if self._rate is not None:
            self._rate(applicant, settings)
        return settings

    def _settings(self, applicant: Applicant) -> AppSettings:
        settings = self._apps.settings(applicant.app)
        if settings is None:
            raise unknown_app(applicant.app)
        return settings

    def _from_memory(self, applicant: Applicant, settings: AppSettings) -> list[VerifiedIdentity | None]:
        return [check(applicant, settings) for check in self._checks]

    def _open_questions(self, applicant: Applicant, settings: AppSettings) -> list[AskingCheck]:
        return [check for check in self._asking_checks if check.applies(applicant, settings)]

    def _waits(self, applicant: Applicant) -> bool:
        """A viewer asks again and again until there is something to play. That uses nothing up."""
        return applicant.role is Role.PLAY and self._streams.live(applicant.app, applicant.stream) is None

    async def _ask(
        self, questions: Sequence[AskingCheck], applicant: Applicant, settings: AppSettings
    ) -> list[VerifiedIdentity | None]:
        client = applicant.client.counted_as
        if refused := self._places.take(client):
            self._not_let_in(applicant)
            metrics.PLACES_REFUSED.labels("admission", refused).inc()
            raise no_place("too many clients are being let in", refused)
        metrics.ADMITTING.inc()
        try:
            async with asyncio.timeout(self._timeout_s):
                return [await question.ask(applicant, settings) for question in questions]
        except BaseException as error:
            self._not_let_in(applicant)
            if not isinstance(error, TimeoutError):
                raise
            raise RillcastError(ErrorCode.HIGH_RESOURCE_USAGE, "nobody said in time who may come in", 1.0) from error
        finally:
            self._places.leave(client)
            metrics.ADMITTING.dec()

    def _not_let_in(self, applicant: Applicant) -> None:
        if applicant.session is not None:
            self._grants.over(applicant.session)

    def _let_in(
        self, applicant: Applicant, settings: AppSettings, found: list[VerifiedIdentity | None], *, waits: bool
    ) -> Admitted:
        session, held = applicant.session, False
        if session is not None and not waits:
            if applicant.credentials.subscriber_id or any(wants(applicant) for wants in self._noted):
                self._grants.note(applicant, session)  # a subscriber may be blocked while the session lives
            held = session in self._grants
        metrics.ADMISSIONS.labels(applicant.role.value, "ok").inc()
        return Admitted(settings=settings, identity=strongest(found), waits=waits, held=held)


class _counted_refusal:
    """A block whose refusal is counted. It is a class since every join has one."""

    def __init__(self, applicant: Applicant, hear: Sequence[Refusals]) -> None:
        self._applicant = applicant
        self._hear = hear

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, RillcastError):
            metrics.ADMISSIONS.labels(self._applicant.role.value, error.code.value).inc()
            for hears in self._hear:
                hears(self._applicant, error)
