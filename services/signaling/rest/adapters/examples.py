"""Examples of answers for the OpenAPI document: what each endpoint answered to its example request.

They are recorded from a running cluster, with the ids, dates and figures that it happened to have.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import msgspec

RECORDED = Path(__file__).with_name("examples.json")
"""By the names of operations, each with its ``status`` and ``body``."""


@cache
def answers() -> dict[str, Any]:
    """The bodies of those that were answered 200, by the names of operations: what JSON decodes to, or text."""
    known = msgspec.json.decode(RECORDED.read_bytes(), type=dict[str, dict[str, Any]])
    return {name: one["body"] for name, one in known.items() if one["status"] == 200}
