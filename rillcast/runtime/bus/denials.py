"""What NATS refuses this process: counted always, said once for each subject, and remembered for whoever waits."""

from __future__ import annotations

import re
from collections.abc import Callable

from rillcast.contracts.permissions import MAY_MISS
from rillcast.runtime import metrics
from rillcast.runtime.bus.envelope import label
from rillcast.runtime.telemetry.logs import get_logger

log = get_logger(__name__)

_VIOLATION = re.compile(r'permissions violation for (publish|subscription) to "([^"\s]*)')
MOST_REMEMBERED = 1_000
"""Subjects. Those of the store and of other nodes have ids in them, so there may be many."""


class Denials:
    """The refusals of one connection. nats-py gives the server's words in lower case, so subjects are compared so."""

    def __init__(self, who: Callable[[], str]) -> None:
        """`who`: the user, in words for an operator."""
        self._who = who
        self._known: dict[tuple[str, str], str] = {}
        self._listeners: list[Callable[[str], None]] = []

    def on_publish(self, listener: Callable[[str], None]) -> None:
        """Have `listener` called, with the subject in lower case, each time a publish was refused."""
        self._listeners.append(listener)

    def take(self, text: str) -> bool:
        """Take in what the server said. False when it speaks of something else."""
        match = _VIOLATION.search(text.lower())
        if match is None:
            return False
        action, subject = "publish" if match[1] == "publish" else "subscribe", match[2]
        metrics.BUS_DENIED.labels(action, label(subject)).inc()
        if (action, subject) not in self._known and len(self._known) < MOST_REMEMBERED:
            self._known[action, subject] = words = f"NATS does not let {self._who()} {action} {subject}"
            log.error("A permission is missing", reason=words)
        if action == "publish":
            for listener in self._listeners:
                listener(subject)
        return True

    def of(self, action: str, subject: str) -> str:
        """The refusal of this subject in words; empty when there was none."""
        return self._known.get((action, subject.lower()), "")

    def of_answers(self, inbox: str) -> str:
        """The refusal to hear answers, whose subjects begin with `inbox`, in words; empty when there was none."""
        prefix = f"{inbox}.".lower()
        refused = self._known.items()
        return next((words for (action, on), words in refused if action == "subscribe" and on.startswith(prefix)), "")

    def forget(self) -> None:
        """A new connection may have other permissions."""
        self._known.clear()

    def first(self) -> str:
        """The first refusal since the connection began of something without which a node does not run; empty when there
        was none."""
        return next((words for (_, subject), words in self._known.items() if not subject.startswith(MAY_MISS)), "")
