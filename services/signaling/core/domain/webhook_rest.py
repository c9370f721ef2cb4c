"""How many may be asked about at one webhook, and when it is left alone because it does not answer."""

from __future__ import annotations

from collections import OrderedDict

from rillcast.cluster.shares import NoPlace, SharedPlaces

MAX_WEBHOOKS = 1_000
FAILURES = 5
REST_S = 5.0
"""After so many failures in a row nobody is asked about for so long. Then one is, to see whether it answers again."""


class _Webhook:
    def __init__(self, most_asking: int) -> None:
        self.places = SharedPlaces(most_asking)
        self.failures = 0
        self.rests_until_s = 0.0


class Question:
    """One that is on its way."""

    def __init__(self, webhook: _Webhook, client: str) -> None:
        self.webhook = webhook
        self.client = client


class Webhooks:
    """By their URL. Of more than `MAX_WEBHOOKS`, those that were used longest ago are forgotten."""

    def __init__(self, most_asking: int) -> None:
        """`most_asking`: questions to one webhook at one time. Each client has a share of them."""
        self._most_asking = most_asking
        self._webhooks: OrderedDict[str, _Webhook] = OrderedDict()

    def __len__(self) -> int:
        return len(self._webhooks)

    def resting(self, url: str, now_s: float) -> bool:
        """Whether it is left alone at present. `now_s`: monotonic seconds."""
        webhook = self._webhooks.get(url)
        if webhook is None or webhook.failures < FAILURES:
            return False
        return now_s < webhook.rests_until_s or len(webhook.places) > 0

    def begin(self, url: str, client: str) -> Question | NoPlace:
        """A question is on its way, about a client that counts as `client`. `end` must be called for it. Or why there
        is no place for it."""
        webhook = self._webhooks.setdefault(url, _Webhook(self._most_asking))
        self._webhooks.move_to_end(url)
        if len(self._webhooks) > MAX_WEBHOOKS:
            self._webhooks.popitem(last=False)
        return webhook.places.take(client) or Question(webhook, client)

    def end(self, question: Question, now_s: float, *, answered: bool | None) -> None:
        """The question is over; `answered` None when nobody waited for the answer."""
        webhook = question.webhook
        webhook.places.leave(question.client)
        if answered:
            webhook.failures = 0
        elif answered is False:
            webhook.failures += 1
            webhook.rests_until_s = now_s + REST_S
