"""Two signaling instances that share a store, and an authority that certifies them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import trustme

from rillcast.runtime.http.certificate import KeyPair, ServerCertificate
from rillcast.testing.kv import FakeKeyValue
from services.signaling.tls.adapters.kv_certificates import KvCertificates
from services.signaling.tls.ports import AuthorityFault
from services.signaling.tls.usecases.renewals import Renewals

NAMES = ("live.example", "www.live.example")
CA = trustme.CA()


def issued(*names: str) -> KeyPair:
    leaf = CA.issue_cert(*names)
    return KeyPair(b"".join(blob.bytes() for blob in leaf.cert_chain_pems), leaf.private_key_pem.bytes())


@dataclass
class FakeOrder:
    authority: FakeAuthority
    proofs: Mapping[str, str] = field(default_factory=lambda: {"token": "token.thumbprint"})

    async def finish(self) -> KeyPair:
        self.authority.seen = await self.authority.store.proof("token")
        if self.authority.fault is not None:
            raise self.authority.fault
        return self.authority.issues


@dataclass
class FakeAuthority:
    store: KvCertificates
    issues: KeyPair
    fault: AuthorityFault | None = None
    keys: list[bytes] = field(default_factory=list)
    seen: str | None = None

    async def order(self, account_key: bytes, names: Sequence[str]) -> FakeOrder:
        assert tuple(names) == NAMES
        self.keys.append(account_key)
        return FakeOrder(self)


class Site:
    """Two instances, one store, one authority."""

    def __init__(self) -> None:
        self.kv = FakeKeyValue()
        self.store = KvCertificates(self.kv)
        self.authority = FakeAuthority(self.store, issued(*NAMES))
        self.now = 1_800_000_000.0
        self.shown = {name: ServerCertificate() for name in "ab"}
        self.instances = {name: self.instance(name) for name in "ab"}

    def instance(self, name: str) -> Renewals:
        return Renewals(
            name,
            NAMES,
            store=self.store,
            authority=self.authority,
            certificate=self.shown[name],
            wall_clock=lambda: self.now,
        )

    def pair(self, name: str) -> KeyPair | None:
        loaded = self.shown[name].loaded
        return None if loaded is None else loaded.pair
