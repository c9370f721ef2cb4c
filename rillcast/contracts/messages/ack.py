"""The answer of whoever has done what was asked."""

from __future__ import annotations

import msgspec


class Ack(msgspec.Struct, frozen=True):
    """The request has been carried out, and there is nothing more to say."""
