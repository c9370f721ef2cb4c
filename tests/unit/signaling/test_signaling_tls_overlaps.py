"""Orders of certificates that overlap, since one took longer than its turn or a clock ran ahead."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from rillcast.runtime.http.certificate import KeyPair
from rillcast.testing.kv import FakeKeyValue
from services.signaling.tls.adapters.kv_certificates import CERTIFICATE, MOST_PROOFS, PROOFS, KvCertificates
from services.signaling.tls.domain.renewal import ORDER_TAKES_S, Turn
from tests.unit.signaling.certificate_site import CA, NAMES, FakeOrder, Site


def of_day(day: int, *names: str) -> KeyPair:
    """A certificate that holds from this day of 2026 on."""
    leaf = CA.issue_cert(*names or NAMES, not_before=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=day))
    return KeyPair(b"".join(blob.bytes() for blob in leaf.cert_chain_pems), leaf.private_key_pem.bytes())


class Overlapping:
    """The order of instance `a`, in the middle of which its turn is over and `b` orders as well."""

    def __init__(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        self.site = site
        self.meanwhile: Callable[[], Awaitable[object]] = site.instances["b"].look
        self.tokens = iter(("of-a", "of-b"))
        self.answered: list[str | None] = []
        monkeypatch.setattr(site.authority, "order", self._order)

    async def _order(self, account_key: bytes, names: Sequence[str]) -> FakeOrder:
        order = FakeOrder(self.site.authority, {(token := next(self.tokens)): f"{token}.thumbprint"})

        async def finish() -> KeyPair:
            if token == "of-a":
                self.site.now += ORDER_TAKES_S
                await self.meanwhile()
            self.answered.append(await self.site.store.proof(token))
            return of_day(1 if token == "of-a" else 2)

        order.finish = finish  # type: ignore[method-assign]
        return order


async def test_no_order_takes_away_the_proofs_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    site = Site()
    overlapping = Overlapping(site, monkeypatch)

    await site.instances["a"].look()

    assert overlapping.answered == ["of-b.thumbprint", "of-a.thumbprint"]
    assert [await site.store.proof(token) for token in ("of-a", "of-b")] == [None, None]


async def test_the_certificate_that_holds_from_later_on_stays_whoever_writes_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    site = Site()
    Overlapping(site, monkeypatch)

    for name in "aab":
        await site.instances[name].look()

    stored, _ = await site.store.certificate()
    assert stored == site.pair("a") == site.pair("b")
    assert site.shown["a"].loaded is not None
    assert site.shown["a"].loaded.starts_at == datetime(2026, 1, 3, tzinfo=UTC).timestamp()


async def test_nobody_ends_the_turn_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    site = Site()

    async def takes_the_turn() -> None:
        turn, revision = await site.store.turn()
        assert turn is not None
        await site.store.take_turn(Turn("c", site.now + ORDER_TAKES_S), revision)

    Overlapping(site, monkeypatch).meanwhile = takes_the_turn
    await site.instances["a"].look()

    turn, _ = await site.store.turn()
    assert turn is not None
    assert turn.holder == "c"


async def test_a_certificate_that_others_keep_writing_over_is_kept_with_the_next_look() -> None:
    class Contended(FakeKeyValue):
        free = False

        async def create(self, key: str, value: bytes) -> int | None:
            return await super().create(key, value) if self.free or key != CERTIFICATE else None

    site = Site()
    site.kv = kv = Contended()
    site.store = site.authority.store = KvCertificates(kv)
    one = site.instance("a")
    await one.look()
    await one.look()
    assert site.pair("a") == site.authority.issues, "it is shown meanwhile"
    assert await kv.get(CERTIFICATE) is None

    kv.free = True
    await one.look()
    assert (await site.store.certificate())[0] == site.authority.issues
    assert len(site.authority.keys) == 1


async def test_what_orders_that_never_ended_left_is_bounded() -> None:
    store = KvCertificates(kv := FakeKeyValue())
    for number in range(0, MOST_PROOFS + 300, 100):
        await store.publish({f"{number + n}": "proof" for n in range(100)})

    entry = await kv.get(PROOFS)
    assert entry is not None
    assert len(msgspec.json.decode(entry.value or b"")) == MOST_PROOFS
    assert await store.proof("0") is None
    assert await store.proof(f"{MOST_PROOFS + 299}") == "proof"
