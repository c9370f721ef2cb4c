"""Names and texts that others chose, in the console and in terminals: nothing is executed, nothing steers the terminal,
and nothing breaks."""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import struct
import sys
import termios
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import msgspec
import pytest
import pytest_asyncio
from playwright.async_api import expect

from rillcast.contracts.event_records import ClusterEvent, EventKind, SessionFate
from rillcast.contracts.ids import AppName, NodeId, StreamId, stream_key
from rillcast.contracts.messages import FinishedSpan, TracesAnswer, TracesRequest
from rillcast.contracts.subjects import BUCKET_STREAMS, node_traces
from rillcast.contracts.words import NodeKind, Role
from rillcast.testing.bus import FakeBus
from rillcast.testing.eventually import within
from tests.e2e.browser import Strangers
from tests.e2e.console import AXE, BEYOND, PHONE, Console
from tests.e2e.load import ROOT
from tests.e2e.restless import hollow_edge
from tests.e2e.test_top import terminal_at
from tests.integration.signaling.wire import WireCluster, wire_cluster
from tests.unit.signaling.operator_sessions import add_user
from tests.unit.signaling.signaling_harness import PASSWORD

MARK = "odd"
ODD = {
    "spaces": f"{MARK}   a  b ",
    "slashes": f"{MARK}/../../etc\\..\\x?y=z#w%2F%00",
    "emoji": f"{MARK} 👩‍👩‍👧‍👦🏳️‍🌈 e\u0301",
    "right to left": f"{MARK} שלום \u202edlrow\u202c \u2067عربى\u2069",
    "long": f"{MARK}{'w' * 197}",
    "markup": f'{MARK}<script>window.hit=1</script><img src=x onerror="window.hit=2">',
    "attributes": f"{MARK}\"'` onmouseover=window.hit=3 javascript:window.hit=4",
    "escapes": f"{MARK}\x1b[31mred\x1b]0;owned\x07\x1b[2J\x9b5A\x1b[6n",
    "lines": f"{MARK}\r\nINJECTED line\n\tand\vmore\x00\x7f",
    "rich": f"{MARK}[bold red]x[/] [/nothing] [link=http://x]y[/link] {{{{7*7}}}} %s%n $(id)",
    "unseen": f"{MARK}\u200b\u200d\ufeff\u2060\u00ad",
}
STEERS = (
    b"\x1b[31mred",
    b"\x1b]0;",
    b"\x07",
    b"\x1b[6n",
    "\x9b".encode(),
    b"\nINJECTED",
    b"\rINJECTED",
    "\u202e".encode(),
)
"""What a terminal would obey, if it were shown as it came."""
VIEWS = (
    *("/", "/topology", "/streams", "/streams/live/odd-5", "/nodes", "/nodes/edge-5", "/events", "/sessions"),
    *("/viewers/odd-5", "/apps", "/apps/live", "/tokens", "/users", "/license", "/search?q=odd"),
)
COMMANDS = (
    ("nodes", "list"),
    ("nodes", "show", "edge-5"),
    ("status",),
    ("streams",),
    ("streams", "list", "--app", "live"),
    ("sessions", "list"),
    ("sessions", "list", "--long"),
    ("events", "--after", "0-0", "--most", "20"),
    ("events", "--after", "0-0", "--most", "20", "--json"),
    ("trace", "--last", "20"),
    ("trace", "--last", "20", "--json"),
    ("users", "list"),
    ("apps", "list"),
    ("nodes", "show", "edge-5", "--json"),
)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def odd() -> AsyncIterator[WireCluster]:
    """A cluster in which everything is called so that may be, wherever it is not refused: a node, a stream, a user, a
    join and a trace for each of the words."""
    async with wire_cluster() as c, c.http() as http:
        spans = []
        for number, word in enumerate(ODD.values()):
            edge = hollow_edge(number)
            info = msgspec.structs.replace(edge.info, region=word, zone=word, version=word)
            c.host.directory.heard(msgspec.structs.replace(edge, info=info, ready=False, not_ready_reason=word))
            await c.go_live(f"odd-{number}", name=word, publish_type=word)
            user = {"scope": "system", "userType": "READ_ONLY", "appNameUserType": {"system": "READ_ONLY"}}
            with suppress(AssertionError):  # some may not be the name of a user, which is said in words
                await add_user(http, word, **user)
            await http.put(f"/rest/v2/cluster/node/{edge.info.node}/note", content=word.encode())
            body = {"streamId": f"kept-{number}", "name": word, "description": word, "metaData": word}
            assert (await http.post("/live/rest/v2/broadcasts/create", json=body)).status_code == 200
            refused = await http.post("/live/rest/v2/broadcasts/create", json={"streamId": word})
            assert refused.status_code < 500, refused.text
            for event in _events(number, word):
                c.service.core.happens.chronicle.note(event)
            spans.append(_span(number, word))
        await _traced(c, spans)
        renewing = asyncio.create_task(_renewed(c))
        try:
            yield c
        finally:
            renewing.cancel()


async def _renewed(c: WireCluster) -> None:
    """What the owner of the streams does."""
    bucket = c.host.buckets[BUCKET_STREAMS]
    while True:
        for number in range(len(ODD)):
            key = stream_key(AppName("live"), StreamId(f"odd-{number}"))
            entry = await bucket.get(key)
            if entry is not None and entry.value is not None:
                await bucket.put(key, entry.value)
        await asyncio.sleep(1.0)


def _events(number: int, word: str) -> list[ClusterEvent]:
    fate = SessionFate(
        id=f"odd-{number}", role=Role.PLAY, mark=f"{number:016x}", who=word, address=word, reason=word, ended_ms=2
    )
    where = ClusterEvent(
        kind=EventKind.NODE_LEFT,
        at_ms=1,
        app="live",
        stream=f"odd-{number}",
        node=f"edge-{number}",
        zone=word,
        why=word,
    )
    return [
        where,
        msgspec.structs.replace(where, kind=EventKind.NODE_JOINED),
        msgspec.structs.replace(where, kind=EventKind.VIEWER_LEFT, session=fate),
    ]


def _span(number: int, word: str) -> FinishedSpan:
    return FinishedSpan(
        trace=f"{number + 1:032x}",
        span=f"{number + 1:016x}",
        name=word,
        began_ns=number + 1,
        took_ns=5_000,
        error=word,
        attributes={word: word, "rillcast.stream": "odd", "rillcast.app": "live"},
    )


async def _traced(c: WireCluster, spans: list[FinishedSpan]) -> None:
    """A node that has kept these."""

    async def asked(_: TracesRequest) -> TracesAnswer:
        return TracesAnswer(node=NodeId("edge-0"), spans=tuple(spans), kept=len(spans))

    await FakeBus(c.broker).serve(node_traces(NodeKind.EDGE, NodeId("edge-0")), TracesRequest, asked)


async def test_the_console_shows_them_as_text(odd: WireCluster, strangers: Strangers) -> None:
    base = f"http://127.0.0.1:{odd.port}"
    async with strangers.open(url=f"{base}/static/favicon.svg", scripts=(AXE,)) as visitor:
        page, errors = visitor.page, list[str]()
        page.on("pageerror", lambda error: errors.append(str(error)))
        await page.goto(f"{base}/console")
        console = Console(page, base)
        await console.sign_in("admin", PASSWORD)
        await expect(page.locator("#inside")).to_be_visible()
        for where in VIEWS:
            await console.go(where)
            if where in ("/streams", "/nodes"):
                await expect(page.locator("#view tbody tr")).to_have_count(len(ODD) + (where == "/nodes"))
            assert await page.evaluate("window.hit") is None, where
            assert await page.locator("#view script").count() == 0
            assert await page.locator("#view img:not(.preview img)").count() == 0
            text = await page.evaluate("document.body.innerText")
            assert not [one for one in "\x1b\x07\x9b\u202e\u2067\x00" if one in text], where
        await page.set_viewport_size(PHONE)
        for where in ("/", "/streams", "/streams/live/odd-4", "/nodes/edge-4", "/events", "/users"):
            await console.go(where)
            await expect(page.locator("#view")).to_contain_text("odd" if where != "/" else "nodes")
            assert await page.evaluate(BEYOND) <= 0, where
            assert await console.faults() == [], where
        assert errors == []


@asynccontextmanager
async def _terminal() -> AsyncIterator[tuple[int, int]]:
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 200, 0, 0))
    try:
        yield master, slave
    finally:
        os.close(master)


async def shown(c: WireCluster, *command: str) -> tuple[int, bytes]:
    """The exit code of a command, and all that its terminal got."""
    known = {name: value for name, value in os.environ.items() if not name.startswith("RILLCAST_")}
    own = {"RILLCAST_SERVER": f"http://127.0.0.1:{c.port}", "RILLCAST_TOKEN": c.service.operators.local_token}
    got = bytearray()
    async with _terminal() as (master, slave):

        def read() -> None:
            with suppress(OSError):
                got.extend(os.read(master, 1 << 16))

        asyncio.get_running_loop().add_reader(master, read)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "rillcast.cli", *command),
            cwd=ROOT,
            env=known | own | {"TERM": "xterm-256color"},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=slave,
            stderr=slave,
        )
        os.close(slave)
        async with within(60.0, f"the end of {command}"):
            code = await process.wait()
        await asyncio.sleep(0.1)
        asyncio.get_running_loop().remove_reader(master)
    return code, bytes(got)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
async def test_commands_show_nothing_that_steers_a_terminal(odd: WireCluster, command: tuple[str, ...]) -> None:
    code, said = await shown(odd, *command)
    assert b"Traceback" not in said
    assert b"this is a fault of rillcast" not in said
    assert code == 0, said.decode(errors="replace")
    assert not [one for one in STEERS if one in said], said


@pytest.mark.parametrize("word", [ODD["escapes"], ODD["lines"].replace("\0", ""), ODD["rich"]])
async def test_a_refusal_that_quotes_them_does_not_either(odd: WireCluster, word: str) -> None:
    code, said = await shown(odd, "apps", "create", word)
    assert code != 0
    assert b"Traceback" not in said
    assert b"this is a fault of rillcast" not in said
    assert not [one for one in STEERS if one in said], said


async def test_the_terminal_of_top_is_steered_by_nobody(odd: WireCluster) -> None:
    async with terminal_at(f"http://127.0.0.1:{odd.port}", odd.service.operators.local_token) as terminal:
        await terminal.shows("edge-5")
        for keys in ("2", "\r", "\x1b", "3", "1", "\r", "\x1b"):
            terminal.press(keys)
            await asyncio.sleep(0.4)
            drawn = bytes(terminal._drawn)
            assert not [one for one in STEERS if one in drawn and one not in (b"\x07", b"\x1b]0;")], drawn
        assert terminal.process.returncode is None
