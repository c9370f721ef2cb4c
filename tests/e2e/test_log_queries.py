"""The queries of docs/operations.md find each of the five faults in the log lines of a real cluster that has them."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from pathlib import Path

from aiortc import RTCPeerConnection

from rillcast.testing.eventually import eventually, within
from tests.e2e.cluster import ROOT, Cluster, cluster, process_of
from tests.e2e.conftest import need
from tests.e2e.load import publishing, viewers

PAGE = ROOT / "docs/operations.md"
LEVELS = {"debug", "info", "warning", "error"}
NEVER_CONNECTED_S = 90.0
SDP = {"Content-Type": "application/sdp"}


def queries() -> dict[str, str]:
    """The queries with jq of the page, by the question above each."""
    text = PAGE.read_text(encoding="utf-8").partition("## Questions to the logs")[2].partition("\n## ")[0]
    return dict(re.findall(r"\*\*(.+?)\*\*.*?```sh\njq -rR '(.+?)'\n", text, re.DOTALL))


def logql() -> list[str]:
    return re.findall(r"```logql\n(.+?)\n```", PAGE.read_text(encoding="utf-8"))


def lines(running: Cluster) -> str:
    """Of all nodes; NATS writes lines of its own."""
    logs = sorted(log for log in (running.folder / "run" / "logs").glob("*.log") if not log.name.startswith("nats"))
    return "".join(log.read_text(errors="replace") for log in logs)


async def asked(query: str, text: str) -> list[list[str]]:
    process = await asyncio.create_subprocess_exec(
        *("jq", "-rR", query), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    async with within(60, "the answer of jq"):
        out, _ = await process.communicate(text.encode())
    assert process.returncode == 0
    return [line.split("\t") for line in out.decode().splitlines()]


async def offer() -> str:
    """Of a viewer who never comes."""
    peer = RTCPeerConnection()
    try:
        for kind in ("video", "audio"):
            peer.addTransceiver(kind, "recvonly")
        await peer.setLocalDescription(await peer.createOffer())
        return peer.localDescription.sdp
    finally:
        await peer.close()


async def finds(running: Cluster, question: str, *words: str) -> list[str]:
    """The first answer to the query that has all these words."""

    async def look() -> list[str]:
        found = await asked(queries()[question], lines(running))
        fitting = [row for row in found if all(any(word in field for field in row) for word in words)]
        assert fitting, found[-5:]
        return fitting[0]

    return await eventually(look, NEVER_CONNECTED_S, question, every_s=1.0)


def test_the_page_has_five_questions_and_asks_loki_for_the_same_sentences() -> None:
    assert len(queries()) == 5
    assert len(logql()) == 5
    for query, same in zip(queries().values(), logql(), strict=True):
        sentence = re.search(r'message == "(.+?)"', query)
        assert (sentence[1] if sentence else "NATS (is|ended|has)") in same


async def test_each_query_finds_its_fault(tmp_path: Path, stream: str) -> None:
    need(shutil.which("jq"), "jq")
    apps = tmp_path / "apps.json"
    apps.write_text(json.dumps({"LiveApp": {}, "closed": {"playTokenControlEnabled": True}}))
    settings = {
        "RILLCAST_LOG_FORMAT": "json",
        "RILLCAST_SIGNALING_APPS_FILE": str(apps),
        "RILLCAST_EDGE_MAX_SESSIONS": "2",
    }
    async with cluster(tmp_path, settings=settings) as own, publishing(own.whip(""), "--stream", stream):
        await own.live(stream)
        refused = await own.request("POST", own.whep(stream, app="closed"), content=await offer(), headers=SDP)
        assert refused.status_code in {401, 403}
        await finds(own, "Who is refused, and why?", "closed", stream, "unauthorized_access")

        opened = await own.request("POST", own.whep(stream), content=await offer(), headers=SDP)
        assert opened.status_code == 201, opened.text
        await finds(own, "Whose media never arrives?", stream, "edge-1")

        async with viewers(own.whep(stream), 4):
            await finds(own, "Why does no node take anybody?", stream, "edge")

        process_of(own, "edge-1").kill()
        await finds(own, "Which node died, and how long did it take until that was known?", "edge-1")

        nats = next(one for one in own.processes() if one.name() == "nats-server")
        nats.kill()
        await finds(own, "Was NATS away, and for whom?", "signaling-1", "NATS is back")
        assert all_are_json(lines(own)) > 50


def all_are_json(text: str) -> int:
    """How many lines there are, each an object with what every line has."""
    for line in (found := text.splitlines()):
        entry = json.loads(line)
        assert {"time", "level", "logger", "message"} <= entry.keys()
        assert entry["level"] in LEVELS
    return len(found)
