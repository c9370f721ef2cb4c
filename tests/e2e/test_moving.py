"""docs/moving.md, command by command: an Ant Media Server that answers as one was recorded, taken over by a cluster."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from rillcast.cli.commands.importing import PASSWORD as PASSWORD_VARIABLE
from tests.e2e.cluster import Cluster
from tests.e2e.load import ROOT
from tests.e2e.publishers import ffmpeg_whip, killed
from tests.e2e.test_command_line import Ran, rillcast_
from tests.unit.cli.ant_media_server import PASSWORD, AntMediaServer, broadcast, settings

GUIDE = Path(ROOT) / "docs/moving.md"
OLD = "http://ams.example.org:5080"
BROADCASTS = 1_203


@contextmanager
def serving(old: AntMediaServer) -> Iterator[str]:
    """Its URL."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, said, session = old.answer(self.command, self.path, headers, body)
            data = said.encode() if isinstance(said, str) else json.dumps(said).encode()
            self.send_response(status)
            if session:
                self.send_header("Set-Cookie", f"JSESSIONID={session}; Path=/; HttpOnly")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = _answer

        def log_message(self, *_: object) -> None:
            """Nothing on the error output."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def commands() -> list[list[str]]:
    """What the guide types, without what is only for the reader."""
    blocks = re.findall(r"```sh\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    lines = [line.partition("  #")[0].split() for block in blocks for line in block.splitlines()]
    return [words[1:] for words in lines if words[:1] == ["rillcast"]]


async def test_the_guide_moves_an_app_as_it_says(rillcast: Cluster, source: Path) -> None:
    old = AntMediaServer(
        apps={
            "shop": settings(ipFilterEnabled=False, webRTCViewerLimit=70, jwtSecretKey="x" * 32, mp4MuxingEnabled=True)
        },
        broadcasts={"shop": [broadcast(f"s{number}", name=f"Stream {number}") for number in range(BROADCASTS)]},
    )
    at_any_time = {"plannedStartDate": 0, "plannedEndDate": 0, "expireDurationMS": 0}
    old.broadcasts["shop"][7] |= at_any_time | {"webRTCViewerLimit": 3}
    ran: dict[str, Ran] = {}
    with serving(old) as url:
        try:
            for words in commands():
                there = [word.replace(OLD, url) for word in words]
                ran[" ".join(words)] = await rillcast_(rillcast, *there, settings={PASSWORD_VARIABLE: PASSWORD})
            shown = await rillcast_(rillcast, "streams", "show", "shop/s7", "--json")
            assert (shown.json()["name"], shown.json()["webRTCViewerLimit"]) == ("Stream 7", 3)
            limit = await rillcast_(rillcast, "apps", "settings", "get", "shop", "webRTCViewerLimit")
            assert limit.out == "70\n"
            async with killed(*ffmpeg_whip(source, rillcast.whip("s7", app="shop")), log=source.parent / "moved.log"):
                await rillcast.live("s7")
        finally:
            await rillcast_(rillcast, "apps", "delete", "shop", "--yes", "--records")
    tries, taken = [one for words, one in ran.items() if words.startswith("import ")]
    assert (tries.code, taken.code) == (1, 1)  # something is refused, and said
    assert "refused mp4MuxingEnabled" in tries.out
    assert f"shop: {BROADCASTS} broadcasts are taken, 0 were here before" in taken.out
    assert f"left out of {BROADCASTS}, such as s0: maxIdleTime: " in taken.out  # as the recorded one has it
    others = {words: one for words, one in ran.items() if not words.startswith("import ")}
    assert others
    assert {words: one.err for words, one in others.items() if one.code} == {}
