"""Whether a node may be given new work: the sum of named conditions."""

from __future__ import annotations

from collections.abc import Callable

from rillcast.contracts.fields import MAX_TEXT


class Readiness:
    """Ready when every condition is met. `set` is cheap; call it as often as the condition is looked at."""

    def __init__(self) -> None:
        self._unmet: dict[str, str] = {}
        self._listeners: list[Callable[[], None]] = []

    def set(self, name: str, ok: bool, reason: str = "") -> None:
        """State a condition. `reason` says in words what is missing while it is not met."""
        before = self.ready
        if ok:
            self._unmet.pop(name, None)
        else:
            self._unmet[name] = reason or "not ready"
        if self.ready != before:
            for listener in self._listeners:
                listener()

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call `listener` whenever `ready` is another than before."""
        self._listeners.append(listener)

    @property
    def ready(self) -> bool:
        """Whether all conditions are met."""
        return not self._unmet

    @property
    def reasons(self) -> dict[str, str]:
        """What is missing, in words, by the name of the condition. A copy."""
        return dict(self._unmet)

    def sentence(self) -> str:
        """What is missing in one line, cut at what a heartbeat may say; empty when ready."""
        return "; ".join(f"{name}: {reason}" for name, reason in self._unmet.items())[:MAX_TEXT]
