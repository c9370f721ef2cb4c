"""Own writes beside what a bucket tells."""

from __future__ import annotations

from collections.abc import Callable

from rillcast.runtime.ports import Entry


class ToldUpto:
    """Whoever writes knows at once what he wrote. When he is told that it was written, the bucket may have told a later
    write of somebody else already, and then his own must not come after it. Revisions count all writes of a bucket, and
    it tells them in their order."""

    def __init__(self, apply: Callable[[Entry], None]) -> None:
        self._apply = apply
        self._upto = 0

    def told(self, entry: Entry) -> None:
        """The bucket has told a write."""
        self._upto = max(self._upto, entry.revision)
        self._apply(entry)

    def own(self, entry: Entry | None) -> None:
        """This instance has written; None: it has not. What the bucket has told already is left to it: in a store that
        returned to an earlier state, it comes a moment later."""
        if entry is not None and entry.revision > self._upto:
            self._apply(entry)
