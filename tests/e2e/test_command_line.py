"""The command line of operators against a whole cluster, as a process of its own."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from rillcast.testing.eventually import within
from tests.e2e.cluster import Cluster, until
from tests.e2e.load import ROOT
from tests.e2e.publishers import ffmpeg_whip, killed, running

APP = "LiveApp"


class Ran(NamedTuple):
    """What a command did."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        assert self.code == 0, self.err
        return json.loads(self.out)


async def rillcast_(c: Cluster, *words: str, typed: str = "", settings: Mapping[str, str] | None = None) -> Ran:
    """`rillcast` with these words, in the run folder of the cluster."""
    known = {name: value for name, value in os.environ.items() if not name.startswith("RILLCAST_")}
    own = {"RILLCAST_RUN_DIR": str(c.folder / "run"), "RILLCAST_SESSION_FILE": str(c.folder / "sessions.json")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "rillcast.cli", *words),
        cwd=ROOT,
        env=known | own | {"COLUMNS": "100"} | dict(settings or {}),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with within(60, f"the end of {' '.join(words)}"):
        out, err = await process.communicate(typed.encode())
    assert process.returncode is not None
    assert "Traceback" not in err.decode()
    return Ran(process.returncode, out.decode(), err.decode())


async def test_a_stream_is_listed_shown_and_stopped(rillcast: Cluster, source: Path, stream: str) -> None:
    url = rillcast.whip(stream)
    async with killed(*ffmpeg_whip(source, url), log=source.parent / f"{stream}.log"):
        await rillcast.live(stream)
        listed = await rillcast_(rillcast, "streams", "--app", APP)
        assert f"{APP}/{stream}" in listed.out
        (one,) = [one for one in (await rillcast_(rillcast, "streams", "--json")).json() if one["stream"] == stream]
        assert one["media_flowing"]
        assert "broadcasting" in (await rillcast_(rillcast, "streams", "show", f"{APP}/{stream}")).out

        stopped = await rillcast_(rillcast, "streams", "stop", f"{APP}/{stream}")
        assert (stopped.code, stopped.out) == (0, f"{APP}/{stream} is stopped\n"), stopped.err
        await until(lambda: rillcast.stream(stream), lambda entry: entry is None, "the stream is gone")

    async def joins() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await rillcast_(rillcast, "sessions", "--stream", stream, "--json")).json()
        return found

    (join, *_) = await until(joins, lambda found: found and found[-1]["endedMs"], "the join is over")
    assert (join["role"], join["app"], join["node"]) == ("publish", APP, "origin-1")
    assert join["askedMs"] <= join["openedMs"] <= join["connectedMs"] <= join["mediaMs"] <= join["endedMs"]


async def test_nodes_apps_and_settings_are_shown_and_set(rillcast: Cluster) -> None:
    nodes = (await rillcast_(rillcast, "nodes", "--json")).json()
    assert {one["kind"] for one in nodes} == {"signaling", "origin", "edge", "transcoder", "license"}
    assert "edge-1" in (await rillcast_(rillcast, "nodes")).out
    assert (await rillcast_(rillcast, "apps", "create", "cli")).code == 0
    try:
        assert (await rillcast_(rillcast, "apps", "create", "cli")).code == 1
        assert (await rillcast_(rillcast, "apps", "settings", "set", "cli", "webRTCViewerLimit=7")).code == 0
        assert (await rillcast_(rillcast, "apps", "settings", "get", "cli", "webRTCViewerLimit")).out == "7\n"
        token = await rillcast_(rillcast, "tokens", "create", "cli/x", "--for", "play")
        assert token.code == 0, token.err
        valid = ("tokens", "validate", "cli/x", "-", "--for", "play")
        assert (await rillcast_(rillcast, *valid, typed=token.out)).code == 0
        assert (await rillcast_(rillcast, "tokens", "revoke", "cli/x")).code == 0
        assert (await rillcast_(rillcast, *valid, typed=token.out)).code == 1
    finally:
        assert (await rillcast_(rillcast, "apps", "delete", "cli", "--yes", "--records")).code == 0


async def test_an_operator_signs_in_and_out(rillcast: Cluster) -> None:
    made = await rillcast_(rillcast, "users", "create", "cli-ada", "--role", "READ_ONLY")
    password = made.out.split()[-1]
    away = {"RILLCAST_RUN_DIR": str(rillcast.folder / "nowhere"), "RILLCAST_SERVER": rillcast.base}
    try:
        assert (await rillcast_(rillcast, "nodes", settings=away)).code == 1
        signed = await rillcast_(rillcast, "login", "cli-ada", settings=away | {"RILLCAST_PASSWORD": password})
        assert signed.code == 0, signed.err
        assert (rillcast.folder / "sessions.json").stat().st_mode & 0o777 == 0o600
        assert (await rillcast_(rillcast, "nodes", settings=away)).code == 0
        refused = await rillcast_(rillcast, "apps", "create", "cli-two", settings=away)
        assert (refused.code, "answers 403" in refused.err) == (1, True)
        assert (await rillcast_(rillcast, "logout", settings=away)).code == 0
        assert (await rillcast_(rillcast, "nodes", settings=away)).code == 1
    finally:
        assert (await rillcast_(rillcast, "users", "delete", "cli-ada", "--yes")).code == 0


@asynccontextmanager
async def listening(c: Cluster) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
    """What `rillcast events --json` prints."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "rillcast.cli", "events", "--json", "--run-dir", str(c.folder / "run")),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    lines = process.stdout
    try:
        yield (json.loads(line) async for line in lines)
    finally:
        process.terminate()
        await process.wait()


async def test_events_are_shown_as_they_happen(rillcast: Cluster, source: Path, stream: str) -> None:
    async def listeners() -> float:
        return await rillcast.metric("signaling-1", "rillcast_signaling_event_listeners")

    missing = {"publisher.joined", "stream.started", "publisher.left", "stream.ended"}
    async with listening(rillcast) as events, within(60, "all of them"):
        await until(listeners, lambda count: count >= 1, "it listens")
        async with running(*ffmpeg_whip(source, rillcast.whip(stream)), log=source.parent / f"{stream}.log"):
            await rillcast.live(stream)
        while missing:
            event = await anext(events)
            if event.get("stream") == stream:
                missing.remove(event["kind"])


@pytest.mark.parametrize(
    ("words", "code", "why"),
    [
        ("vods", 1, "there is no VoD"),
        ("hooks queue", 1, "rillcast_signaling_hooks_waiting"),
        ("streams show LiveApp/none", 1, "answers 404"),
        ("streams show none", 2, "must name an app and a stream"),
        ("streams --server ftp://x", 1, "no address of a server"),
        ("nodes --server http://127.0.0.1:1", 1, "nothing runs at"),
        ("apps settings get LiveApp nothing", 2, "there is no 'nothing'"),
    ],
)
async def test_what_cannot_be_is_one_sentence(rillcast: Cluster, words: str, code: int, why: str) -> None:
    ran = await rillcast_(rillcast, *words.split())

    assert (ran.code, ran.out) == (code, "")
    assert why in " ".join(ran.err.replace("│", " ").split())


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
async def test_a_shell_is_told_how_to_complete(rillcast: Cluster, shell: str) -> None:
    script = await rillcast_(rillcast, "completion", shell)
    assert "_RILLCAST_COMPLETE" in script.out

    typed = {"COMP_WORDS": "rillcast streams st", "COMP_CWORD": "2", "_TYPER_COMPLETE_ARGS": "rillcast streams st"}
    asked = {"_RILLCAST_COMPLETE": f"complete_{shell}", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    completed = await rillcast_(rillcast, settings=typed | asked)

    for command in ("start", "stop", "stats"):
        assert command in completed.out
    assert "delete" not in completed.out
