"""Shapes of calls about media of broadcasts.

Written by `make reference` from the tables of REST. Do not change it by hand.
"""

from __future__ import annotations

import msgspec


class PostedEndpoint(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Another server to which a broadcast is to be pushed."""

    status: str | None = None
    type: str | None = None
    endpoint_url: str | None = None
    endpoint_service_id: str | None = None
