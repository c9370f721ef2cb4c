"""What TLS needs from outside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from rillcast.runtime.http.certificate import KeyPair
from services.signaling.tls.domain.renewal import Turn


class AuthorityFault(Exception):
    """Why there is no certificate, in one sentence: as the authority says, or that it does not answer."""


class Order(Protocol):
    """One certificate that was asked for."""

    @property
    def proofs(self) -> Mapping[str, str]:
        """By the last part of the path at which the authority will ask: what it must be answered."""
        ...

    async def finish(self) -> KeyPair:
        """Call once the proofs can be read. Raises `AuthorityFault`, after a few minutes at the latest."""
        ...


class Authority(Protocol):
    """Issues certificates."""

    async def order(self, account_key: bytes, names: Sequence[str]) -> Order:
        """Ask for a certificate for `names`, as the account whose private key (PEM) this is; it is made where there is
        none. Raises `AuthorityFault`."""
        ...


class Store(Protocol):
    """What the instances share. All methods raise `RillcastError` when it does not answer."""

    async def account_key(self) -> bytes:
        """The private key of the account at the authority, in PEM, made by the first who asks."""
        ...

    async def certificate(self) -> tuple[KeyPair | None, int]:
        """The one in use, or None before the first was issued; and the revision to write over, 0 where nothing was
        written."""
        ...

    async def keep(self, pair: KeyPair, revision: int) -> bool:
        """Use this one from now on, in place of that of `revision`. False if another wrote since."""
        ...

    async def turn(self) -> tuple[Turn | None, int]:
        """Whose turn it is to order, and the revision to write over; 0 where nothing was written."""
        ...

    async def take_turn(self, turn: Turn, revision: int) -> int | None:
        """Write over the turn of `revision`. The new revision; None if another was first."""
        ...

    async def end_turn(self, revision: int) -> None:
        """Nobody orders, and nobody has to wait, unless another has taken the turn since `revision`."""
        ...

    async def publish(self, proofs: Mapping[str, str]) -> None:
        """Every instance answers the authority with these as well."""
        ...

    async def proof(self, token: str) -> str | None:
        """What the authority is answered when it asks for `token`."""
        ...

    async def withdraw(self, proofs: Mapping[str, str]) -> None:
        """Answer no authority with these any more."""
        ...
