"""How many may be asked about at one webhook, and when it is left alone because it does not answer."""

from __future__ import annotations

from collections import OrderedDict

import msgspec

MAX_WEBHOOKS = 1_000
FAILURES = 5
REST_S = 5.0
"""After so many failures in a row nobody is asked about for so long. Then one is, to see whether it answers again."""


class _Webhook(msgspec.Struct):
    asking: int = 0
    failures: int = 0
    rests_until_s: float = 0.0


class Webhooks:
    """By their URL. Of more than `MAX_WEBHOOKS`, those that were used longest ago are forgotten."""

    def __init__(self, most_asking: int) -> None:
        """`most_asking`: questions to one webhook at one time."""
        self._most_asking = most_asking
        self._webhooks: OrderedDict[str, _Webhook] = OrderedDict()

    def __len__(self) -> int:
        return len(self._webhooks)

    def resting(self, url: str, now_s: float) -> bool:
        """Whether it is left alone at present. `now_s`: monotonic seconds."""
        webhook = self._webhooks.get(url)
        if webhook is None or webhook.failures < FAILURES:
            return False
        return now_s < webhook.rests_until_s or webhook.asking > 0

    def full(self, url: str) -> bool:
        """Whether as many are being asked about as may be."""
        webhook = self._webhooks.get(url)
        return webhook is not None and webhook.asking >= self._most_asking

    def begin(self, url: str) -> None:
        """A question is on its way. `end` must be called for it."""
        webhook = self._webhooks.setdefault(url, _Webhook())
        webhook.asking += 1
        self._webhooks.move_to_end(url)
        if len(self._webhooks) > MAX_WEBHOOKS:
            self._webhooks.popitem(last=False)

    def end(self, url: str, now_s: float, *, answered: bool | None) -> None:
        """The question is over; `answered` None when nobody waited for the answer."""
        webhook = self._webhooks.get(url)
        if webhook is None:
            return
        webhook.asking = max(0, webhook.asking - 1)
        if answered:
            webhook.failures = 0
        elif answered is False:
            webhook.failures += 1
            webhook.rests_until_s = now_s + REST_S
