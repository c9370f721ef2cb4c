"""Which TLS handshakes are under way, and which wait."""

from __future__ import annotations

from collections import Counter

import pytest

from rillcast.runtime.http.tls import PATIENCE_S, Handshakes
from rillcast.testing.clock import FakeClock

MOST, SHARE = 8, 3


class Handshake:
    """One that is as slow as its client."""

    def __init__(self, site: Site, party: str) -> None:
        self.party = party
        self._site = site

    def begin(self) -> None:
        self._site.begun.append(self)

    def abort(self) -> None:
        self._site.aborted.append(self)
        self._site.handshakes.leave(self)


class Site:
    """Its clock is turned by tests."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.handshakes = Handshakes(self.clock, MOST, SHARE)
        self.begun: list[Handshake] = []
        self.aborted: list[Handshake] = []

    def arrive(self, party: str, times: int = 1) -> list[Handshake]:
        arrived = [Handshake(self, party) for _ in range(times)]
        for one in arrived:
            self.handshakes.enter(one)
        return arrived

    def look(self) -> None:
        for one in self.handshakes.slow():
            one.abort()

    @property
    def under_way(self) -> Counter[str]:
        return Counter(str(one.party) for one in self.handshakes._begun_s)


@pytest.fixture
async def site() -> Site:
    return Site()


async def test_an_address_has_few_at_a_time_and_its_others_wait(site: Site) -> None:
    flood = site.arrive("flooder", 100)
    assert len(site.begun) == SHARE
    site.arrive("another")
    assert site.begun[-1].party == "another"
    site.handshakes.leave(flood[0])
    assert len(site.begun) == SHARE + 2
    assert site.under_way == {"flooder": SHARE, "another": 1}


async def test_all_together_have_few_as_well_and_addresses_take_turns(site: Site) -> None:
    for party in "abcd":
        site.arrive(party, 5)
    assert len(site.handshakes) == MOST
    for one in list(site.begun[:MOST]):
        site.handshakes.leave(one)
    assert len(site.handshakes) == MOST
    assert max(site.under_way.values()) <= SHARE
    assert site.under_way["d"] >= 2


async def test_whoever_holds_up_others_is_sent_away_after_a_while(site: Site) -> None:
    flood = site.arrive("flooder", SHARE + 2)
    site.arrive("another")
    site.clock.advance(PATIENCE_S - 0.1)
    site.look()
    assert not site.aborted
    site.clock.advance(0.1)
    site.look()
    assert site.aborted == flood[:2], "as many as wait, and none of the other address"
    assert site.under_way == {"flooder": SHARE, "another": 1}


async def test_when_all_places_are_taken_the_slow_ones_of_others_go_too(site: Site) -> None:
    for party in "abc":
        site.arrive(party, SHARE)
    assert len(site.handshakes) == MOST
    site.clock.advance(PATIENCE_S)
    site.look()
    assert site.aborted == site.begun[:1]
    assert site.under_way["c"] == SHARE


async def test_nobody_is_sent_away_while_nobody_waits(site: Site) -> None:
    site.arrive("a", SHARE)
    site.clock.advance(100 * PATIENCE_S)
    site.look()
    assert not site.aborted


async def test_whoever_goes_while_it_waits_leaves_nothing(site: Site) -> None:
    flood = site.arrive("flooder", 10)
    for one in flood:
        site.handshakes.leave(one)
        site.handshakes.leave(one)
    assert len(site.handshakes) == 0
    assert not site.handshakes._waiting and not site.handshakes._of_party
