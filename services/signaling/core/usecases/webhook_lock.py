"""The lock that asks the app's own server: whoever it says yes to comes in."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.records import AppSettings
from rillcast.runtime.telemetry.logs import get_logger
from services.signaling import metrics
from services.signaling.core.domain.admission_rules import Applicant, no_place
from services.signaling.core.domain.hook_signature import signed
from services.signaling.core.domain.recent_answers import RecentAnswers
from services.signaling.core.domain.tokens import digest
from services.signaling.core.domain.verified_identity import Proof, VerifiedIdentity
from services.signaling.core.domain.webhook_question import webhook_question, webhook_url
from services.signaling.core.domain.webhook_rest import REST_S, Question, Webhooks

log = get_logger(__name__)

MOST_ASKING = 100
"""At one webhook at one time. One that hangs so holds up its own app and no other."""
HANGS_S = 3.0
"""Who was given up after so long, by admission or by its client, got no answer; before, nobody waited for one."""
KEEP_S = 10.0
"""How long those who wait for a stream, or only ask about it, are not asked about again."""
MAX_KEPT = 10_000


class Webhook(Protocol):
    """Somebody's server."""

    async def allows(self, url: str, question: bytes, headers: dict[str, str] | None = None) -> bool:
        """Whether it says yes. `headers`: what is sent along. Raises OSError when there is no answer."""
        ...


class WebhookLock:
    """One per signaling instance."""

    def __init__(
        self, webhook: Webhook, clock: Callable[[], float], wall_clock: Callable[[], float] = time.time
    ) -> None:
        """`clock`: monotonic seconds. `wall_clock`: Unix seconds, for signatures."""
        self._wall_clock = wall_clock
        self._webhook = webhook
        self._clock = clock
        self._webhooks = Webhooks(MOST_ASKING)
        self._recent = RecentAnswers(life_s=KEEP_S, most=MAX_KEPT)

    def applies(self, applicant: Applicant, settings: AppSettings) -> bool:
        """Whether the app has one for this role."""
        return bool(webhook_url(settings, applicant.role))

    async def ask(self, applicant: Applicant, settings: AppSettings) -> VerifiedIdentity | None:
        """Who it said yes to, if the client showed anything. Raises UNAUTHORIZED, also when there is no answer."""
        url, question = webhook_url(settings, applicant.role), webhook_question(applicant)
        if not await self._allows(url, question, applicant, settings.webhook_secret):
            metrics.WEBHOOKS.labels(applicant.role.value, "refused").inc()
            raise RillcastError(ErrorCode.UNAUTHORIZED, "the app's webhook does not let this client in")
        metrics.WEBHOOKS.labels(applicant.role.value, "ok").inc()
        shown = applicant.credentials
        if not shown.shown:
            return None
        return VerifiedIdentity(Proof.WEBHOOK, digest(shown.token, shown.subscriber_id))

    async def _allows(self, url: str, question: bytes, applicant: Applicant, secret: str) -> bool:
        if applicant.session is not None:
            return await self._asked(url, question, applicant, secret)
        name = digest(url, question.decode())
        known = self._recent.get(name, self._clock())
        if known is None:
            known = await self._asked(url, question, applicant, secret)
            self._recent.put(name, known, self._clock())
        return known

    async def _asked(self, url: str, question: bytes, applicant: Applicant, secret: str) -> bool:
        self._check_rest(url, applicant)
        answered: bool | None = None
        began, under_way = self._clock(), self._begun(url, applicant)
        try:
            allowed = await self._webhook.allows(url, question, signed(secret, question, int(self._wall_clock())))
            answered = True
        except OSError as error:
            answered = False
            metrics.WEBHOOKS.labels(applicant.role.value, "failed").inc()
            log.info("A webhook does not answer", app=applicant.app, role=applicant.role.value, reason=str(error))
            raise _silent() from error
        except asyncio.CancelledError:
            answered = None if self._clock() - began < HANGS_S else False
            raise
        finally:
            self._webhooks.end(under_way, self._clock(), answered=answered)
        return allowed

    def _check_rest(self, url: str, applicant: Applicant) -> None:
        if self._webhooks.resting(url, self._clock()):
            metrics.WEBHOOKS.labels(applicant.role.value, "resting").inc()
            raise _silent()

    def _begun(self, url: str, applicant: Applicant) -> Question:
        question = self._webhooks.begin(url, applicant.client.counted_as)
        if isinstance(question, Question):
            return question
        metrics.WEBHOOKS.labels(applicant.role.value, "too_many").inc()
        metrics.PLACES_REFUSED.labels("webhook", question).inc()
        raise no_place("the app's webhook is asked about too many at once", question)


def _silent() -> RillcastError:
    return RillcastError(ErrorCode.UNAUTHORIZED, "the app's webhook does not answer", REST_S)
