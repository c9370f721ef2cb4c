"""Own writes beside what a bucket tells."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from rillcast.runtime.ports import Entry


class ToldUpto:
    """Whoever writes knows at once what he wrote. When he is told that it was written, the bucket may have told a later
    write of somebody else already, and then his own must not come after it; or it may still tell an earlier one, and
    then that must not come after his own. A deletion is a write. Revisions count all writes of a bucket, and it tells
    them in their order."""

    def __init__(self, apply: Callable[[Entry], None]) -> None:
        self._apply = apply
        self._upto = 0
        self._own: OrderedDict[str, int] = OrderedDict()
        """The revisions of own writes that the bucket has not told yet, by their keys. The last one that was heard of
        stands last, so a few may stay for a while that it has told."""

    def __len__(self) -> int:
        """Own writes that the bucket has not told, about."""
        return len(self._own)

    def told(self, entry: Entry) -> None:
        """The bucket has told a write."""
        self._upto = max(self._upto, entry.revision)
        if entry.revision >= self._own.get(entry.key, 0):
            self._apply(entry)
        while self._own and next(iter(self._own.values())) <= self._upto:
            self._own.popitem(last=False)

    def own(self, entry: Entry | None) -> None:
        """This instance has written; None: it has not. What the bucket has told already is left to it: in a store that
        returned to an earlier state, it comes a moment later."""
        if entry is not None and entry.revision > max(self._upto, self._own.get(entry.key, 0)):
            self._own[entry.key] = entry.revision
            self._own.move_to_end(entry.key)
            self._apply(entry)
