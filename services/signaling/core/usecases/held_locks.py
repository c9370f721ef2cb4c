"""The locks for which the store is asked: one-time tokens, and the codes of subscribers."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from rillcast.contracts.access_records import SubscriberRecord, TokenRecord
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import SessionId
from rillcast.contracts.records import AppSettings
from rillcast.contracts.words import Role
from services.signaling import metrics
from services.signaling.core.domain import guesses
from services.signaling.core.domain.admission_rules import Applicant
from services.signaling.core.domain.doors import Lock, locks, time_token_secret, too_short
from services.signaling.core.domain.holds import check_token_free, client_mark
from services.signaling.core.domain.tokens import digest
from services.signaling.core.domain.totp import derived_key, is_code, key_of
from services.signaling.core.domain.verified_identity import Proof, VerifiedIdentity
from services.signaling.core.usecases.grants import Grants
from services.signaling.core.usecases.subscriber_store import MAX_SUBSCRIBER_ID, SubscriberStore, subscriber_key
from services.signaling.core.usecases.token_store import TokenStore, token_key


class OneTimeTokens:
    """Ant Media's one-time tokens. One per signaling instance."""

    def __init__(self, store: TokenStore, grants: Grants) -> None:
        self._store = store
        self._grants = grants

    def applies(self, applicant: Applicant, settings: AppSettings) -> bool:
        """Whether the app asks for one."""
        return Lock.TOKEN in locks(settings, applicant.role)

    async def ask(self, applicant: Applicant, settings: AppSettings) -> VerifiedIdentity:
        """The token's identity. It is held for the session from now on, if there is to be one."""
        shown = applicant.credentials.token
        if not shown:
            raise _no(f"a token is needed to {applicant.role.value} in this app")
        record = await self._store.find(applicant.app, shown)
        if record is None or not _allows(record, applicant):
            raise _no("the token is not valid here")
        if applicant.session is None:
            check_token_free(record, client_mark(applicant.client), self._grants.now_ms(), self._grants.alive)
        else:
            entry = (self._store, token_key(applicant.app, shown))
            await self._grants.hold(
                applicant,
                applicant.session,
                entry,
                lambda hold, alive: self._store.take(applicant.app, shown, hold, alive),
            )
        return VerifiedIdentity(Proof.TOKEN, digest(shown))


class Guesses:
    """Wrong codes; see `guesses`."""

    def __init__(self, tell: Callable[[guesses.Guesser], None]) -> None:
        """`tell`: called with each that was wrong here. It must not block."""
        self._tell = tell
        self._guesses = guesses.Guesses()

    def check(self, applicant: Applicant, now_s: float) -> None:
        """Raises UNAUTHORIZED, with the time to wait, when there were too many. `now_s`: monotonic seconds."""
        locked = self._guesses.locked(_guesser(applicant), now_s)
        if locked is not None:
            by, wait_s = locked
            metrics.GUESSES_LOCKED.labels(by).inc()
            raise RillcastError(ErrorCode.UNAUTHORIZED, "too many wrong codes; try again later", wait_s)

    def wrong(self, applicant: Applicant, now_s: float) -> None:
        """A code was wrong."""
        guesser = _guesser(applicant)
        self._guesses.wrong(guesser, now_s)
        self._tell(guesser)

    def heard(self, guesser: guesses.Guesser, now_s: float) -> None:
        """A code was wrong at another instance."""
        self._guesses.wrong(guesser, now_s)

    def right(self, applicant: Applicant) -> None:
        """A code was right. Others from this address, and for this subscriber from elsewhere, are guessed on."""
        self._guesses.right(_guesser(applicant))


class SubscriberCodes:
    """Time-based codes of subscribers, registered or not. One per signaling instance."""

    def __init__(
        self,
        store: SubscriberStore,
        grants: Grants,
        clock: Callable[[], float],
        tell: Callable[[guesses.Guesser], None] = lambda _: None,
    ) -> None:
        """`clock`: monotonic seconds. `tell`: tells the other instances of a wrong code. It must not block."""
        self._store = store
        self._grants = grants
        self._clock = clock
        self._guesses = Guesses(tell)

    def heard(self, guesser: guesses.Guesser) -> None:
        """A code was wrong at another instance."""
        self._guesses.heard(guesser, self._clock())

    def applies(self, applicant: Applicant, settings: AppSettings) -> bool:
        """Whether the app asks for a code."""
        return Lock.TOTP in locks(settings, applicant.role)

    async def ask(self, applicant: Applicant, settings: AppSettings) -> VerifiedIdentity:
        """The subscriber. A connection is held for the session from now on, if there is to be one. Raises UNAUTHORIZED,
        USER_BLOCKED, HIGH_RESOURCE_USAGE when no more subscribers are kept."""
        shown = applicant.credentials
        if not shown.subscriber_id or not shown.subscriber_code:
            raise _no(f"a subscriberId and a subscriberCode are needed to {applicant.role.value} in this app")
        if len(shown.subscriber_id) > MAX_SUBSCRIBER_ID:
            raise _no("that is no subscriber")
        self._guesses.check(applicant, self._clock())
        record = await self._store.find(applicant.app, applicant.stream, shown.subscriber_id)
        self._check_code(applicant, settings, record)
        if record is not None:
            check_not_blocked(record, applicant.role, self._grants.now_ms())
        if applicant.session is not None:
            await self._connect(applicant, applicant.session)
        return VerifiedIdentity(Proof.SUBSCRIBER, shown.subscriber_id)

    def _check_code(self, applicant: Applicant, settings: AppSettings, record: SubscriberRecord | None) -> None:
        """Without a pause between look and count, so that guesses at the same time are counted as well."""
        self._guesses.check(applicant, self._clock())
        self._check_meant(applicant, settings, record)
        key, period_s = _key_and_period(applicant, settings, record)
        code, now_s = applicant.credentials.subscriber_code, self._grants.now_ms() / 1_000
        if key is None or not is_code(code, key, now_s, period_s):
            self._guesses.wrong(applicant, self._clock())
            raise _no("the subscriber or its code is not valid here")
        self._guesses.right(applicant)
        if record is not None and record.type is not None and not record.type.covers(applicant.role):
            raise _no(f"the subscriber may not {applicant.role.value}")

    def _check_meant(self, applicant: Applicant, settings: AppSettings, record: SubscriberRecord | None) -> None:
        """Refuses whoever has the codes of a registered subscriber of another stream: nobody knows who is meant."""
        if settings.time_token_separator or (record is not None and record.b32_secret):
            return
        if self._store.namesake(applicant.app, applicant.stream, applicant.credentials.subscriber_id) is not None:
            metrics.AMBIGUOUS_SUBSCRIBERS.labels("admission").inc()
            raise _no("the subscriber's id and the stream's are those of another subscriber, one after the other")

    async def _connect(self, applicant: Applicant, session: SessionId) -> None:
        subscriber = applicant.credentials.subscriber_id
        unknown = SubscriberRecord(
            app=applicant.app, stream=applicant.stream, subscriber_id=subscriber, registered=False
        )
        entry = (self._store, subscriber_key(applicant.app, applicant.stream, subscriber))
        await self._grants.hold(applicant, session, entry, partial(self._store.take, unknown))


def check_not_blocked(record: SubscriberRecord, role: Role, now_ms: int) -> None:
    """Raises USER_BLOCKED."""
    if record.blocked_type is not None and record.blocked_type.covers(role) and now_ms < record.blocked_until_ms:
        raise RillcastError(ErrorCode.USER_BLOCKED, f"the subscriber may not {role.value} at present")


def _key_and_period(
    applicant: Applicant, settings: AppSettings, record: SubscriberRecord | None
) -> tuple[bytes | None, int]:
    """What its codes are made with; no key = it can have no code."""
    if record is not None and record.b32_secret:
        return key_of(record.b32_secret), record.totp_expiry_period_seconds or settings.time_token_period
    secret = time_token_secret(settings, applicant.role)
    if too_short(secret):
        return None, settings.time_token_period
    subscriber, separator = applicant.credentials.subscriber_id, settings.time_token_separator
    return derived_key(secret, subscriber, applicant.stream, applicant.role, separator), settings.time_token_period


def _allows(record: TokenRecord, applicant: Applicant) -> bool:
    """A publisher's token for a room is good for every stream of the room, and for playing the room."""
    if record.app != applicant.app:
        return False
    if record.stream == applicant.stream and record.type is applicant.role:
        return True
    if not record.room_id:
        return False
    if applicant.role is Role.PUBLISH:
        return record.type is Role.PUBLISH and applicant.room == record.room_id
    return applicant.stream == record.room_id


def _guesser(applicant: Applicant) -> guesses.Guesser:
    subscriber = subscriber_key(applicant.app, applicant.stream, applicant.credentials.subscriber_id)
    return guesses.Guesser(subscriber=subscriber, address=applicant.client.address, shared=applicant.client.shared)


def _no(why: str) -> RillcastError:
    return RillcastError(ErrorCode.UNAUTHORIZED, why)
