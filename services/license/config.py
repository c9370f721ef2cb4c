"""Settings of the license service: `RILLCAST_LICENSE_<FIELD>`, and those every node has."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import Field, field_validator

from rillcast.contracts.subjects import SEAT_LEASE_S
from rillcast.licensing.document import parse_public_key
from rillcast.runtime.settings import NodeSettings, env_prefix


class LicenseSettings(NodeSettings):
    """What the license service needs to know besides."""

    model_config = env_prefix("license")

    file: str = ""
    """Path of the license document. It may appear, change or vanish while the service runs. Empty: what `rillcast
    license install` put into the cluster, else the community license."""
    public_key: str = ""
    """The issuer's Ed25519 public key, PEM or base64; without it no license document can be accepted."""

    seat_ttl_s: float = Field(default=SEAT_LEASE_S, ge=2, le=3_600)
    """How long the seat of a node that was killed stays taken. Nodes renew every third of it. The same for every
    instance."""

    @field_validator("public_key")
    @classmethod
    def _is_a_key(cls, value: str) -> str:
        if value:
            parse_public_key(value)
        return value

    def key(self) -> Ed25519PublicKey | None:
        """`public_key` parsed."""
        return parse_public_key(self.public_key) if self.public_key else None
