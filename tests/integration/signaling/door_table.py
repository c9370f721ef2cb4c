"""Who is let in, and with what words others are refused: every kind of key at every door, over real sockets.

`rows` asks; `page` writes it down for operators (`docs/doors.md`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rillcast.contracts.words import Role
from rillcast.testing.receiver import Receiver, receiver
from tests.integration.signaling.door_cases import Case, Kind
from tests.integration.signaling.door_visits import DOORS, Answer, Door, Visit, ask_by_http, ask_by_socket
from tests.integration.signaling.wire import WireCluster, wire_cluster


class Row(NamedTuple):
    """What was answered at each door to one who shows this."""

    kind: str
    case: Case
    answers: tuple[Answer, ...]
    """In the order of `DOORS`."""


async def rows(kind: Kind) -> list[Row]:
    """Asks at all doors."""
    async with receiver() as hook, wire_cluster() as c:
        settings = dict(kind.settings) | dict.fromkeys(kind.needs_hook, hook.url)
        if settings:
            async with c.http() as http:
                answer = (await http.post("/rest/v2/applications/settings/live", json=settings)).json()
            assert answer["success"], answer
        await c.go_live("elsewhere")
        found: list[Row] = []
        for number, case in enumerate(kind.cases):
            answers = [await _answer(c, hook, door, case, f"{number}-{place}") for place, door in enumerate(DOORS)]
            found.append(Row(kind.name, case, tuple(answers)))
        if kind.needs_hook:
            assert {one.fields["token"] for one in hook.told} == {"anything"}, "it is told what the client shows"
    return found


async def _answer(c: WireCluster, hook: Receiver, door: Door, case: Case, name: str) -> Answer:
    """With a stream and a subscriber that no other case has."""
    visit = Visit(c, hook, door.role, f"stream-{name}", "elsewhere", f"viewer-{name}")
    if door.role is Role.PLAY:
        await c.go_live(visit.stream)
    shown = await case.make(visit)
    return await (ask_by_socket if door.by_socket else ask_by_http)(visit, shown)


def page(found: Sequence[Row]) -> str:
    """The table for operators."""
    lines = [
        "# Who is let in at which door",
        "",
        "For each kind of key that an app may ask for: what somebody shows, what Ant Media's SDK is told over a",
        "WebSocket (the `definition` of the error), what WHIP and WHEP answer (the status), and with which of the",
        "words below the table all of them give the reason.",
        "",
        "`RECORD=1 pytest tests/integration/signaling/test_door_table.py` writes this page from what a server answers",
        "over real sockets. The same test fails where the page differs, and where somebody is let in who shall not be.",
        "What the settings mean stands in [the reference](reference/app_settings.md).",
    ]
    for kind in dict.fromkeys(row.kind for row in found):
        those = [row for row in found if row.kind == kind]
        words = list(dict.fromkeys(filter(None, map(_words, those))))
        head = ["what is shown", *(door.name for door in DOORS), "words"]
        lines += ["", f"## {kind[0].upper()}{kind[1:]}", "", f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
        for row in those:
            number = str(words.index(_words(row)) + 1) if _words(row) else "–"
            lines.append(f"| {' | '.join([row.case.shows, *(one.told for one in row.answers), number])} |")
        lines += [""] * bool(words) + [f"{number}. {one}" for number, one in enumerate(words, 1)]
    return "\n".join(lines) + "\n"


def _words(row: Row) -> str:
    """The reason that the doors give, with the roles that are refused in the place of each door's own."""
    refused = [(door.role.value, one.words) for door, one in zip(DOORS, row.answers, strict=True) if one.words]
    roles = " or ".join(dict.fromkeys(role for role, _ in refused))
    return "; ".join(dict.fromkeys(words.replace(role, roles) for role, words in refused))
