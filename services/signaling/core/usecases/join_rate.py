"""How often one address may ask to publish or to play, by whatever protocol."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from rillcast.contracts.records import AppSettings
from rillcast.contracts.words import Role
from rillcast.runtime.http.addresses import IpNetwork, counted_as, is_within
from services.signaling import metrics
from services.signaling.core.domain.admission_rules import Applicant
from services.signaling.core.domain.client_rate import ClientRate, TooOften
from services.signaling.core.ports import Streams

SHARED_COST = 0.1
"""Of a client behind a proxy on this machine that nobody named: all of them together may ask ten times as often as one
address, so that a new installation works, and a flood has an end."""
WAITING_COST = 0.05
"""Of a viewer who asks for a stream that is not live. An SDK that waits asks anew about every 3.5 s, so a thousand
viewers behind one address ask 300 times in a second for nothing that costs much."""


UNNAMED_PROXY = "a proxy that RILLCAST_SIGNALING_TRUSTED_PROXIES does not name"


class JoinRate:
    """The first `Check` of all. One per signaling instance."""

    def __init__(
        self, rate: ClientRate, streams: Streams, unlimited: Iterable[IpNetwork], clock: Callable[[], float]
    ) -> None:
        """`clock`: monotonic seconds. Addresses in `unlimited` are never refused, unless a proxy asks from there.
        Clients whose address is not known share one bucket."""
        self._rate = rate
        self._streams = streams
        self._unlimited = tuple(unlimited)
        self._clock = clock

    def __call__(self, applicant: Applicant, settings: AppSettings) -> None:
        """Raises `TooOften` with the time after which there is a token again."""
        client = applicant.client
        local = is_within(client.address, self._unlimited)
        waits = applicant.role is Role.PLAY and self._streams.live(applicant.app, applicant.stream) is None
        cost = (WAITING_COST if waits else 1.0) * (SHARED_COST if local and client.shared else 1.0)
        name = client.counted_as if client.shared else counted_as(client.address)
        wait_s = self._rate.take(name, self._clock(), cost)
        if wait_s > 0 and (client.shared or not local):
            metrics.RATE_LIMITED.labels(applicant.role.value).inc()
            whose = UNNAMED_PROXY if local else "your address"
            raise TooOften(f"too many requests came from {whose}", wait_s)
