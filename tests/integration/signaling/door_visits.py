"""One client at one door: by Ant Media's protocol, by WHIP or by WHEP, over real sockets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from rillcast.contracts.words import Role
from rillcast.testing.receiver import Receiver
from tests.integration.signaling.wire import WireCluster
from tests.unit.signaling.fake_nodes import OFFER

LATER = 4_102_444_800
ROOT = "/live/rest/v2/broadcasts"
LET_IN = "let in"
Shown = dict[str, str]
"""What a client shows: token, or subscriberId and subscriberCode."""


class Door(NamedTuple):
    """One way in."""

    name: str
    role: Role
    by_socket: bool


DOORS = (
    Door("SDK publish", Role.PUBLISH, True),
    Door("SDK play", Role.PLAY, True),
    Door("WHIP", Role.PUBLISH, False),
    Door("WHEP", Role.PLAY, False),
)


@dataclass(frozen=True)
class Visit:
    """One client at one door, of a cluster with the settings of the kind."""

    c: WireCluster
    hook: Receiver
    role: Role
    stream: str
    other: str
    """A stream that is live, and not meant."""
    who: str
    """A subscriber of whom nobody has heard."""

    async def rest(self, method: str, path: str, **options: Any) -> Any:
        async with self.c.http() as http:
            answer = await http.request(method, f"{ROOT}/{path}", **options)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def issued(self, what: str, stream: str, role: Role, expires: int = LATER) -> Shown:
        """A token that REST makes: ``token`` or ``jwt-token``."""
        made = await self.rest("GET", f"{stream}/{what}?expireDate={expires}&type={role.value}")
        return {"token": made["tokenId"]}


class Answer(NamedTuple):
    """Of a door."""

    told: str
    """`LET_IN`, or what the client sees: the definition of an error, or a status of HTTP."""
    words: str = ""


async def ask_by_socket(visit: Visit, shown: Shown) -> Answer:
    """As Ant Media's SDK asks."""
    async with visit.c.client() as client:
        answer = await client.ask(visit.role.value, streamId=visit.stream, **shown)
    if answer["command"] in ("start", "takeConfiguration"):
        return Answer(LET_IN)
    assert answer["command"] == "error", answer
    return Answer(f"`{answer['definition']}`", answer["information"])


async def ask_by_http(visit: Visit, shown: Shown) -> Answer:
    """By WHIP or WHEP, with a token as RFC 9725 says and the rest in the query."""
    query = dict(shown)
    token = query.pop("token", "")
    headers = {"Content-Type": "application/sdp"} | ({"Authorization": f"Bearer {token}"} if token else {})
    kind = "whip" if visit.role is Role.PUBLISH else "whep"
    async with visit.c.stranger() as http:
        answer = await http.post(f"/live/{kind}/{visit.stream}", content=OFFER, headers=headers, params=query)
    return Answer(LET_IN) if answer.status_code == 201 else Answer(str(answer.status_code), answer.text.strip())
