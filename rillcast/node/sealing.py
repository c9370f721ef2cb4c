"""What one node tells another one in confidence over a bus on which others may listen: HPKE base mode (RFC 9180) to a
key pair that the asker makes for one question. Who asks and who answers is proven by signatures, which are the
caller's (`relay_keys`, `association_keys`): they bind the answer to the question.
"""

from __future__ import annotations

import base64
import binascii

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from rillcast.contracts.errors import ErrorCode, RillcastError

_SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_128_GCM)


class SealedQuestion:
    """The key pair of one question, at the asker."""

    def __init__(self) -> None:
        self._key = X25519PrivateKey.generate()
        self.public = base64.b64encode(self._key.public_key().public_bytes_raw()).decode()
        """What goes with the question, in base64."""

    def open(self, sealed: str, said: bytes) -> bytes:
        """What `seal` was given. `said`: all that both sides know of the question and the answer. Raises ValueError
        when it was sealed to another key, or when anything else was said."""
        try:
            return _SUITE.decrypt(base64.b64decode(sealed, validate=True), self._key, said)
        except (binascii.Error, ValueError, InvalidTag) as error:
            raise ValueError("its keys can't be read") from error


def reader(public: str) -> X25519PublicKey:
    """To whom an answer is sealed. Raises BAD_REQUEST for what is no key."""
    try:
        return X25519PublicKey.from_public_bytes(base64.b64decode(public, validate=True))
    except (binascii.Error, ValueError) as error:
        raise RillcastError(ErrorCode.BAD_REQUEST, "the request has no key to encrypt to") from error


def seal(secret: bytes, public: str, said: bytes) -> str:
    """A secret that only the asker with this key can read, in base64. `said`: see `SealedQuestion.open`."""
    return base64.b64encode(_SUITE.encrypt(secret, reader(public), said)).decode()
