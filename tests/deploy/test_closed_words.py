"""What steers is a closed word: no code compares a state, a reason or the like with a string of its own."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import Counter, Gauge

from rillcast.runtime import metrics as runtime
from rillcast.runtime.bus.envelope import EventDrop
from rillcast.runtime.bus.serving import ServedOutcome
from rillcast.runtime.discovery.beats import Fault
from rillcast.runtime.discovery.judging import Gone
from rillcast.runtime.discovery.suspicion import Finding
from rillcast.runtime.errors import RequestOutcome
from rillcast.runtime.process.seat import SeatState
from services.origin import metrics as origin
from services.origin.domain.newcomer import NewcomerEnd
from services.origin.domain.owned_stream import StreamEnd
from services.signaling import metrics as signaling
from services.signaling.core.domain.guesses import LockedBy
from services.signaling.core.usecases.key_changes import NoTurn
from services.signaling.core.usecases.node_arrival import Awaited
from services.transcoder import metrics as transcoder
from services.transcoder.domain.job_state import JobEnd

ROOT = Path(__file__).parents[2]
STEER = frozenset(
    {
        "cause",
        "end",
        "end_reason",
        "finding",
        "how",
        "kind",
        "no_place",
        "outcome",
        "phase",
        "reason",
        "refused",
        "role",
        "stage",
        "state",
        "verdict",
        "what",
        "why",
    }
)
"""Names of what decides what comes next."""
MAY = frozenset(
    {
        ("rillcast/runtime/http/certificate.py", "reason"),  # OpenSSL's word
        ("rillcast/runtime/process/garbage_collection.py", "phase"),  # Python's word
        ("rillcast/media/sdp/document.py", "kind"),  # letters of lines of SDP
        ("rillcast/media/sdp/trickle.py", "kind"),
    }
)


def compared(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """What has one of those names and is compared with strings: its name and the line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare) and any(_has_text(one) for one in (node.left, *node.comparators)):
            for one in (node.left, *node.comparators):
                name = one.attr if isinstance(one, ast.Attribute) else one.id if isinstance(one, ast.Name) else ""
                if name.lstrip("_") in STEER:
                    yield name.lstrip("_"), node.lineno


def _has_text(node: ast.expr) -> bool:
    if isinstance(node, ast.Tuple | ast.List | ast.Set):
        return any(_has_text(one) for one in node.elts)
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value != ""


def test_no_code_compares_a_reason_with_a_string() -> None:
    files = [*(ROOT / "services").rglob("*.py"), *(ROOT / "rillcast").rglob("*.py")]
    assert len(files) > 400
    found = [
        f"{name}:{line}: {what} is compared with a string; make it an enum"
        for file in files
        for what, line in compared(ast.parse(file.read_text(encoding="utf-8")))
        if ((name := file.relative_to(ROOT).as_posix()), what) not in MAY
    ]
    assert found == []


@pytest.mark.parametrize("code", ['x.state == "held"', 'if reason in ("a", "b"): pass', '"a" != self._why'])
def test_a_comparison_with_a_string_is_found(code: str) -> None:
    assert list(compared(ast.parse(code)))


@pytest.mark.parametrize("code", ["x.state is State.HELD", 'name == "a"', 'reason != ""', "state in {State.A}"])
def test_other_comparisons_are_none(code: str) -> None:
    assert not list(compared(ast.parse(code)))


@pytest.mark.parametrize(
    ("instrument", "words"),
    [
        (runtime.BUS_REQUESTS, RequestOutcome),
        (runtime.BUS_SERVED, ServedOutcome),
        (runtime.BUS_EVENTS_DROPPED, EventDrop),
        (runtime.NODES_GONE, Gone),
        (runtime.NODES_REFUSED, Fault),
        (runtime.NODE_FINDINGS, Finding),
        (runtime.LICENSE_SEAT, SeatState),
        (origin.NEWCOMERS_ENDED, NewcomerEnd),
        (origin.ENDED, StreamEnd),
        (signaling.KEY_CHANGES_REFUSED, NoTurn),
        (signaling.NODE_WAITS, Awaited),
        (signaling.GUESSES_LOCKED, LockedBy),
        (transcoder.JOBS_ENDED, JobEnd),
    ],
    ids=lambda it: it.__name__ if isinstance(it, type) else "",
)
def test_the_help_of_an_instrument_names_each_word_that_it_counts(
    instrument: Counter | Gauge, words: type[RequestOutcome]
) -> None:
    text = instrument._documentation
    assert [word.value for word in words if word.value not in text] == []
