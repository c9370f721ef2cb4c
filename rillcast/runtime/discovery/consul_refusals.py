"""What Consul refuses this node: counted always, said once, and held against its readiness until it is allowed."""

from __future__ import annotations

import re
from collections.abc import Callable

from rillcast.runtime import metrics
from rillcast.runtime.telemetry.logs import get_logger

log = get_logger(__name__)

_LACKS = re.compile(r"lacks permission '([a-z:]+)'(?: on \"([^\"]*)\")?")
_NOT_UP = "ACL system must be bootstrapped"
_LASTING = 2
"""Refusals in a row. One alone may come from a server that is still reading its data after a restart."""


def is_refusal(text: str) -> bool:
    """Whether this answer with status 403 is about the token. A server that has just started says it of everybody."""
    return _NOT_UP not in text


class Refusals:
    """The refusals by Consul, by what the node tried: one sentence each."""

    def __init__(self, has_token: bool, tell: Callable[[str], None]) -> None:
        """`tell` is called with the sentence of a refusal that lasts, and with nothing once all is allowed again."""
        self._has_token = has_token
        self._tell = tell
        self._known: dict[str, str] = {}
        self._times: dict[str, int] = {}
        self._told = ""

    def take(self, kind: str, what: str, text: str) -> str:
        """Consul has refused `what`, in the words `text`. Returns the sentence for an operator. `kind` is the label of
        the counter: register, read or deregister."""
        metrics.DISCOVERY_DENIED.labels(kind).inc()
        words = f"Consul does not let this node {what}: {self._why(text)}"
        if self._known.get(what) != words:
            self._known[what] = words
            log.error("A permission is missing", reason=words)
        self._times[what] = self._times.get(what, 0) + 1
        self._look()
        return words

    def allow(self, what: str) -> None:
        """Consul has done it."""
        if self._known.pop(what, None) is not None:
            self._times.pop(what, None)
            self._look()

    def stands(self, what: str) -> bool:
        """Whether the last answer to `what` was a refusal."""
        return what in self._known

    def _look(self) -> None:
        lasting = next((words for what, words in self._known.items() if self._times[what] >= _LASTING), "")
        if lasting != self._told:
            self._told = lasting
            self._tell(lasting)

    def _why(self, text: str) -> str:
        lacks = _LACKS.search(text)
        if lacks is None:
            if self._has_token and "ACL not found" in text:
                return "it does not know the token in RILLCAST_CONSUL_TOKEN"
            return text.strip()[:200]
        permission = f"{lacks[1]} on {lacks[2]}" if lacks[2] else lacks[1]
        if self._has_token:
            return f"the token in RILLCAST_CONSUL_TOKEN lacks {permission}"
        return f"RILLCAST_CONSUL_TOKEN is not set, and nobody has {permission} without a token"
