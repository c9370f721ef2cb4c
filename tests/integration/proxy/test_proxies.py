"""Signaling behind the reverse proxies of deploy/proxy."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import httpx
import pytest
import websockets
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from rillcast.cluster.placement import Place
from rillcast.contracts.words import NodeKind
from rillcast.runtime.http.server import HttpServer, bind
from rillcast.testing.eventually import eventually
from rillcast.testing.servers import free_port, nats_server
from rillcast.testing.services import service_process
from services.signaling.core.adapters.http_client_reader import ClientReader
from services.signaling.core.domain.region import CidrTable, RegionFinder, parse_networks
from tests.integration.proxy.proxies import NAME, PROXIES, proxy

ADMINISTERING: tuple[tuple[str, str, dict[str, object] | None], ...] = (
    ("GET", "/rest/v2/applications/settings/LiveApp", None),
    ("POST", "/rest/v2/applications/settings/LiveApp", {"webRTCViewerLimit": 0}),
    ("DELETE", "/live/rest/v2/broadcasts/show", None),
)
LIES = {"x-forwarded-for": "203.0.113.9", "x-real-ip": "203.0.113.9", "forwarded": "for=203.0.113.9"}


@asynccontextmanager
async def echo() -> AsyncIterator[int]:
    """The port of a server that says who it thinks asks, with which headers, for what."""
    regions = RegionFinder(table=CidrTable(()), geo=None, geo_regions={}, fallback=Place(""))
    reader = ClientReader(regions, parse_networks("127.0.0.1"), "")

    async def say(request: Request) -> Response:
        seen = {
            "address": str(reader.address(request)),
            "path": request.scope["raw_path"].decode(),
            "headers": dict(request.headers),
            "body": len(await request.body()),
        }
        return JSONResponse(seen)

    server = HttpServer(
        Starlette(routes=[Route("/{path:path}", say, methods=["GET", "POST"])]), bind("127.0.0.1", 0, "")
    )
    await server.start()
    yield server.port
    await server.stop()


@pytest.mark.parametrize("kind", PROXIES)
async def test_the_address_is_the_clients_whatever_it_says(kind: str, tmp_path: Path) -> None:
    async with echo() as upstream, proxy(kind, tmp_path, upstream) as front, front.client("127.0.0.2") as client:
        for lies in ({}, LIES, {"x-forwarded-for": "203.0.113.9, 127.0.0.1"}, {"x-forwarded-for": ""}):
            seen = (await client.get("/", headers=lies)).json()
            assert seen["address"] == "127.0.0.2"
            assert seen["headers"]["x-forwarded-proto"] == "https"
            assert not {"x-real-ip", "forwarded"} & seen["headers"].keys()


@pytest.mark.parametrize("kind", PROXIES)
async def test_paths_and_hosts_arrive_as_they_were_sent(kind: str, tmp_path: Path) -> None:
    async with echo() as upstream, proxy(kind, tmp_path, upstream) as front, front.client() as client:
        seen = (await client.get("/live/whip/a%2Fb/x.y~z?token=a%20b")).json()
    assert seen["path"] == "/live/whip/a%2Fb/x.y~z"
    assert seen["headers"]["host"] == NAME


@pytest.mark.parametrize("kind", PROXIES)
async def test_the_plain_port_leads_to_the_encrypted_one(kind: str, tmp_path: Path) -> None:
    async with (
        echo() as upstream,
        proxy(kind, tmp_path, upstream) as front,
        httpx.AsyncClient(trust_env=False) as client,
    ):
        answer = await client.post(f"http://127.0.0.1:{front.place.plain}/live/whip/a?b=c", headers={"host": NAME})
    assert answer.status_code == 308
    assert httpx.URL(answer.headers["location"]).copy_with(port=None) == f"https://{NAME}/live/whip/a?b=c"


@pytest.mark.parametrize("kind", PROXIES)
async def test_no_token_and_no_name_of_a_resource_is_logged(kind: str, tmp_path: Path) -> None:
    """Also when nobody answers behind the proxy."""
    plain = httpx.AsyncClient(trust_env=False, headers={"host": NAME})
    confided = {"token": "SECRET", "subscriberCode": "SECRET"}
    headers = {
        "authorization": "Bearer SECRET",
        "proxyauthorization": "SECRET",
        "cookie": "rillcast=SECRET",
        "referer": f"https://{NAME}/live/watch.html?token=SECRET",
    }
    async with AsyncExitStack() as behind, plain:
        upstream = await behind.enter_async_context(echo())
        async with proxy(kind, tmp_path, upstream) as front, front.client() as client:
            ways = {"": client, f"http://127.0.0.1:{front.place.plain}": plain}
            for there in (True, False):
                for path in ("/live/whip/s1", "/live/whip/s1/SECRET", "/live/whep/a%2Fb/SECRET", "/live/watch.html"):
                    statuses = [
                        (await by.post(f"{base}{path}", params=confided, headers=headers, content="SECRET")).status_code
                        for base, by in ways.items()
                    ]
                    assert statuses == [200, 308] if there else statuses in ([502, 308], [503, 308])
                await behind.aclose()
    assert "SECRET" not in front.logged
    assert kind != "nginx" or "/live/whip/s1/..." in front.logged, "its own log was looked at"


@pytest.mark.parametrize("kind", PROXIES)
async def test_a_real_signaling_is_reached(kind: str, tmp_path: Path) -> None:
    """Pages, Ant Media's protocol, WHIP: what the proxy lets through, and that it changes no answer."""
    port = free_port()
    async with nats_server() as nats:
        settings: dict[str, object] = {
            "nats_url": nats.url,
            "port": port,
            "trusted_proxies": "127.0.0.1",
            "node_wait_s": 0,
        }
        async with (
            service_process(NodeKind.SIGNALING, tmp_path, **settings) as signaling,
            proxy(kind, tmp_path, port) as front,
            front.client() as client,
        ):
            await signaling.says("Serves clients")
            page = await eventually(partial(_page, client), 30, "a page")  # HAProxy looks for it each 2 s
            assert page.headers["x-content-type-options"] == "nosniff"
            assert "max-age" in page.headers["strict-transport-security"]
            offer = await client.post("/live/whip/a", content="no sdp", headers={"content-type": "application/sdp"})
            plain = await _direct(port, "no sdp")
            assert (offer.status_code, offer.text) == (plain.status_code, plain.text)
            preflight = await client.options("/live/whip/a", headers={"origin": "https://player.example"})
            assert preflight.headers["access-control-allow-origin"] == "*"
            url = f"wss://{NAME}/live/websocket"
            port_there = front.place.encrypted
            async with websockets.connect(url, ssl=front.trust, host="127.0.0.1", port=port_there) as socket:
                await socket.send(json.dumps({"command": "getIceServerConfig"}))
                assert json.loads(await socket.recv())["command"] == "iceServerConfig"
            assert "Traceback" not in signaling.log


@pytest.mark.parametrize("named", [True, False], ids=["named", "not named"])
@pytest.mark.parametrize("kind", PROXIES)
async def test_a_proxy_on_the_same_machine_opens_rest_to_nobody(kind: str, named: bool, tmp_path: Path) -> None:
    """Whatever comes through it has a neighbour's address, which is no credential."""
    port, trusted = free_port(), "127.0.0.1" if named else ""
    async with nats_server() as nats:
        settings: dict[str, object] = {"nats_url": nats.url, "port": port, "trusted_proxies": trusted}
        async with (
            service_process(NodeKind.SIGNALING, tmp_path, **settings) as signaling,
            proxy(kind, tmp_path, port) as front,
            front.client("127.0.0.2") as client,
        ):
            await signaling.says("Serves clients")
            await eventually(partial(_page, client), 30, "a page")
            for method, path, body in ADMINISTERING:
                answer = await client.request(method, path, json=body)
                assert answer.status_code == 403, answer.text
                assert ("Not authenticated user" in answer.text) is named
                assert ("RILLCAST_SIGNALING_TRUSTED_PROXIES" in answer.text) is not named
                assert "ublishTokenSecret" not in answer.text


async def _page(client: httpx.AsyncClient) -> httpx.Response:
    page = await client.get("/live/watch.html")
    assert page.status_code == 200, page.text
    return page


async def _direct(port: int, offer: str) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False) as client:
        headers = {"content-type": "application/sdp"}
        return await client.post(f"http://127.0.0.1:{port}/live/whip/a", content=offer, headers=headers)
