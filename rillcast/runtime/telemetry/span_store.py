"""The finished spans that a process keeps in memory, trace by trace.

Whoever asks to be let in and is refused can do so as often as he likes, and each time spans are made. So what is pushed
out when there is no more room depends on how a trace went, as far as it is known here: refused ones first while they
have more than their share of the room, then failed ones while they have more than theirs, and then the others. **A
flood of refused joins leaves the traces of all others where they are, in all but an eighth of the room.**
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from enum import StrEnum

from rillcast.contracts.errors import BY_THE_CLUSTER, ErrorCode
from rillcast.contracts.messages.traces import FinishedSpan


class Fate(StrEnum):
    """How a trace went, as far as it is known in this process."""

    FINE = "fine"
    FAILED = "failed"
    """Something in it went wrong that no client can bring about by asking wrongly."""
    REFUSED = "refused"
    """A client was told why it does not get what it wants."""


SHARES = {Fate.REFUSED: 1 / 8, Fate.FAILED: 1 / 4}
"""Of the room, when others want it; the others are pushed out when neither has more. Otherwise all of it is theirs."""
REFUSALS = frozenset(code.value for code in ErrorCode if code not in BY_THE_CLUSTER)
"""Errors of spans after which a trace counts as refused."""


class _Group:
    """The traces of one fate."""

    __slots__ = ("forgotten", "most", "spans", "traces")

    def __init__(self, most: float) -> None:
        self.most = most
        """Spans that it may have when others want the room."""
        self.traces: dict[str, None] = {}
        """Their ids, that which has not got a span for longest first."""
        self.spans = 0
        self.forgotten = 0


class _Trace:
    __slots__ = ("fate", "group", "spans")

    def __init__(self, group: _Group) -> None:
        self.fate = Fate.FINE
        self.group = group
        self.spans: list[FinishedSpan] = []


class SpanStore:
    """Of one process. May be called from any thread."""

    def __init__(self, most: int) -> None:
        """`most`: spans in all. A single trace has at most half of the room, its newest spans."""
        self._most = most
        self._most_of_one = max(1, most // 2)
        self._traces: dict[str, _Trace] = {}
        self._groups = {fate: _Group(SHARES.get(fate, 0.0) * most) for fate in Fate}
        self._fine, self._limited = self._groups[Fate.FINE], [self._groups[fate] for fate in SHARES]
        self._size = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """Spans in all."""
        return self._size

    @property
    def forgotten(self) -> dict[Fate, int]:
        """Spans that newer ones have pushed out, by what was known of their trace."""
        return {fate: group.forgotten for fate, group in self._groups.items()}

    def add(self, span: FinishedSpan) -> None:
        """Keep one, and push out what there is no more room for. Called for each span that ends."""
        if not self._most:
            return
        with self._lock:
            kept = self._traces.get(span.trace)
            if kept is None:
                kept = self._traces[span.trace] = _Trace(self._fine)
            else:
                del kept.group.traces[span.trace]
            spans, group = kept.spans, kept.group
            spans.append(span)
            if len(spans) > self._most_of_one:
                del spans[0]
                group.forgotten += 1
            else:
                group.spans += 1
                self._size += 1
            if (span.error or not span.parent) and (fate := _fate(kept.fate, span)) is not kept.fate:
                group.spans -= len(spans)
                kept.fate, kept.group = fate, self._groups[fate]
                kept.group.spans += len(spans)
            kept.group.traces[span.trace] = None
            while self._size > self._most:
                self._push_out()

    def forget(self, trace: str) -> None:
        """Nothing of this trace is to be told, since it was nothing."""
        with self._lock:
            if trace in self._traces:
                self._take_away(trace)

    def of(self, trace: str) -> tuple[FinishedSpan, ...]:
        """What there is of a trace, in the order in which its spans ended."""
        with self._lock:
            kept = self._traces.get(trace)
            return () if kept is None else tuple(kept.spans)

    def traces(self) -> list[tuple[FinishedSpan, ...]]:
        """All of them, that with the newest span first."""
        with self._lock:
            found = [tuple(kept.spans) for kept in self._traces.values()]
        return sorted(found, key=lambda spans: max(one.began_ns + one.took_ns for one in spans), reverse=True)

    def _push_out(self) -> None:
        group = self._fine
        for limited in self._limited:
            if limited.spans > limited.most or (limited.traces and not group.traces):
                group = limited
                break
        group.forgotten += self._take_away(next(iter(group.traces)))

    def _take_away(self, trace: str) -> int:
        """How many spans it had."""
        kept = self._traces.pop(trace)
        del kept.group.traces[trace]
        count = len(kept.spans)
        kept.group.spans -= count
        self._size -= count
        return count


def in_order(traces: Iterable[Iterable[FinishedSpan]]) -> list[FinishedSpan]:
    """All spans, in the order in which they ended."""
    return sorted((span for spans in traces for span in spans), key=lambda span: span.began_ns + span.took_ns)


def _fate(known: Fate, span: FinishedSpan) -> Fate:
    """A root says more than its parts: one that ends well was refused somewhere, and went elsewhere; and who is refused
    because his webhook says no, is refused."""
    if not span.error:
        return Fate.FINE if known is Fate.REFUSED and not span.parent else known
    if span.error in REFUSALS:
        return Fate.REFUSED if not span.parent or known is Fate.FINE else known
    return Fate.FAILED
