"""Certificates in the store, where every instance finds them: in the bucket that only signaling may read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from rillcast.contracts.decoding import Undecodable, decode_json
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.runtime.http.certificate import KeyPair
from rillcast.runtime.ports import KeyValue
from services.signaling.core.usecases.key_changes import KeyChanges
from services.signaling.tls.domain.renewal import Turn

MOST_PROOFS = 1_000
"""What instances left that died in an order is of no use to anybody, and the oldest of it goes. An authority certifies
a hundred names at once."""
ACCOUNT, CERTIFICATE, PROOFS, TURN = "acme_account", "acme_certificate", "acme_proofs", "acme_turn"
Stored = TypeVar("Stored")


class _Pair(msgspec.Struct, frozen=True):
    certificate: str
    key: str


class KvCertificates:
    """What cannot be read counts as not there."""

    def __init__(self, secrets: KeyValue) -> None:
        self._secrets = secrets
        self._changes = KeyChanges(secrets, busy="the proofs are being changed by others")

    async def account_key(self) -> bytes:
        """See `Store.account_key`."""
        key = ec.generate_private_key(ec.SECP256R1())
        await self._secrets.create(ACCOUNT, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        entry = await self._secrets.get(ACCOUNT)
        if entry is None or entry.value is None:
            raise RillcastError(ErrorCode.STORE_UNAVAILABLE, "the store lost the account's key")
        return entry.value

    async def certificate(self) -> tuple[KeyPair | None, int]:
        """See `Store.certificate`."""
        stored, revision = await self._read(CERTIFICATE, _Pair)
        pair = None if stored is None else KeyPair(stored.certificate.encode(), stored.key.encode())
        return pair, revision

    async def keep(self, pair: KeyPair, revision: int) -> bool:
        """See `Store.keep`."""
        value = msgspec.json.encode(_Pair(pair.certificate.decode(), pair.key.decode()))
        return await self._replace(CERTIFICATE, value, revision) is not None

    async def turn(self) -> tuple[Turn | None, int]:
        """See `Store.turn`."""
        return await self._read(TURN, Turn)

    async def take_turn(self, turn: Turn, revision: int) -> int | None:
        """See `Store.take_turn`."""
        return await self._replace(TURN, msgspec.json.encode(turn), revision)

    async def end_turn(self, revision: int) -> None:
        """See `Store.end_turn`."""
        await self._secrets.delete(TURN, revision)

    async def publish(self, proofs: Mapping[str, str]) -> None:
        """See `Store.publish`."""

        def with_these(value: bytes | None) -> bytes:
            both = {**_without(proofs, value), **proofs}
            return msgspec.json.encode(dict(list(both.items())[-MOST_PROOFS:]))

        await self._changes.change(PROOFS, with_these)

    async def proof(self, token: str) -> str | None:
        """See `Store.proof`."""
        proofs, _ = await self._read(PROOFS, dict[str, str])
        return (proofs or {}).get(token)

    async def withdraw(self, proofs: Mapping[str, str]) -> None:
        """See `Store.withdraw`."""
        await self._changes.change(PROOFS, lambda value: msgspec.json.encode(_without(proofs, value)))

    async def _replace(self, key: str, value: bytes, revision: int) -> int | None:
        """The new revision; None if another wrote since `revision`, which is 0 where nothing was."""
        if revision == 0:
            return await self._secrets.create(key, value)
        return await self._secrets.update(key, value, revision)

    async def _read(self, key: str, kind: type[Stored]) -> tuple[Stored | None, int]:
        entry = await self._secrets.get(key)
        if entry is None or entry.value is None:
            return None, 0
        try:
            return decode_json(entry.value, kind), entry.revision
        except Undecodable:
            return None, entry.revision


def _without(proofs: Mapping[str, str], value: bytes | None) -> dict[str, str]:
    """The other proofs that there are."""
    try:
        present = decode_json(value or b"{}", dict[str, str])
    except Undecodable:
        return {}
    return {token: proof for token, proof in present.items() if token not in proofs}
