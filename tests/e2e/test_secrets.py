"""What clients show in confidence is in no line of any log and in no span, whatever becomes of their requests."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from websockets.asyncio.client import ClientConnection, connect

from rillcast.testing.confidences import spoilt
from rillcast.testing.eventually import eventually, within
from tests.e2e.cluster import ROOT, Cluster, cluster

VECTORS = ROOT / "tests" / "vectors" / "sdp"
STRANGERS_TRACE = "deadbeefdeadbeefdeadbeefdeadbeef"
MARK = "MARKEDsecret"
"""Begins every secret of this test."""


@asynccontextmanager
async def collector() -> AsyncIterator[tuple[str, list[bytes]]]:
    """An OTLP receiver: its URL, and the bodies of what it was sent."""
    got: list[bytes] = []

    async def collect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = re.search(rb"(?i)content-length: (\d+)", head)
                got.append(await reader.readexactly(int(length[1])) if length else b"")
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        except asyncio.IncompleteReadError:
            writer.close()

    server = await asyncio.start_server(collect, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", got


def offer(name: str) -> str:
    """A real one, whose ICE password is a secret of this test."""
    sdp = (VECTORS / name).read_bytes().decode()
    return re.sub(r"a=ice-pwd:\S+", f"a=ice-pwd:{MARK}IcePassword0123456789", sdp)


def credentials(protocol: str) -> dict[str, str]:
    return {name: f"{MARK}-{protocol}-{name}" for name in ("token", "subscriberId", "subscriberCode")}


async def whip_and_whep(running: Cluster, stream: str) -> list[str]:
    """Publishes, plays, restarts and ends sessions. Returns the names of the resources, which are secrets too."""
    headers = {
        "Content-Type": "application/sdp",
        "Authorization": f"Bearer {MARK}-bearer",
        "Cookie": f"session={MARK}-cookie",
        "traceparent": f"00-{STRANGERS_TRACE}-1111111111111111-01",
    }
    names = []
    for url, name in (
        (running.whip(stream), "chromium-156-publish-h264.sdp"),
        (running.whep(stream), "chromium-156-play.sdp"),
        (running.whip(stream, "Nowhere"), "chromium-156-publish.sdp"),
        (running.whip("in%20valid"), "chromium-156-publish.sdp"),
    ):
        shown = credentials("http")
        answer = await running.request("POST", url, params=shown, content=offer(name), headers=headers)
        if location := answer.headers.get("location"):
            names.append(location.rpartition("/")[2])
            resource = running.base + location
            fragment = f"a=ice-ufrag:abcd\r\na=ice-pwd:{MARK}Restart0123456789012\r\n"
            restart = {"Content-Type": "application/trickle-ice-sdpfrag", "If-Match": "*"}
            await running.request("PATCH", resource, params=shown, content=fragment, headers=headers | restart)
            await running.request("PATCH", resource, params=shown, content=fragment, headers=headers)
            await running.request("DELETE", resource, params=shown, headers=headers)
            await running.request("DELETE", resource + MARK, params=shown, headers=headers)
    return names


async def broken(running: Cluster, stream: str) -> None:
    """Descriptions, frames and bodies that are refused with words that quote them."""
    headers = {"Content-Type": "application/sdp"}
    for name, url in (("chromium-156-publish.sdp", running.whip(stream)), ("chromium-156-play.sdp", running.whep("x"))):
        for body in list(spoilt(offer(name), MARK))[::25]:
            answer = await running.request("POST", url, content=body, headers=headers)
            if location := answer.headers.get("location"):
                await running.request("DELETE", running.base + location)
    async with connect(running.websocket(), proxy=None) as socket:
        for number, sdp in enumerate(list(spoilt(offer("chromium-156-publish-h264.sdp"), MARK))[::40]):
            name = f"{stream}-{number}"
            await say(socket, {"command": "publish", "streamId": name})
            await say(socket, {"command": "takeConfiguration", "streamId": name, "type": "offer", "sdp": sdp})
            await say(socket, {"command": "stop", "streamId": name})
        for text in (f'{{"command": "{MARK}', f'["{MARK}"]', f'{{"command": {{"{MARK}": 1}}}}', f'{MARK}"'):
            await socket.send(text)
        await say(socket, {"command": "ping"})
        async with within(20, "the pong"):
            while json.loads(await socket.recv())["command"] != "pong":
                pass
    for text in (f'{{"streamId": "{MARK}', f'["{MARK}"]', f'{{"streamId": {{"{MARK}": 1}}}}', f'{{"type": "{MARK}"}}'):
        await running.request("POST", f"{running.base}/LiveApp/rest/v2/broadcasts/create", content=text)
        await running.request("POST", f"{running.base}/rest/v2/applications/settings/LiveApp", content=text)


async def sockets(running: Cluster, stream: str) -> None:
    """Ant Media's protocol, with good and bad frames."""
    url = f"{running.websocket()}?token={MARK}-query"
    extra = {"traceparent": f"00-{STRANGERS_TRACE}-1111111111111111-01", "Cookie": f"session={MARK}-cookie"}
    async with connect(url, proxy=None, additional_headers=extra) as socket:
        shown = credentials("websocket")
        await say(socket, {"command": "publish", "streamId": stream, **shown})
        await say(socket, {"command": "takeConfiguration", "streamId": stream, "type": "offer"} | described())
        await say(socket, {"command": "takeCandidate", "streamId": stream, "candidate": f"{MARK}-candidate"})
        await say(socket, {"command": "play", "streamId": f"{stream}-other", **shown})
        await say(socket, {"command": "takeConfiguration", "streamId": "none", "type": "answer"} | described())
        await say(socket, {"command": f"{MARK}-command", "streamId": stream, **shown})
        await socket.send(f'{{"command":"publish","token":"{MARK}-broken')
        await say(socket, {"command": "ping"})
        async with within(20, "the pong"):
            while json.loads(await socket.recv())["command"] != "pong":
                pass


def described() -> dict[str, str]:
    return {"sdp": offer("chromium-156-publish-h264.sdp")}


async def say(socket: ClientConnection, frame: dict[str, str]) -> None:
    await socket.send(json.dumps(frame))


async def rest(running: Cluster) -> None:
    """Settings with secrets, from one who may set them; and a stranger who shows something wrong."""
    secrets = {name: f"{MARK}-{name}-0123456789012345678901234" for name in ("publishTokenSecret", "playTokenSecret")}
    path = f"{running.base}/rest/v2/applications/settings/LiveApp"
    await running.request("POST", path, json=secrets)
    await running.request("POST", path, content=json.dumps(secrets)[:-5])
    wrong = {"ProxyAuthorization": f"{MARK}-operator", "Authorization": f"Bearer {MARK}-operator"}
    await running.request("GET", path, params={"jwt": f"{MARK}-jwt"}, headers=wrong)
    login = {"email": "operator", "password": f"{MARK}-password"}
    await running.request("POST", f"{running.base}/rest/v2/users/authenticate", json=login, headers=wrong)


async def test_no_secret_of_a_client_is_in_a_log_or_a_trace(tmp_path: Path) -> None:
    async with collector() as (url, spans):
        settings = {"RILLCAST_OTLP_ENDPOINT": url, "RILLCAST_LOG_LEVEL": "debug"}
        async with cluster(tmp_path, settings=settings) as running:
            names = await whip_and_whep(running, "traced")
            await sockets(running, "traced-too")
            await broken(running, "traced-broken")
            await rest(running)
            await eventually(
                lambda: b"signaling.publish" in b"".join(spans) and b"process " in b"".join(spans), 60.0, "the spans"
            )
        logs = {log.name: log.read_text(errors="replace") for log in (tmp_path / "run" / "logs").glob("*.log*")}
    exported = b"".join(spans)
    assert names, "a session was opened"
    assert b"traced" in exported
    assert "Node is up" in logs["signaling-1.log"]
    for secret in (MARK, *names):
        assert secret.encode() not in exported
        assert [name for name, text in logs.items() if secret in text] == []
    assert bytes.fromhex(STRANGERS_TRACE) not in exported
    assert STRANGERS_TRACE not in "".join(logs.values())
