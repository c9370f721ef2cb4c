"""The key pair of a running node (Ed25519, RFC 8032). Others know its public half from the description of the node.

It is made at the start and never leaves the process, so a restart is another identity.
"""

from __future__ import annotations

import base64
import binascii

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey


class NodeIdentity:
    """One for each process."""

    def __init__(self) -> None:
        self._key = Ed25519PrivateKey.generate()
        self.public = base64.b64encode(self._key.public_key().public_bytes_raw()).decode()
        """As it stands in `NodeInfo.identity`."""

    def sign(self, data: bytes) -> str:
        """The signature in base64."""
        return base64.b64encode(self._key.sign(data)).decode()


def is_signed_by(public: str, signature: str, data: bytes) -> bool:
    """Whether the node with this public key has signed the data. False for what is no key or no signature."""
    try:
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public, validate=True))
        key.verify(base64.b64decode(signature, validate=True), data)
    except (binascii.Error, ValueError, InvalidSignature):
        return False
    return True
