"""What the users of NATS may do, as one number in the chart. A chart whose nodes have other permissions starts NATS
anew in the same upgrade, since a server reads its users when it starts."""

from __future__ import annotations

import hashlib

from rillcast.contracts.permissions import BusUser
from rillcast.runtime.bus.nats_users import authorization
from scripts.reference.helm_values import CHART

PATH = f"{CHART}/files/users.sha256"


def render() -> str:
    """The digest of the permissions, whatever the keys are."""
    text = authorization({user: user.value for user in BusUser})
    return hashlib.sha256(text.encode()).hexdigest() + "\n"
