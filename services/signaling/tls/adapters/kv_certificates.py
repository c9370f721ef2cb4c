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
from services.signaling.tls.domain.renewal import Turn

ACCOUNT, CERTIFICATE, PROOFS, TURN = "acme_account", "acme_certificate", "acme_proofs", "acme_turn"
Stored = TypeVar("Stored")


class _Pair(msgspec.Struct, frozen=True):
    certificate: str
    key: str


class KvCertificates:
    """What cannot be read counts as not there."""

    def __init__(self, secrets: KeyValue) -> None:
        self._secrets = secrets

    async def account_key(self) -> bytes:
        """See `Store.account_key`."""
        key = ec.generate_private_key(ec.SECP256R1())
        await self._secrets.create(ACCOUNT, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        entry = await self._secrets.get(ACCOUNT)
        if entry is None or entry.value is None:
            raise RillcastError(ErrorCode.STORE_UNAVAILABLE, "the store lost the account's key")
        return entry.value

    async def certificate(self) -> KeyPair | None:
        """See `Store.certificate`."""
        stored, _ = await self._read(CERTIFICATE, _Pair)
        return None if stored is None else KeyPair(stored.certificate.encode(), stored.key.encode())

    async def keep(self, pair: KeyPair) -> None:
        """See `Store.keep`."""
        await self._secrets.put(CERTIFICATE, msgspec.json.encode(_Pair(pair.certificate.decode(), pair.key.decode())))

    async def take_turn(self, turn: Turn, revision: int) -> int | None:
        """See `Store.take_turn`."""
        value = msgspec.json.encode(turn)
        if revision == 0:
            return await self._secrets.create(TURN, value)
        return await self._secrets.update(TURN, value, revision)

    async def turn(self) -> tuple[Turn | None, int]:
        """See `Store.turn`."""
        return await self._read(TURN, Turn)

    async def end_turn(self) -> None:
        """See `Store.end_turn`."""
        await self._secrets.delete(TURN)

    async def publish(self, proofs: Mapping[str, str]) -> None:
        """See `Store.publish`."""
        await self._secrets.put(PROOFS, msgspec.json.encode(dict(proofs)))

    async def proof(self, token: str) -> str | None:
        """See `Store.proof`."""
        proofs, _ = await self._read(PROOFS, dict[str, str])
        return (proofs or {}).get(token)

    async def withdraw(self) -> None:
        """See `Store.withdraw`."""
        await self._secrets.delete(PROOFS)

    async def _read(self, key: str, kind: type[Stored]) -> tuple[Stored | None, int]:
        entry = await self._secrets.get(key)
        if entry is None or entry.value is None:
            return None, 0
        try:
            return decode_json(entry.value, kind), entry.revision
        except Undecodable:
            return None, entry.revision
