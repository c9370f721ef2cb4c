"""From where streams may be published: `allowedPublisherCIDR`, at every instance and by every protocol."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from rillcast.contracts import subjects
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import StreamId
from rillcast.contracts.messages import AdmitAnswer, AdmitRequest
from rillcast.contracts.records import AppSettings
from rillcast.contracts.words import Role
from services.signaling.core.domain.admission_rules import NotFromThere, check_publisher_address
from services.signaling.core.domain.http_status import status_of
from services.signaling.core.domain.identity import Client
from services.signaling.core.domain.protection import pinned_by
from tests.unit.signaling.asgi_socket import CLIENT, asgi_socket
from tests.unit.signaling.fake_nodes import LIVE, OFFER
from tests.unit.signaling.signaling_harness import Client as SocketClient
from tests.unit.signaling.two_instances import Pair, pair

HERE = CLIENT[0]
ELSEWHERE = "198.51.100.0/24, 2001:db8::/32"


@pytest.fixture
async def c() -> AsyncIterator[Pair]:
    async with pair() as both:
        yield both


def allowed(networks: str, client: Client) -> bool:
    try:
        check_publisher_address(AppSettings(app_name=LIVE, allowed_publisher_cidr=networks), client)
    except NotFromThere as error:
        assert status_of(error, credentials_shown=False) == 403
        return False
    return True


@pytest.mark.parametrize(
    ("networks", "address", "may"),
    [
        ("", "192.0.2.1", True),
        ("  ", "", True),
        ("192.0.2.0/24", "192.0.2.1", True),
        ("192.0.2.0/24", "192.0.3.1", False),
        ("192.0.2.0/24", "", False),
        ("192.0.2.0/24", "no address", False),
        ("198.51.100.7, 192.0.2.1", "192.0.2.1", True),
        ("192.0.2.0/24", "::ffff:192.0.2.1", True),
        ("2001:db8::/32", "2001:db8::7", True),
        ("2001:db8::/32", "192.0.2.1", False),
        ("nonsense", "192.0.2.1", False),
    ],
)
def test_whoever_is_not_listed_publishes_nothing(networks: str, address: str, may: bool) -> None:
    assert allowed(networks, Client(address=address)) is may


def test_the_address_of_a_proxy_that_nobody_trusts_lets_nobody_in() -> None:
    assert not allowed("127.0.0.1", Client(address="127.0.0.1", forwarded=True))
    assert allowed("", Client(address="127.0.0.1", forwarded=True))


def test_what_a_file_sets_of_it_is_pinned() -> None:
    given = AppSettings(app_name=LIVE, allowed_publisher_cidr="192.0.2.0/24")
    assert pinned_by(given) == {"allowed_publisher_cidr": "192.0.2.0/24"}


async def whip_status(c: Pair, number: int, kind: str = "whip") -> int:
    return (await c.whip(number, kind=kind)).status_code


async def socket_says(c: Pair, number: int) -> str:
    async with asgi_socket(c.instance(number).asgi, "/live/websocket") as socket:
        frame = await SocketClient(socket).ask("publish", streamId="s1")
    return str(frame.get("definition", frame["command"]))


async def by_ingest(c: Pair, address: str) -> ErrorCode | None:
    asked = AdmitRequest(role=Role.PUBLISH, app=LIVE, stream=StreamId("s2"), client_address=address)
    try:
        await c.origin.bus.request(subjects.SIGNALING_ADMIT, asked, AdmitAnswer)
    except RillcastError as error:
        return error.code
    return None


async def test_it_acts_at_once_at_every_instance_and_by_every_protocol(c: Pair) -> None:
    async with c.at(1) as http:
        answer = await http.post("/rest/v2/applications/settings/live", json={"allowedPublisherCIDR": ELSEWHERE})
        assert answer.json()["success"], answer.text
    await c.sees(lambda: [c.settings_at(n, LIVE).allowed_publisher_cidr for n in (1, 2)] == [ELSEWHERE] * 2)
    for number in (1, 2):
        refused = await c.whip(number)
        assert (refused.status_code, HERE in refused.text) == (403, True)
        assert await socket_says(c, number) == "unauthorized_access"
    assert await by_ingest(c, "203.0.113.5") is ErrorCode.UNAUTHORIZED
    assert await by_ingest(c, "198.51.100.5") is None
    assert c.origin.published == []

    await c.protect(allowedPublisherCIDR=f"{ELSEWHERE},{HERE}")
    assert await whip_status(c, 2) == 201


async def test_viewers_come_from_everywhere(c: Pair) -> None:
    await c.go_live("s1")
    await c.protect(allowedPublisherCIDR=ELSEWHERE)
    assert await whip_status(c, 1, "whep") == 201


async def test_a_client_that_says_it_is_forwarded_is_not_let_in_by_its_address(c: Pair) -> None:
    await c.protect(allowedPublisherCIDR=HERE)
    transport = httpx.ASGITransport(c.service.asgi)
    headers = {"Content-Type": "application/sdp", "X-Forwarded-For": HERE}
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:5080", headers=headers) as http:
        answer = await http.post("/live/whip/s1", content=OFFER)
    assert (answer.status_code, "a proxy hides yours" in answer.text) == (403, True)
