"""Shapes of calls about push notifications.

Written by `make reference` from the tables of REST. Do not change it by hand.
"""

from __future__ import annotations

import msgspec


class PostedPush(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A notification for some subscribers."""

    subscribers: list[str] | None = None
    json_message: str | None = None
